"""Files of models: variants, shards, one file, a hub's, LoRA, textual inversion, wrong ones."""

import hashlib
import json
import logging
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import load_tensors, save_tensors
from scoregeo.score import hub
from scoregeo.score.find_folder import _wanted
from scoregeo.score.folder import chosen, files_of, variants
from scoregeo.score.latent_model import AbstractLatentModel
from scoregeo.score.loading import FAMILIES, from_pipe, load_model
from scoregeo.score.lora import LORA_FILE
from scoregeo.score.model_folder import MODELS, model_digest
from tests.score.tiny_pipelines import noise, tiny_pipeline
from tests.score.tiny_sd import WIDTH, save_tiny_sd

pytest.importorskip("transformers")
SAVED = ("sdxl", "sd3", "sd3 without t5", "flux", "ddim", "dit")


def values(model: AbstractLatentModel, prompt: str = "") -> torch.Tensor:
    """Something of all that a model computes; equal weights give it up to the order of sums."""
    height, _ = model.image_size if model.image_size[0] < 32 else (16, 16)
    score = model.score(prompt, size=height)
    x = noise(1, *score.shape)
    image = model.codec.decode(model.codec.encode(0.5 * torch.tanh(noise(1, 3, height, height))))
    return torch.cat([score.score(x, 1.0).flatten(), image.flatten()])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder for each pipeline, and `sd1`."""
    root = tmp_path_factory.mktemp("models")
    for name in SAVED:
        tiny_pipeline(name).save_pretrained(root / name, safe_serialization=True)
    save_tiny_sd(root / "sd1", "sd1")
    return root


@pytest.fixture
def copied(folders: Path, tmp_path: Path) -> Any:
    return lambda name: Path(shutil.copytree(folders / name, tmp_path / "copy"))


@pytest.mark.parametrize("name", SAVED)
def test_a_folder_is_what_the_pipeline_is(folders: Path, name: str) -> None:
    prompt = "" if name == "ddim" else "3" if name == "dit" else "a red cat"
    loaded, own = load_model(folders / name), from_pipe(tiny_pipeline(name))
    torch.testing.assert_close(values(loaded, prompt), values(own, prompt), rtol=0, atol=1e-5)
    half = load_model(folders / name, dtype="bfloat16")
    assert {next(n.parameters()).dtype for n in half.networks} == {torch.bfloat16}


def renamed(folder: Path, variant: str, dtype: torch.dtype) -> None:
    """Weights of a variant alone."""
    for path in folder.glob("*/*.safetensors"):
        tensors = {key: value.to(dtype) for key, value in load_tensors(path).items()}
        path.unlink()
        save_tensors(path.with_suffix(f".{variant}.safetensors"), tensors, {"format": "pt"})


def test_variants_in_a_folder(copied: Any, folders: Path) -> None:
    folder = copied("sdxl")
    renamed(folder, "bf16", torch.bfloat16)
    found, exact = load_model(folder), load_model(folders / "sdxl")
    assert next(found.network.parameters()).dtype == torch.float32
    assert float((values(found) - values(exact)).norm() / values(exact).norm()) < 0.1
    mixed = load_model(folder, dtype="float16")
    assert next(mixed.network.parameters()).dtype == torch.float16
    assert next(mixed.codec.networks[0].parameters()).dtype == torch.float32


def beside_the_index(pipe: Any, folder: Path) -> None:
    """A network and its scheduler as the hub's oldest repositories have them: no sub-folders."""
    pipe.unet.save_pretrained(folder)
    pipe.scheduler.save_pretrained(folder)
    names = {
        part: ["diffusers", type(getattr(pipe, part)).__name__] for part in ("unet", "scheduler")
    }
    index = {"_class_name": type(pipe).__name__, "_diffusers_version": "0.1.1"} | names
    (folder / "model_index.json").write_text(json.dumps(index))


