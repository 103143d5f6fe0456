"""Loading Stable Diffusion: older files of the same models, and everything that must be refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import load_tensors, save_tensors
from scoregeo._utils.seed import generator
from scoregeo.score.sd_folder import PARTS
from scoregeo.score.sd_loading import load_stable_diffusion
from scoregeo.score.weights import as_module
from tests.score.tiny_sd import TOKENS, save_tiny_sd, scheduler, tiny_unet

Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    return save_tiny_sd(tmp_path_factory.mktemp("sd") / "model", "sd1")


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "copy"))


def settings(file: str, **changes: Any) -> Damage:
    """Change settings of one of the folder's JSON files."""

    def change(folder: Path) -> None:
        path = folder / file
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def renamed(part: str, stem: str, name: Callable[[str], str], **more: torch.Tensor) -> Damage:
    """Rename the tensors of a part's weights, and add more."""

    def change(folder: Path) -> None:
        path = folder / part / f"{stem}.safetensors"
        save_tensors(
            path,
            {name(key): value for key, value in load_tensors(path).items()} | more,
            {"format": "pt"},
        )

    return change


def old_attention(key: str) -> str:
    """Names of the autoencoder's attention weights in files of 2022."""
    for new, old in (
        ("to_q", "query"),
        ("to_k", "key"),
        ("to_v", "value"),
        ("to_out.0", "proj_attn"),
    ):
        key = key.replace(new, old) if "attentions" in key else key
    return key


def old_tokenizer(folder: Path) -> None:
    """Vocabulary and merges as two files, in place of the library's one."""
    path = folder / "tokenizer" / "tokenizer.json"
    model = json.loads(path.read_text())["model"]
    path.unlink()
    path.with_name("vocab.json").write_text(json.dumps(model["vocab"]))
    pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    path.with_name("merges.txt").write_text("\n".join(["#version: 0.2", *pairs, ""]))


def half(folder: Path) -> None:
    """Weights in half precision alone, under the name they have on the hub."""
    for part, stem in (
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ):
        path = folder / part / f"{stem}.safetensors"
        save_tensors(
            path.with_name(f"{stem}.fp16.safetensors"),
            {k: v.half() for k, v in load_tensors(path).items()},
            {"format": "pt"},
        )
        path.unlink()


@pytest.mark.parametrize(
    ("older", "tolerance"),
    [
        pytest.param(renamed("vae", "diffusion_pytorch_model", old_attention), 0.0, id="attention"),
        pytest.param(
            renamed(
                "text_encoder",
                "model",
                lambda key: f"text_model.{key.removeprefix('text_model.')}",
                **{"text_model.embeddings.position_ids": torch.arange(TOKENS)[None]},
            ),
            0.0,
            id="text",
        ),
        pytest.param(old_tokenizer, 0.0, id="tokenizer"),
        pytest.param(lambda folder: (folder / "model_index.json").unlink(), 0.0, id="index"),
        pytest.param(half, 2e-2, id="half"),  # weights rounded to 5e-4, through some dozen layers
    ],
)
def test_older_files_of_the_same_model(
    original: Path, folder: Path, older: Damage, tolerance: float
) -> None:
    older(folder)
    x, images = torch.randn(2, 4, 8, 8, generator=generator(0, "x")), torch.zeros(1, 3, 16, 16)
    ours, same = load_stable_diffusion(folder), load_stable_diffusion(original)
    for f in (lambda m: m.score("a red cat").score(x, 1.0), lambda m: m.codec.encode(images)):
        torch.testing.assert_close(f(ours), f(same), rtol=tolerance, atol=tolerance)


def pickled(folder: Path) -> None:
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_tensors(path), path.with_suffix(".bin"))
    path.unlink()


def shorter(folder: Path) -> None:
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def without(part: str, stem: str, key: str) -> Damage:
    def change(folder: Path) -> None:
        path = folder / part / f"{stem}.safetensors"
        save_tensors(
            path,
            {k: v for k, v in load_tensors(path).items() if not k.endswith(key)},
            {"format": "pt"},
        )

    return change


def inpainting(folder: Path) -> None:
    tiny_unet("sd1", in_channels=9).save_pretrained(folder / "unet")


def narrow(folder: Path) -> None:
    tiny_unet("sd1", cross_attention_dim=8).save_pretrained(folder / "unet")


