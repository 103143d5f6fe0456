"""Pairs of pictures in a model's latent space, on a tiny Stable Diffusion: each pair is what it
would be by itself.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.inversion.ddim import DDIMInversion
from scoregeo.path.quadrature import Quadrature
from scoregeo.pipeline.geodesic import GeodesicPipeline
from scoregeo.pipeline.keyframes import Keyframe, size_for
from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.run.measures import Measures
from scoregeo.run.problem.latent import LatentProblem
from scoregeo.score.condition import AlongChord, Fixed
from scoregeo.score.field import ScoreField
from tests.commands import PLAIN
from tests.score.tiny_sd import IMAGE, KINDS, LATENT, save_tiny_sd

SMALL = (
    "experiment=morph",
    f"dataset.size={IMAGE}",
    "solver.num_points=5",
    "inversion.decode_steps=4",
    "inversion.rounds=2",
    *PLAIN,
)


# What depends on the network's numbers, on both kinds; what the problem makes of them, on one.
both_kinds = pytest.mark.parametrize("folder", KINDS, indirect=True)


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kind = getattr(request, "param", "sd2")
    return save_tiny_sd(tmp_path_factory.mktemp(kind), kind)


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pairs of pictures with prompts; the third pair has one prompt."""
    place = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(rng.integers(0, 256, (IMAGE, IMAGE, 3), dtype=np.uint8)).save(
            place / f"{i}.png"
        )
    lines = ["0.png,1.png,cat,dog", "2.png,3.png,red cat,dog", "4.png,5.png,dog,dog"]
    (place / "pairs.csv").write_text("\n".join(["first,second,first_prompt,second_prompt", *lines]))
    return place / "pairs.csv"


def problem(folder: Path, listed: Path, *overrides: str) -> LatentProblem:
    config, _ = compose([*SMALL, f"score.model={folder}", f"dataset.list={listed}", *overrides])
    return LatentProblem(build(config))


@pytest.fixture(scope="module")
def made(folder: Path, listed: Path) -> LatentProblem:
    return problem(folder, listed)


def test_counts_are_checked_before_the_ends_are_inverted(folder: Path, listed: Path) -> None:
    few = problem(
        folder,
        listed,
        "evaluation.network=efficientnet_lite0",
        "dataset.pairs=1",
        "solver.num_points=3",
    )
    with pytest.raises(ConfigError, match=r"evaluation\.kid_subset_size = 2 .*1 inner frames"):
        Measures(few.experiment, few)
    assert "parts" not in vars(few)


@both_kinds
def test_ends_come_back_as_the_given_pictures(folder: Path, listed: Path) -> None:
    # At a noise level where a network of random weights can be inverted at all.
    small = ("score.timestep=100", "inversion.decode_steps=8", "dataset.pairs=1")
    made = problem(folder, listed, *small, "solver.num_points=3", "inversion.rounds=22")
    outcome = made.methods()["lerp_noise"](None)
    frames = made.frames(outcome, True)
    assert frames is not None and frames.shape == (1, 3, 3, IMAGE, IMAGE)
    for side, index in ((0, 0), (1, -1)):
        given = made.model.decode(made.model.encode(made.pairs.ends[:, side]))
        # What the autoencoder makes of them. A step of a byte's 256 is 0.008; without rounds the
        # difference is above 0.1.
        assert float((frames[:, index] - given).abs().max()) < 0.004
    once = problem(folder, listed, *small, "inversion.rounds=0", "inversion.steps=8")
    rough = once.frames(once.methods()["lerp_noise"](None), True)
    assert (
        rough is not None
        and float(
            (rough[:, 0] - once.model.decode(once.model.encode(once.pairs.first))).abs().max()
        )
        > 0.1
    )


