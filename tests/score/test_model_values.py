"""Model folders and objects whose numbers, names or parts cannot be used: refused by name, before
any weights are read.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from scoregeo._utils.errors import DataError, ScoregeoError
from scoregeo._utils.files import load_tensors, save_tensors
from scoregeo.score.loading import from_pipe, load_model
from scoregeo.score.schedule import NoiseSchedule
from tests.score.tiny_pipelines import tiny_pipeline
from tests.score.tiny_sd import save_tiny_sd

pytest.importorskip("transformers")
NAN = float("nan")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_sd(tmp_path_factory.mktemp("model") / "sd1", "sd1")


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("left", [(), ("vocab.json",), ("merges.txt",), ("tokenizer.json",)])
def test_a_tokenizer_without_its_vocabulary_is_refused(copied: Path, left: tuple[str, ...]) -> None:
    files = copied / "tokenizer"
    tokenizer = json.loads((files / "tokenizer.json").read_text())["model"]
    contents = {
        "vocab.json": json.dumps(tokenizer["vocab"]),
        "merges.txt": "#version: 0.2\n" + "\n".join(" ".join(m) for m in tokenizer["merges"]),
        "tokenizer.json": (files / "tokenizer.json").read_text(),
    }
    for name in contents:
        (files / name).unlink(missing_ok=True)
    for name in left:
        (files / name).write_text(contents[name])
    if left == ("tokenizer.json",):
        assert load_model(copied).prompts.encode("cat").isfinite().all()
        return
    with pytest.raises(DataError, match=r"tokenizer has no vocabulary: tokenizer\.json, or vocab"):
        load_model(copied)


SCHEDULES = (
    ({"beta_end": 2}, "beta_end = 2 "),
    ({"beta_start": NAN}, "beta_start = nan"),
    ({"beta_start": -1}, "beta_start = -1"),
    ({"beta_start": "x"}, "beta_start = 'x'"),
    ({"beta_start": [0.1]}, r"beta_start = \[0.1\]"),
    ({"beta_start": None}, "beta_start = None"),
    ({"num_train_timesteps": 0}, "num_train_timesteps = 0"),
    ({"num_train_timesteps": 10**12}, "num_train_timesteps = 1000000000000"),
    ({"num_train_timesteps": 10.5}, "num_train_timesteps = 10.5"),
    ({"trained_betas": [1, 2]}, r"trained_betas = \[1, 2\] must be 1000 numbers"),
    ({"trained_betas": [0.1] * 999 + [NAN]}, "trained_betas = .* must be 1000 numbers"),
)
NUMBERS = (
    *(("vae", {"scaling_factor": value}) for value in (0, -1, NAN, "x", None, [1], True)),
    *(("vae", {"shift_factor": value}) for value in (NAN, "x", [1])),
    *(("vae", {"latents_mean": value}) for value in (1.0, "mean", [0.1] * 3, [0.1, 0.2, 0.3, NAN])),
    *(("vae", {"latents_std": value}) for value in ([1.0] * 5, [1, 1, 1, 0], [1, 1, 1, None])),
    *(("unet", {"sample_size": value}) for value in (0, -8, NAN, "x", [8], 10**9, 8.5)),
)


@pytest.mark.parametrize(("values", "words"), SCHEDULES)
def test_a_scheduler_of_numbers_that_are_no_noise_schedule(
    copied: Path, values: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed(copied / "scheduler" / "scheduler_config.json", **values)
    monkeypatch.setattr("scoregeo.score.weights.load_weights", lambda *_: pytest.fail("were read"))
    with pytest.raises(DataError, match=f"scheduler: {words}"):
        load_model(copied)


@pytest.mark.parametrize("abar", [[], [0.5, 0.6], [1.0, 0.5], [0.5, 0.0], [0.5, NAN], [[0.5, 0.1]]])
def test_a_schedule_falls_from_below_1_to_above_0(abar: list[Any]) -> None:
    assert NoiseSchedule(torch.tensor([0.9, 0.5, 0.1])).sigma_range == pytest.approx((1 / 3, 3.0))
    with pytest.raises(DataError, match="abar_t"):
        NoiseSchedule(torch.tensor(abar))


@pytest.mark.parametrize(("part", "values"), NUMBERS)
def test_numbers_of_a_part_are_checked_before_its_weights_are_read(
    copied: Path, part: str, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed(copied / part / "config.json", **values)
    monkeypatch.setattr("scoregeo.score.weights.load_weights", lambda *_: pytest.fail("were read"))
    (key,) = values
    with pytest.raises(DataError, match=rf"/{part}: {key} = .* must be "):
        load_model(copied)


@pytest.mark.parametrize(
    ("part", "values", "words"),
    [
        ("unet", {"layers_per_block": 10**9}, "layers_per_block claims 1000000000 layers"),
        ("unet", {"block_out_channels": [8] * 5000}, "block_out_channels claims 5000 layers"),
        ("unet", {"block_out_channels": [4096, 4096]}, "its settings claim .* its weights have"),
        ("text_encoder", {"num_hidden_layers": 10**6}, "num_hidden_layers claims 1000000 layers"),
        ("text_encoder", {"vocab_size": 10**11}, "its settings claim 1,600,.* its weights have"),
        ("vae", {"block_out_channels": [8192, 8192]}, "its settings claim .* its weights have"),
    ],
)
def test_what_a_config_claims_is_held_against_its_weights(
    copied: Path, part: str, values: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is built: else 25 TB would be asked for, or layers made without end."""
    import diffusers
    import transformers

    changed(copied / part / "config.json", **values)
    kinds = {
        "unet": diffusers.UNet2DConditionModel,
        "vae": diffusers.AutoencoderKL,
        "text_encoder": transformers.CLIPTextModel,
    }
    refuse = classmethod(lambda cls, *_, **__: pytest.fail("was built"))
    monkeypatch.setattr(kinds[part], "from_pretrained", refuse)
    with pytest.raises(DataError, match=rf"/{part}: {words}"):
        load_model(copied)


