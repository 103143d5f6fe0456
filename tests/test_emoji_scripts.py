"""The scripts that make the emoji model and its card, on five pictures and for few steps."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from scoregeo._utils.errors import ConfigError
from scoregeo._utils.files import read_json, write_json, write_text
from tests.dataset.emoji_folder import small_folder

SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return monkeypatch


def run(module: Any, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["script.py", *arguments])
    module.main()


@pytest.mark.slow
def test_from_pictures_to_a_model_with_a_card(tmp_path: Path, scripts: pytest.MonkeyPatch) -> None:
    import emoji_card
    import train_emoji
    from diffusers import StableDiffusionPipeline

    from scoregeo.dataset.emoji_source import EmojiPicture

    scripts.setattr(EmojiPicture, "held_out", property(lambda picture: picture.base == "BBBB"))
    package, model = small_folder(tmp_path / "package"), tmp_path / "model"
    common = [
        "--emoji",
        str(package),
        "--out",
        str(tmp_path / "work"),
        "--vae-steps",
        "2",
        "--vae-batch",
        "1",
    ]
    with pytest.raises(ConfigError, match="--stage unet needs a trained autoencoder"):
        run(train_emoji, scripts, *common, "--stage", "unet")
    run(train_emoji, scripts, *common, "--stage", "vae")
    first = (tmp_path / "work" / "vae.safetensors").stat().st_mtime_ns
    run(
        train_emoji,
        scripts,
        *common,
        "--steps",
        "2",
        "--batch",
        "2",
        "--export",
        "--model",
        str(model),
    )
    assert (tmp_path / "work" / "vae.safetensors").stat().st_mtime_ns == first  # not trained again
    facts = read_json(model / "training.json")
    assert facts["steps"] == 2 and facts["vae"]["steps"] == 2
    assert sum(file.stat().st_size for file in model.rglob("*")) < 32_000_000
    pipeline: Any = StableDiffusionPipeline.from_pretrained(str(model))
    assert (
        pipeline.vae.config.scaling_factor
        == read_json(tmp_path / "work" / "vae.json")["scaling_factor"]
    )

    further = ["--emoji", str(package), "--out", str(tmp_path / "further"), "--start", str(model)]
    with pytest.raises(ConfigError, match="--stage vae does not go with --start"):
        run(train_emoji, scripts, *further, "--stage", "vae")
    with pytest.raises(ConfigError, match="--out: .* --start needs a work folder of its own"):
        run(train_emoji, scripts, *common, "--start", str(model))
    before = {name: tensor.clone() for name, tensor in pipeline.unet.state_dict().items()}
    more = ["--seed", "1", "--steps", "40", "--batch", "2", "--export", "--model", str(model)]
    run(train_emoji, scripts, *further, *more)
    after: Any = StableDiffusionPipeline.from_pretrained(str(model))
    assert any(not t.equal(before[name]) for name, t in after.unet.state_dict().items())
    assert all(
        t.equal(pipeline.vae.state_dict()[name]) for name, t in after.vae.state_dict().items()
    )  # the autoencoder is kept
    facts = read_json(model / "training.json")
    (stage,) = facts["further"]
    configs = [path.read_text() for path in model.rglob("*.json")]
    assert not any(str(tmp_path) in text for text in configs)  # no path of this machine
    assert facts["steps"] == 2 and (stage["steps"], stage["seed"], stage["batch"]) == (40, 1, 2)

    scripts.setattr(emoji_card, "STEPS", 1)
    run(emoji_card, scripts, "--emoji", str(package), "--model", str(model), "--by-eye", "Noise.")
    card = read_json(model / "card.json")
    assert card["psnr"]["held-out"]["pictures"] == 1 and card["psnr"]["training"]["pictures"] == 4
    assert [row["sigma"] for row in card["denoising"]] == list(emoji_card.SIGMAS) and len(
        card["prompts"]
    ) == 20
    text = (model / "README.md").read_text()
    assert "Noise." in text and "--steps 2 --batch 2" in text and "None" not in text
    assert "then 40 further ones" in text and "--seed 1 --steps 40 --batch 2" in text
    assert all((model / f"{name}.png").is_file() for name in ("samples", "reconstructions"))


def test_variants_share_their_emoji_s_chance(tmp_path: Path, scripts: pytest.MonkeyPatch) -> None:
    import train_emoji

    from scoregeo.dataset.emoji_source import EmojiPicture, load_emoji_folder

    scripts.setattr(EmojiPicture, "held_out", property(lambda picture: picture.base == "BBBB"))
    weights = train_emoji.drawing_weights(load_emoji_folder(small_folder(tmp_path / "package")))
    assert weights.tolist() == pytest.approx([3**-0.5] * 3 + [0, 1])


def test_the_assets_script_finds_what_a_pair_names(
    tmp_path: Path, scripts: pytest.MonkeyPatch
) -> None:
    import make_emoji_assets
    import torch

    from scoregeo._utils.errors import DataError
    from scoregeo.dataset.emoji_source import EmojiPicture, EmojiSource, load_emoji_folder

    source = load_emoji_folder(small_folder(tmp_path / "package"))
    assert make_emoji_assets.find_end(source, "on_the-run") == 0
    assert make_emoji_assets.find_end(source, "runner/dark") == 1
    with pytest.raises(DataError, match="'runner/light'"):
        make_emoji_assets.find_end(source, "runner/light")
    cats = tuple(
        EmojiPicture(c, c, p[0], p, "Animals & Nature")
        for c, p in (("1", ("cat", "cat2")), ("2", ("cat face", "cat")))
    )
    assert (
        make_emoji_assets.find_end(
            EmojiSource(torch.zeros(2, 3, 64, 64, dtype=torch.uint8), cats), "cat"
        )
        == 1
    )
    assert make_emoji_assets.references(source, {"AAAA"}) == [3, 4]


def test_the_loss_of_a_model_trained_further_goes_on_where_it_ended(
    tmp_path: Path, scripts: pytest.MonkeyPatch
) -> None:
    import emoji_export

    start, out = tmp_path / "start", tmp_path / "out"
    stage = {"seed": 1, "steps": 100, "batch": 2, "lr": 0.1, "seconds": 7}
    write_json(
        start / "training.json",
        {"steps": 200, "loss": [[200, 0.5], [300, 0.4]], "further": [stage], "note": "Old."},
    )
    lines = [{"step": 20 * i, "loss": 0.3, "seconds": i} for i in range(1, 6)]
    write_text(out / "unet" / emoji_export.LOG, "".join(json.dumps(line) + "\n" for line in lines))
    args = argparse.Namespace(start=start, out=out, seed=2, steps=100, batch=2, lr=0.1, note="")
    facts = emoji_export.facts_of(None, None, args)
    assert facts["loss"] == [[200, 0.5], [300, 0.4], [400, 0.3]]
    assert facts["further"] == [stage, stage | {"seed": 2, "seconds": 5}]
    assert facts["note"] == "Old."