def test_every_pair_is_what_it_is_by_itself(
    made: LatentProblem, folder: Path, listed: Path
) -> None:
    outcome = made.methods()["stein_gauss_newton"](None)
    frames = made.frames(outcome, True)
    measured = made.measure(outcome.path, Quadrature("trapezoid", 4))
    alone = problem(folder, listed, "dataset.pairs=1")
    single = alone.methods()["stein_gauss_newton"](None)
    assert torch.equal(outcome.path[:1], single.path)
    assert outcome.status[0] == single.status[0] and int(outcome.score_evaluations[0]) == int(
        single.score_evaluations[0]
    )
    assert frames is not None and torch.equal(frames[:1], alone.frames(single, True))  # type: ignore[arg-type]
    assert torch.equal(
        measured.energy[:1], alone.measure(single.path, Quadrature("trapezoid", 4)).energy
    )
    assert len(outcome.history) == max(
        len(part.methods()["stein_gauss_newton"](None).history) for part in made.parts
    )
    assert outcome.history[-1].energy.shape == (3,)


@both_kinds
def test_pairs_in_one_batch_are_what_they_are_one_at_a_time(
    made: LatentProblem, folder: Path, listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: encoded, inverted and decoded together, up to single precision."""
    together = problem(folder, listed)
    counts: list[int] = []
    decode = DDIMInversion.decode

    def counted(self: DDIMInversion, points: torch.Tensor, field: ScoreField) -> torch.Tensor:
        counts.append(len(points))
        return decode(self, points, field)

    monkeypatch.setattr(DDIMInversion, "decode", counted)
    monkeypatch.setattr(together, "_together", lambda points: [range(2), range(2, 3)])
    for one, other in zip(together.parts, made.parts, strict=True):
        assert torch.allclose(one.clean, other.clean, atol=1e-4)
        assert torch.allclose(one.lifted, other.lifted, atol=1e-3)
    inner = made.methods()["lerp_noise"](None).path[:, 1:-1]
    ends = torch.cat([part.lifted for part in together.parts])
    joined = torch.cat([ends[:, :1], inner, ends[:, 1:]], 1)
    frames = together.decode(joined)
    assert counts == [4, 6, 2, 3]  # ends of two pairs, their inner points; those of the third
    assert torch.allclose(frames, made.decode(joined), atol=1e-3)
    counts.clear()
    assert torch.equal(together.decode(joined)[:, [0, -1]], frames[:, [0, -1]])
    assert counts == [6, 3]  # the ends are kept


@both_kinds
def test_prompts_follow_the_chord_of_the_lifted_ends(made: LatentProblem) -> None:
    for part, prompts in zip(made.parts, made.prompts, strict=True):
        condition = part.experiment.field.score.inner.inner.condition  # type: ignore[attr-defined]
        if prompts[0] == prompts[1]:
            assert isinstance(condition, Fixed)
            continue
        assert isinstance(condition, AlongChord)
        assert torch.equal(condition.a, part.lifted[0, 0]) and torch.equal(
            condition.b, part.lifted[0, 1]
        )
        for u, prompt in enumerate(prompts):
            found = condition.at(part.lifted[0, u : u + 1])[0]
            assert torch.allclose(found, made.model.prompts.encode(prompt), atol=1e-5)


@both_kinds
def test_a_prompt_changes_the_path(
    made: LatentProblem, folder: Path, listed: Path, tmp_path: Path
) -> None:
    other = listed.parent / "other.csv"
    other.write_text(listed.read_text().replace("red cat,dog", "dog,cat"))
    changed = problem(folder, other)
    first, second = (p.methods()["start_lerp"](None).path for p in (made, changed))
    assert torch.equal(first[0], second[0]) and torch.equal(first[2], second[2])
    assert not torch.allclose(first[1], second[1], atol=1e-3)


def test_clean_latents_are_decoded_by_the_autoencoder_alone(folder: Path, listed: Path) -> None:
    clean = problem(
        folder,
        listed,
        "inversion=none",
        "~inversion.decode_steps",
        "~inversion.rounds",
        "baseline=[lerp]",
    )
    outcome = clean.methods()["lerp"](None)
    assert not outcome.noisy and outcome.path.shape[2:] == LATENT
    frames = clean.frames(outcome, True)
    middle = (clean.parts[1].clean[0, 0] + clean.parts[1].clean[0, 1]) / 2
    assert frames is not None and torch.allclose(
        frames[1, 2], clean.model.decode(middle[None])[0], atol=1e-5
    )


def test_noisy_paths_without_decoding_have_no_frames(made: LatentProblem) -> None:
    assert made.frames(made.methods()["lerp_noise"](None), False) is None


def test_the_ends_of_noisy_paths_are_decoded_once(
    folder: Path, listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = problem(folder, listed)
    methods = made.methods()
    decode, counts = DDIMInversion.decode, list[int]()

    def counted(self: DDIMInversion, points: torch.Tensor, field: ScoreField) -> torch.Tensor:
        counts.append(len(points))
        return decode(self, points, field)

    for name, ends in (("lerp_noise", 2), ("slerp_noise", 0)):
        path = methods[name](None).path
        with monkeypatch.context() as patch:
            patch.setattr(DDIMInversion, "decode", counted)
            counts.clear()
            found = made.decode(path)
        assert sum(counts) == len(path) * (path.shape[1] - 2 + ends)
        u = torch.linspace(0, 1, path.shape[1])
        for i, points in enumerate(path):
            clean = made.experiment.inversion.decode(
                points, made.model.field(made.model.at(made.prompts[i], u))
            )
            # Single precision, and other pictures beside them in the batch.
            assert torch.allclose(found[i], made.model.decode(clean), atol=1e-3)


def test_what_cannot_be_joined_is_refused(folder: Path, listed: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the prompt of 001_0-1 = 'cat cat.* tokens"):
        long = listed.parent / "long.csv"
        long.write_text(listed.read_text().replace("cat,dog", " ".join(["cat"] * 20) + ",dog", 1))
        problem(folder, long)
    with pytest.raises(DataError, match="two pictures of 001_0-again are the same"):
        same, again = listed.parent / "same.csv", listed.parent / "again.png"
        again.write_bytes((listed.parent / "0.png").read_bytes())
        same.write_text("first,second\n0.png,again.png\n")
        problem(folder, same)
    config, _ = compose(
        [*SMALL, f"score.model={folder}", f"dataset.list={listed}", "extrapolation=[straight]"]
    )
    with pytest.raises(ConfigError, match="extrapolation .*text-to-image"):
        build(config)
    config, _ = compose(
        [
            "experiment=sphere",
            "score=emoji_sd",
            f"score.model={folder}",
            "score.timestep=400",
            *PLAIN,
        ]
    )
    with pytest.raises(ConfigError, match="takes colour pictures"):
        build(config)


def test_two_prompts_are_painted_first(folder: Path) -> None:
    chosen = (
        "dataset=prompts",
        "dataset.first=cat",
        "dataset.second=dog",
        "dataset.steps=5",
        "dataset.guidance=2",
    )
    config, _ = compose([*SMALL, *chosen, f"score.model={folder}"])
    experiment = build(config)
    made = LatentProblem(experiment)
    assert made.prompts == (("cat", "dog"),)
    painted = made.model.paint(("cat", "dog"), 0, 5, 2.0)
    assert torch.allclose(made.pairs.first[0], painted[0], atol=1e-5)
    other = replace(experiment, settings=replace(experiment.settings, seed=1))
    assert not torch.allclose(LatentProblem(other).pairs.first, made.pairs.first, atol=1e-2)


def test_two_pictures_have_the_size_that_the_pipeline_gives_them(
    folder: Path, tmp_path: Path
) -> None:
    """Without a size: in the shape of the first; a square where pairs are of a list."""
    for name, size in (("wide", (60, 40)), ("tall", (40, 90))):
        pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    wide, tall = str(tmp_path / "wide.png"), str(tmp_path / "tall.png")
    given = [*SMALL, f"score.model={folder}", "dataset.size=null"]
    pipeline = GeodesicPipeline.from_pretrained(folder)
    for first, second in ((wide, tall), (tall, wide)):
        config, _ = compose([*given, f"dataset.first={first}", f"dataset.second={second}"])
        with Image.open(first) as opened:
            keys = (Keyframe(opened.convert("RGB"), "", "a", "prompt_a"),)
        size = size_for(None, pipeline.model, keys)
        assert size != pipeline.image_size and build(config).dataset.shape == (3, *size)
    (tmp_path / "pairs.csv").write_text("first,second\nwide.png,tall.png")
    config, _ = compose([*given, f"dataset.list={tmp_path / 'pairs.csv'}"])
    assert build(config).dataset.shape == (3, *pipeline.image_size)