def test_weights_of_integers_are_not_cast(copied: Path) -> None:
    path = copied / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_tensors(path)
    name = "conv_in.bias"
    save_tensors(path, tensors | {name: tensors[name].long()}, {"format": "pt"})
    with pytest.raises(DataError, match=rf"/unet: .* has {name} of I64: weights of floating point"):
        load_model(copied)


LAYER = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
DOWN, UP, ALPHA = f"{LAYER}.lora_A.weight", f"{LAYER}.lora_B.weight", f"{LAYER}.alpha"
SAID = "lora_adapter_metadata"
OTHER = "lora_" + LAYER.replace(".", "_")
LORAS: tuple[tuple[dict[str, torch.Tensor], dict[str, str], str], ...] = (
    ({UP: torch.zeros(8, 3)}, {}, r"shapes \[2, 8\], \[8, 3\]"),
    ({DOWN: torch.zeros(0, 8), UP: torch.zeros(8, 0)}, {}, r"shapes \[0, 8\], \[8, 0\]"),
    ({DOWN: torch.tensor(1.0)}, {}, r"shapes \[\], "),
    ({DOWN: torch.zeros(8)}, {}, r"shapes \[8\], "),
    ({DOWN: torch.full((2, 8), NAN)}, {}, "is not finite"),
    ({DOWN: torch.full((2, 8), 1e38), UP: torch.full((8, 2), 1e38)}, {}, "is not finite"),
    ({DOWN: torch.ones(2, 8).long()}, {}, "of torch.int64"),
    ({ALPHA: torch.zeros(2)}, {}, r"alpha = \[0.0, 0.0\] must be one finite number"),
    ({ALPHA: torch.tensor(NAN)}, {}, "alpha = nan must be one finite number"),
    (
        {
            f"{OTHER}.lora_down.weight": torch.ones(2, 8),
            f"{OTHER}.lora_up.weight": torch.ones(8, 2),
        },
        {},
        "change one layer",
    ),
    ({f"{LAYER}.lora.down.weight": torch.ones(2, 8)}, {}, "is given twice"),
    *(
        ({}, {"lora_adapter_metadata": said}, "metadata")
        for said in ("[]", "null", "{", "[" * 10**5)
    ),
    ({}, {"lora_adapter_metadata": '{"unet.lora_alpha": "x"}'}, "lora_alpha = 'x' must be one"),
    ({}, {"lora_adapter_metadata": '{"unet.lora_alpha": NaN}'}, "lora_alpha = nan must be one"),
)