def test_a_network_beside_the_index(tmp_path: Path, server: Any) -> None:
    """As google/ddpm-cat-256 has it, and as diffusers loads it; from a folder and from a hub."""
    from diffusers import DDPMPipeline

    pipe, older, usual = tiny_pipeline("ddpm"), tmp_path / "older", tmp_path / "usual"
    beside_the_index(pipe, older)
    pipe.save_pretrained(usual)
    wanted = values(load_model(usual))
    torch.testing.assert_close(values(load_model(older)), wanted, rtol=0, atol=0)
    theirs = from_pipe(DDPMPipeline.from_pretrained(older))
    torch.testing.assert_close(values(theirs), wanted, rtol=0, atol=1e-6)
    (older / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    server.root = older
    torch.testing.assert_close(values(load_model("me/tiny")), wanted, rtol=0, atol=0)
    assert "diffusion_pytorch_model.safetensors" in server.asked
    assert "diffusion_pytorch_model.bin" not in server.asked
    before = model_digest(older)
    settings(older / "scheduler_config.json", beta_end=0.03)
    assert model_digest(older) != before  # other weights or noise: another model
    assert not torch.equal(values(load_model(older)), wanted)
    (older / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(DataError, match="older has its weights only as a pickle"):
        load_model(older)
    settings(older / "config.json", _class_name="UNet1DModel")
    with pytest.raises(DataError, match="older has no unet/"):
        load_model(older)


def test_other_weights_without_a_folder_are_another_model(tmp_path: Path) -> None:
    digests = {name: model_digest(MODELS / name) for name in ("clock_mlp", "notes_mlp")}
    assert len(set(digests.values())) == 2
    copy = shutil.copytree(MODELS / "clock_mlp", tmp_path / "copy")
    assert model_digest(copy) == digests["clock_mlp"]
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert model_digest(copy) != digests["clock_mlp"]


def test_weights_beside_the_index_are_left_where_networks_have_folders() -> None:
    stem = "diffusion_pytorch_model.safetensors"
    parts = {name: part for family in FAMILIES for name, part in family.parts.items()}
    index = ["model_index.json", "scheduler/scheduler_config.json"]
    needed = [*index, "unet/config.json", f"unet/{stem}"]
    more = [stem, "model.safetensors", "config.json"]
    assert _wanted([*needed, *more], parts, torch.float32, True) == needed
    assert _wanted([*index, *more], parts, torch.float32, True) == [*index, stem, "config.json"]


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_shards_in_a_folder(folders: Path, tmp_path: Path, variant: str | None) -> None:
    pipe = tiny_pipeline("sd3")
    pipe.save_pretrained(tmp_path, safe_serialization=True, max_shard_size="60KB", variant=variant)
    index = "diffusion_pytorch_model.safetensors.index"
    assert (tmp_path / "transformer" / f"{index}{'.fp16' if variant else ''}.json").is_file()
    torch.testing.assert_close(
        values(load_model(tmp_path), "cat"),
        values(load_model(folders / "sd3"), "cat"),
        rtol=0,
        atol=1e-5,
    )


def test_which_files_are_chosen() -> None:
    stem = "diffusion_pytorch_model"
    shards = [f"{stem}.fp16-0000{n}-of-00002.safetensors" for n in (1, 2)]
    index = f"{stem}.safetensors.index.fp16.json"
    files = [f"{stem}.safetensors", f"{stem}.bin", f"{stem}.non_ema.safetensors", *shards, index]
    assert variants(files, stem) == {"", "fp16", "non_ema"}
    assert chosen(files, stem, torch.float32) == chosen(files, stem, torch.bfloat16) == ""
    assert chosen(files, stem, torch.float16) == chosen(files[3:], stem, torch.float32) == "fp16"
    assert chosen([f"{stem}.bin"], stem, torch.float32) is None
    assert files_of(files, stem, "fp16") == [*shards, index]
    assert files_of(files, stem, "") == files[:1]


def settings(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_is_refused(folders: Path, tmp_path: Path) -> None:
    def refused(name: str, words: str, change: Any) -> None:
        folder = Path(
            shutil.copytree(folders / name, tmp_path / f"{len(list(tmp_path.iterdir()))}")
        )
        change(folder)
        with pytest.raises(DataError, match=words) as caught:
            load_model(folder)
        assert str(folder) in str(caught.value)

    def unknown(folder: Path) -> None:
        settings(folder / "model_index.json", _class_name="WanPipeline")

    def pickled(folder: Path) -> None:
        path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
        path.rename(path.with_suffix(".bin"))

    refused("sdxl", r"holds a WanPipeline, which is not supported.*XL \(StableDiffusionXL", unknown)
    refused("sd3", "transformer has its weights only as a pickle", pickled)
    refused("flux", "has no text_encoder_2/", lambda f: shutil.rmtree(f / "text_encoder_2"))
    refused("sd3", r"has no text_encoder_3/.*null", lambda f: shutil.rmtree(f / "text_encoder_3"))
    refused(
        "sdxl",
        "a refiner",
        lambda f: settings(f / "text_encoder_2" / "config.json", projection_dim=12),
    )
    refused(
        "sd1",
        "unet takes a picture beside the text .encoder_hid_dim_type = 'image_proj'",
        lambda f: settings(f / "unet" / "config.json", encoder_hid_dim_type="image_proj"),
    )
    refused(
        "sd3",
        "takes 32 channels, latents have 16",
        lambda f: settings(f / "transformer" / "config.json", in_channels=32),
    )
    refused(
        "flux",
        "a DDIMScheduler: a rectified flow needs",
        lambda f: settings(f / "scheduler" / "scheduler_config.json", _class_name="DDIMScheduler"),
    )
    refused(
        "ddim",
        "predicts variances",
        lambda f: settings(f / "unet" / "config.json", out_channels=6),
    )
    with pytest.raises(DataError, match="there is no such file"):
        load_model(tmp_path / "none.safetensors")
    with pytest.raises(ConfigError, match=r"score\.config.*one \.safetensors file"):
        load_model(folders / "sd1", config="a/b")


def test_prediction_type_of_a_wrong_file(folders: Path, copied: Any) -> None:
    folder = copied("sd1")
    right = values(load_model(folder, prediction="v_prediction"))
    assert (right - values(load_model(folder))).abs().max() > 1e-2
    settings(folder / "scheduler" / "scheduler_config.json", prediction_type="v_prediction")
    torch.testing.assert_close(values(load_model(folder)), right, rtol=0, atol=1e-5)


# One file, with the names of Stable Diffusion's authors: written here for two levels of one layer.
_RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0"}
_RESNET |= {
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_UNET = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2"}
_UNET |= {"conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}
_UNET |= {"mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1"}
_UNET |= {"mid_block.resnets.1": "middle_block.2"}
for _level in range(2):
    _UNET[f"down_blocks.{_level}.resnets.0"] = f"input_blocks.{1 + 2 * _level}.0"
    _UNET[f"down_blocks.{_level}.attentions.0"] = f"input_blocks.{1 + 2 * _level}.1"
    for _layer in range(2):
        _UNET[f"up_blocks.{_level}.resnets.{_layer}"] = f"output_blocks.{2 * _level + _layer}.0"
        _UNET[f"up_blocks.{_level}.attentions.{_layer}"] = f"output_blocks.{2 * _level + _layer}.1"
_UNET["down_blocks.0.downsamplers.0.conv"] = "input_blocks.2.0.op"
_UNET["up_blocks.0.upsamplers.0.conv"] = "output_blocks.1.1.conv"
_VAE = {"conv_norm_out": "norm_out", "conv_shortcut": "nin_shortcut", "group_norm": "norm"}
_VAE |= {"mid_block.resnets.0": "mid.block_1", "mid_block.resnets.1": "mid.block_2"}
_VAE |= {"mid_block.attentions.0": "mid.attn_1", "to_q": "q", "to_k": "k", "to_v": "v"}
_VAE |= {"to_out.0": "proj_out", "downsamplers.0": "downsample", "upsamplers.0": "upsample"}


def one_file(folder: Path, path: Path, **more: torch.Tensor) -> Path:
    def read(part: str, stem: str = "diffusion_pytorch_model") -> dict[str, torch.Tensor]:
        return load_tensors(folder / part / f"{stem}.safetensors")

    def replaced(key: str, names: dict[str, str]) -> str:
        for old, new in names.items():
            key = f".{key}.".replace(f".{old}.", f".{new}.").strip(".")
        return key

    found = dict(more)
    for key, value in read("unet").items():
        name = replaced(key, _UNET)
        name = replaced(name, _RESNET) if "resnets" in key else name
        found[f"model.diffusion_model.{name}"] = value
    for key, value in read("vae").items():
        name = key
        for level in range(2):
            name = name.replace(f"down_blocks.{level}.", f"down.{level}.")
            name = name.replace(f"up_blocks.{level}.", f"up.{1 - level}.")
        name = replaced(name.replace(".resnets.", ".block.") if "mid" not in name else name, _VAE)
        square = "attn_1" in name and value.ndim == 2
        found[f"first_stage_model.{name}"] = value[:, :, None, None] if square else value
    for key, value in read("text_encoder", "model").items():
        name = f"cond_stage_model.transformer.text_model.{key.removeprefix('text_model.')}"
        found[name] = value
    save_tensors(path, {key: value.contiguous() for key, value in found.items()}, {"format": "pt"})
    return path


def test_one_file(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = one_file(folders / "sd1", tmp_path / "model.safetensors")
    found = load_model(path, config=folders / "sd1")
    expected = values(load_model(folders / "sd1"), "a red cat")
    torch.testing.assert_close(values(found, "a red cat"), expected, rtol=0, atol=1e-5)
    mixed = load_model(path, config=folders / "sd1", dtype="float16")
    assert [next(n.parameters()).dtype for n in mixed.networks] == [
        torch.float16,
        torch.float32,
        torch.float16,
    ]
    # Without settings the hub's are taken; where there is no hub this is said.
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match=r"stable-diffusion.*cannot be reached"):
        load_model(path)
    with pytest.raises(DataError, match=r"one file is supported for Stable Diffusion.*Flux"):
        load_model(path, config=folders / "flux")
    tensors = load_tensors(path)
    for key in (
        "model.diffusion_model.middle_block.1.norm.weight",
        "first_stage_model.decoder.conv_out.bias",
        "cond_stage_model.transformer.text_model.final_layer_norm.bias",
    ):
        whole = tensors | {key: tensors[key].long(), "model_ema.num_updates": torch.tensor(3)}
        save_tensors(tmp_path / "whole.safetensors", whole, {"format": "pt"})
        with pytest.raises(DataError, match=f"{key} of torch.int64: weights of floating point"):
            load_model(tmp_path / "whole.safetensors", config=folders / "sd1")
    for key, words in (
        ("model.diffusion_model.middle_block.1.norm.weight", "unet does not fit"),
        ("first_stage_model.decoder.conv_out.bias", "vae does not fit"),
        ("cond_stage_model.transformer.text_model.final_layer_norm.bias", "text_encoder does not"),
    ):
        less = {name: value for name, value in tensors.items() if name != key}
        save_tensors(tmp_path / "less.safetensors", less, {"format": "pt"})
        with pytest.raises(DataError, match=words):
            load_model(tmp_path / "less.safetensors", config=folders / "sd1")
        more = tensors | {key.replace("norm", "more").replace("conv", "more"): torch.zeros(2)}
        save_tensors(tmp_path / "more.safetensors", more, {"format": "pt"})
        with pytest.raises(DataError, match=words):
            load_model(tmp_path / "more.safetensors", config=folders / "sd1")
    (tmp_path / "model.ckpt").write_bytes(b"x")
    with pytest.raises(DataError, match="a pickle can run any code"):
        load_model(tmp_path / "model.ckpt", config=folders / "sd1")


class _Hub(BaseHTTPRequestHandler):
    """Enough of a model hub: one repository, the files of `root`; gone where `root` is None."""

    root: Path | None = None
    asked: list[str] = []
    COMMIT = "1" * 40

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if self.root is None:
            return self._answer(b"{}", 404, {"X-Error-Code": "RepoNotFound"})
        if "/tree/" in path:
            files = [file for file in self.root.rglob("*") if file.is_file()]
            tree = [
                {
                    "type": "file",
                    "path": file.relative_to(self.root).as_posix(),
                    "size": file.stat().st_size,
                    "oid": hashlib.sha1(file.read_bytes()).hexdigest(),
                }
                for file in files
            ]
            return self._answer(json.dumps(tree).encode(), 200, {})
        if path.startswith("/api/models/"):
            files = sorted(f for f in self.root.rglob("*") if f.is_file())
            names = [file.relative_to(self.root).as_posix() for file in files]
            said = {
                "id": "me/tiny",
                "sha": self.COMMIT,
                "siblings": [{"rfilename": n} for n in names],
            }
            return self._answer(json.dumps(said).encode(), 200, {})
        name = path.split("/resolve/")[1].partition("/")[2]
        self.asked.append(name)
        content = (self.root / name).read_bytes()
        headers = {"X-Repo-Commit": self.COMMIT, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
        return self._answer(content, 200, headers)

    def _answer(self, content: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[_Hub]]:
    served = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{served.server_address[1]}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    for key in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setattr(hub, "TIMEOUT", 2.0)
    _Hub.asked = []
    yield _Hub
    served.shutdown()
    served.server_close()
    thread.join()


def test_half_precision_and_shards_of_a_hub_and_a_repository_that_is_gone(
    server: type[_Hub], folders: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A repository with shards in half precision alone, as many large ones are, and what is not
    needed beside them.
    """
    root = tmp_path / "served"
    pipe = tiny_pipeline("sdxl")
    pipe.save_pretrained(root, safe_serialization=True, variant="fp16", max_shard_size="60KB")
    (root / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    (root / "big.safetensors").write_bytes(b"all in one")
    server.root = root
    expected = values(load_model(folders / "sdxl"), "cat")
    torch.testing.assert_close(values(load_model("me/tiny"), "cat"), expected, rtol=0, atol=1e-5)
    assert any("-of-" in name for name in server.asked)
    assert not any(name.endswith(".bin") or name == "big.safetensors" for name in server.asked)
    server.root = None
    with caplog.at_level(logging.WARNING):
        torch.testing.assert_close(
            values(load_model("me/tiny"), "cat"), expected, rtol=0, atol=1e-5
        )
    assert "me/tiny: the hub does not answer for it; the copy in the cache is used" in caplog.text
    with pytest.raises(DataError, match="me/other.*no such model.*not in the cache"):
        load_model("me/other")


def lora_of(layers: dict[str, torch.nn.Module], rank: int = 2) -> dict[str, torch.Tensor]:
    """Down and up matrices of each layer, under keys `NAME.down` and `NAME.up`."""
    found = {}
    for name, layer in layers.items():
        weight = layer.weight
        kernel = weight.shape[2:]
        found[f"{name}.down"] = noise(rank, *weight.shape[1:], name=f"{name} down") / 4
        found[f"{name}.up"] = noise(len(weight), rank, *(1 for _ in kernel), name=f"{name} up") / 4
    return found


UNET_LAYERS = ("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q", "conv_in")
UNET_LAYERS += ("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0",)
TEXT_LAYER = "encoder.layers.0.self_attn.q_proj"


@pytest.mark.parametrize("form", ["peft", "peft with metadata", "kohya", "before peft"])
def test_lora(form: str, folders: Path, tmp_path: Path) -> None:
    """Against weights changed by hand, in each form of file."""
    plain = load_model(folders / "sd1")
    unet = {
        n: plain.network.get_submodule(n)
        for n in UNET_LAYERS
        if form != "before peft" or n != "conv_in"
    }
    text = {TEXT_LAYER: dict(plain.prompts.networks[0].named_modules())[_found(plain)]}
    low, text_low = lora_of(unet), lora_of(text)
    alpha = 8.0 if form in ("kohya", "peft with metadata") else 2.0
    with torch.no_grad():
        for name, layer in unet.items():
            change = torch.einsum(
                "or,ri...->oi...", low[f"{name}.up"].flatten(1), low[f"{name}.down"]
            )
            layer.weight.add_(0.5 * alpha / 2 * change)
        change = text_low[f"{TEXT_LAYER}.up"] @ text_low[f"{TEXT_LAYER}.down"]
        text[TEXT_LAYER].weight.add_(0.5 * alpha / 2 * change)
    tensors, metadata = {}, {"format": "pt"}
    for prefix, every in (("unet", low), ("text_encoder", text_low)):
        for key, value in every.items():
            name, which = key.rsplit(".", 1)
            name = f"text_model.{name}" if prefix == "text_encoder" else name
            if form.startswith("peft"):
                tensors[f"{prefix}.{name}.lora_{'A' if which == 'down' else 'B'}.weight"] = value
            elif form == "kohya":
                short = {"unet": "lora_unet_", "text_encoder": "lora_te_"}[prefix]
                short += name.replace(".", "_")
                tensors |= {
                    f"{short}.lora_{which}.weight": value,
                    f"{short}.alpha": torch.tensor(8.0),
                }
            elif prefix == "unet":
                processor = name.removesuffix(".0").replace("attn1.", "attn1.processor.")
                tensors[f"unet.{processor}_lora.{which}.weight"] = value
            else:
                tensors[f"text_encoder.{name}.lora_linear_layer.{which}.weight"] = value
    if form == "peft with metadata":
        said = {"unet.lora_alpha": 8, "text_encoder.lora_alpha": 8}
        metadata["lora_adapter_metadata"] = json.dumps(said)
    path = tmp_path / "lora.safetensors"
    save_tensors(path, tensors, metadata)
    found = load_model(folders / "sd1", lora=path, lora_scale=0.5)
    expected = values(plain, "cat")
    torch.testing.assert_close(values(found, "cat"), expected, rtol=1e-5, atol=1e-5)
    assert (values(load_model(folders / "sd1"), "cat") - expected).abs().max() > 1e-2


def _found(model: AbstractLatentModel) -> str:
    """The text encoder's layer by the name that this version of transformers gives it."""
    names = dict(model.prompts.networks[0].named_modules())
    return TEXT_LAYER if TEXT_LAYER in names else f"text_model.{TEXT_LAYER}"


def test_a_lora_beside_the_parts_is_named_and_wrong_ones_are_refused(
    copied: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = copied("sd1")
    name = f"unet.{UNET_LAYERS[0]}"
    right = {f"{name}.lora_A.weight": noise(2, 8), f"{name}.lora_B.weight": noise(8, 2)}
    save_tensors(folder / LORA_FILE, right, {})
    with caplog.at_level(logging.WARNING):
        load_model(folder)
    assert f"{LORA_FILE} lies beside the parts and is not applied" in caplog.text
    for wrong, words in (
        (
            {"unet.nowhere.lora_A.weight": noise(2, 8)},
            r"1 of 2 changes fit no layer.*unet\.nowhere",
        ),
        ({f"{name}.lora_A.weight": noise(2, 9)}, "a LoRA of another model"),
        ({f"{name}.lora_magnitude_vector": noise(8)}, "DoRA"),
        ({"unet.conv_in.lora_A.weight": noise(2, 4, 3, 3)}, "1 of 2 changes fit no layer"),
    ):
        path = tmp_path / "wrong.safetensors"
        save_tensors(path, right | wrong, {})
        with pytest.raises(DataError, match=words):
            load_model(folder, lora=path)
    with pytest.raises(DataError, match=r"score\.lora = .*there is no such file"):
        load_model(folder, lora="none.safetensors")
    with pytest.raises(ConfigError, match=r"score\.lora_scale"):
        load_model(folder, lora=folder / LORA_FILE, lora_scale=float("nan"))


@pytest.mark.parametrize("vectors", [1, 3])
def test_words_of_several_vectors(folders: Path, tmp_path: Path, vectors: int) -> None:
    """Against diffusers' own loader and pipeline."""
    from diffusers import StableDiffusionPipeline

    path = tmp_path / "<thing>.safetensors"
    save_tensors(path, {"<thing>": 2 * noise(vectors, WIDTH)}, {})
    pipe = StableDiffusionPipeline.from_pretrained(folders / "sd1", safety_checker=None)
    pipe.load_textual_inversion(str(path))
    theirs, _ = pipe.encode_prompt("a <thing>", "cpu", 1, False)
    ours = load_model(folders / "sd1", embeddings=path).prompts
    torch.testing.assert_close(ours.encode("a <thing>"), theirs[0], rtol=1e-5, atol=1e-5)
    assert ours.count_tokens("a <thing>") == 3 + vectors
    # A pipeline that has loaded it, and one saved with it, too.
    again = from_pipe(pipe).prompts
    torch.testing.assert_close(again.encode("a <thing>"), theirs[0], rtol=1e-5, atol=1e-5)
    pipe.save_pretrained(tmp_path / "saved")
    saved = load_model(tmp_path / "saved").prompts
    torch.testing.assert_close(saved.encode("a <thing>"), theirs[0], rtol=1e-5, atol=1e-5)


def test_words_for_two_encoders_and_wrong_ones(folders: Path, tmp_path: Path) -> None:
    path = tmp_path / "thing.safetensors"
    both = {"clip_l": noise(2, WIDTH, name="l"), "clip_g": noise(2, WIDTH, name="g")}
    save_tensors(path, both, {})
    prompts = load_model(folders / "sdxl", embeddings=path).prompts
    for key, network in zip(both, prompts.networks, strict=True):
        table = network.get_input_embeddings().weight
        torch.testing.assert_close(table[-2:], both[key], rtol=0, atol=0)
    assert prompts.first.count_tokens("thing") == prompts.second.count_tokens("thing") == 4
    for name, wrong, words in (
        ("sdxl", {"<a>": noise(1, WIDTH)}, "each of its CLIP encoders .clip_l and clip_g"),
        ("sd1", {"<a>": noise(1, 5)}, "an embedding of another model"),
        ("sd1", {"cat</w>": noise(1, WIDTH)}, "in the model's vocabulary already"),
        ("sd1", {" ": noise(1, WIDTH)}, "' ' is blank"),
        ("sd1", {"<a>": noise(1, WIDTH) * torch.nan}, "not finite"),
        ("ddim", {"<a>": noise(1, WIDTH)}, "has no CLIP text encoder"),
    ):
        save_tensors(tmp_path / "wrong.safetensors", wrong, {})
        with pytest.raises(DataError, match=words):
            load_model(folders / name, embeddings=tmp_path / "wrong.safetensors")