def zero_snr(folder: Path) -> None:
    scheduler("sd2", prediction_type="epsilon", rescale_betas_zero_snr=True).save_pretrained(
        folder / "scheduler"
    )


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        pytest.param(
            pickled,
            "unet.*only as a pickle.*diffusion_pytorch_model.bin.*save_pretrained",
            id="pickle",
        ),
        pytest.param(
            lambda f: (f / "unet" / "diffusion_pytorch_model.safetensors").unlink(),
            "unet has no weights",
            id="none",
        ),
        pytest.param(shorter, "vae cannot be loaded", id="truncated"),
        pytest.param(
            without("unet", "diffusion_pytorch_model", "conv_in.weight"),
            "unet.*does not fit.*conv_in",
            id="missing",
        ),
        pytest.param(
            without("vae", "diffusion_pytorch_model", "conv_out.bias"),
            "vae.*does not fit.*conv_out",
            id="missing in vae",
        ),
        pytest.param(
            without("text_encoder", "model", "final_layer_norm.bias"),
            "text_encoder.*does not fit",
            id="missing in text",
        ),
        pytest.param(
            renamed("unet", "diffusion_pytorch_model", str, more=torch.zeros(1)),
            "unet.*does not fit.*more",
            id="a tensor too many",
        ),
        pytest.param(inpainting, "takes 9 channels.*inpainting", id="inpainting"),
        pytest.param(narrow, "width 8.*gives 16", id="another text encoder"),
        pytest.param(
            settings("model_index.json", _class_name="StableDiffusionXLPipeline"),
            "StableDiffusionXLPipeline",
            id="xl",
        ),
        pytest.param(
            settings("unet/config.json", addition_embed_type="text_time"),
            "more than text",
            id="xl without index",
        ),
        pytest.param(
            settings("unet/config.json", time_cond_proj_dim=8), "latent consistency", id="lcm"
        ),
        pytest.param(
            settings("unet/config.json", _class_name="UNet2DModel"),
            "UNet2DModel, not a UNet2DCond",
            id="unconditional",
        ),
        pytest.param(settings("text_encoder/config.json", model_type="t5"), "'t5'", id="t5"),
        pytest.param(
            settings("scheduler/scheduler_config.json", prediction_type="flow"), "'flow'", id="flow"
        ),
        pytest.param(
            settings("scheduler/scheduler_config.json", beta_schedule="odd"),
            "scheduler cannot be used",
            id="betas",
        ),
        pytest.param(
            settings("scheduler/scheduler_config.json", thresholding=True),
            "thresholding",
            id="thresholding",
        ),
        pytest.param(zero_snr, "zero terminal", id="zero terminal snr"),
        pytest.param(
            lambda f: (f / "unet" / "config.json").write_text("{"),
            "config.json cannot be read",
            id="json",
        ),
        pytest.param(
            lambda f: (f / "tokenizer" / "tokenizer.json").write_text("{"),
            "tokenizer cannot be loaded",
            id="tokenizer",
        ),
        *(
            pytest.param(lambda f, p=part: shutil.rmtree(f / p), f"has no {part}/", id=f"no {part}")
            for part in PARTS
        ),
    ],
)
def test_what_is_refused(folder: Path, damage: Damage, words: str) -> None:
    damage(folder)
    with pytest.raises(DataError, match=words) as caught:
        load_stable_diffusion(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    "model", ["no_such_model", "/no/such/folder", "./here", "a/b/c", "~/none/here"]
)
def test_what_is_no_model_s_name(model: str) -> None:
    with pytest.raises(DataError, match="neither a folder"):
        load_stable_diffusion(model)


def test_no_name_at_all() -> None:
    with pytest.raises(ConfigError, match=r"score\.model = '' is not allowed: .*a path"):
        load_stable_diffusion("")


def test_a_cast_network_says_nothing_of_modules_in_float32(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("diffusers.models.modeling_utils.logger.warning", said.append)
    network = load_stable_diffusion(original).unet
    assert next(as_module(network, torch.float64).parameters()).dtype == torch.float64
    assert said == []
    network.to(torch.float32)
    assert "should be kept in float32: []" in said[0]  # what diffusers says of every network


def test_types(original: Path) -> None:
    model = load_stable_diffusion(original, dtype="bfloat16")
    networks = (model.unet, model.codec.vae, model.prompts.text_encoder)
    assert {next(network.parameters()).dtype for network in networks} == {torch.bfloat16}
    assert not any(weight.requires_grad for network in networks for weight in network.parameters())
    model = load_stable_diffusion(original, dtype="float16")
    assert next(model.unet.parameters()).dtype == torch.float16
    assert next(model.codec.vae.parameters()).dtype == torch.float32  # its file asks for it
    with pytest.raises(ConfigError, match=r"score\.dtype = 'int8'.*float32, float16, bfloat16"):
        load_stable_diffusion(original, dtype="int8")
    with pytest.raises(ConfigError, match=r"score\.chunk"):
        load_stable_diffusion(original, vae_chunk=0)