@pytest.mark.parametrize(("wrong", "metadata", "words"), LORAS)
def test_a_lora_of_wrong_numbers(
    folder: Path,
    tmp_path: Path,
    wrong: dict[str, torch.Tensor],
    metadata: dict[str, str],
    words: str,
) -> None:
    from scoregeo.score.lora import add_lora

    unet = tiny_unet_of(folder)
    before = {key: value.clone() for key, value in unet.state_dict().items()}
    right = {DOWN: torch.ones(2, 8), UP: torch.ones(8, 2)}
    path = tmp_path / "lora.safetensors"
    save_tensors(path, right | wrong, metadata)
    with pytest.raises(DataError, match=rf"score\.lora = .*{words}"):
        add_lora(path, {"unet": unet})
    assert all(torch.equal(value, before[key]) for key, value in unet.state_dict().items())
    save_tensors(path, right, {})
    add_lora(path, {"unet": unet})
    name = LAYER.removeprefix("unet.") + ".weight"
    torch.testing.assert_close(unet.state_dict()[name] - before[name], torch.full((8, 8), 2.0))


def tiny_unet_of(folder: Path) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False)


class _Pipe:
    """An object named like a pipeline, with some of what one has."""

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda pipe: _Pipe(), "has no components"),
        (lambda pipe: _Pipe(components=None, config={}), "has no components"),
        (lambda pipe: _Pipe(components={}, config={}), "has no "),
        (
            lambda pipe: _Pipe(components=pipe.components | {"scheduler": None}, config={}),
            "scheduler is a NoneType, not a scheduler",
        ),
        (
            lambda pipe: _Pipe(
                components=pipe.components | {"scheduler": torch.nn.Linear(1, 1)}, config={}
            ),
            "scheduler is a Linear, not a scheduler",
        ),
    ],
)
def test_a_pipeline_without_its_parts(make: Callable[[Any], Any], words: str) -> None:
    pipe = make(tiny_pipeline("ddim"))
    type(pipe).__name__ = "DDIMPipeline"
    with pytest.raises(DataError, match=f"DDIMPipeline.{{0,1}}{words}"):
        from_pipe(pipe)


@pytest.mark.parametrize(
    "settings",
    [
        *({"model": value} for value in (None, 5, b"x", ["x"], "a\0b", "~no-such-user/x")),
        *({"model": value} for value in ("a" * 300, "a/" + "b" * 300, "a b/c", "x/y/z")),
        *({"device": value} for value in (None, 5, "x", "meta", "cuda:99")),
        *({"lora": value} for value in (5, "a" * 300, "~no-such-user/x", b"x", "a\0b")),
        *({"embeddings": value} for value in (5, "a" * 300, "~no-such-user/x", b"x")),
        {"config": "a" * 300},
    ],
)
def test_arguments_that_name_nothing(folder: Path, settings: dict[str, Any]) -> None:
    (key,) = settings
    named = "device" if key == "device" else rf"score\.{key}"
    with pytest.raises(ScoregeoError, match=f"^{named} = ") as raised:
        load_model(**({"model": folder} | settings))
    assert len(str(raised.value)) < 1000


def test_what_is_said_of_one_file(tmp_path: Path, folder: Path) -> None:
    """The file, not the model whose settings would go with it."""
    path = tmp_path / "one.safetensors"
    save_tensors(path, {"a": torch.zeros(2)})
    for config in (None, folder):
        with pytest.raises(DataError, match=r"one\.safetensors' is no checkpoint .* its 1 tensors"):
            load_model(path, config=config)
    save_tensors(path, {}, {"format": "pt"})
    with pytest.raises(DataError, match=r"one\.safetensors' holds no tensors"):
        load_model(folder, embeddings=path)
