"""The pipeline is the run: the same paths and frames; and what it does beside, on a tiny model."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from PIL import Image

from scoregeo import (
    LBFGS,
    Adam,
    ConformalMetric,
    GaussNewton,
    GeodesicPipeline,
    PullbackMetric,
    ScoreField,
    SphereScore,
    SteinMetric,
)
from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.evaluation.image import psnr
from scoregeo.initializer.several import several
from scoregeo.pipeline.keyframes import keyframes
from scoregeo.pipeline.output import GeodesicOutput
from scoregeo.pipeline.parts import solver_for
from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.run.problem.latent import LatentProblem
from scoregeo.score.text_to_image import model_at
from tests.commands import PLAIN
from tests.score.tiny_sd import IMAGE, diffusers_pipeline, save_tiny_sd

FEW: dict[str, Any] = {"num_frames": 5, "num_inference_steps": 3, "timestep": 100}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_sd(tmp_path_factory.mktemp("model"), "sd2")


@pytest.fixture(scope="module")
def pipe(folder: Path) -> GeodesicPipeline:
    return GeodesicPipeline.from_pretrained(folder)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three files of noise."""
    place, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    paths = [str(place / f"{name}.png") for name in "abc"]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (IMAGE, IMAGE, 3), dtype=np.uint8)).save(path)
    return paths


@pytest.fixture(scope="module")
def one(pipe: GeodesicPipeline, pictures: list[str]) -> GeodesicOutput:
    return pipe(pictures[0], pictures[1], prompt_a="cat", prompt_b="dog", output_type="pt", **FEW)


def test_paths_and_frames_are_those_of_the_run(
    folder: Path, pictures: list[str], one: GeodesicOutput
) -> None:
    config, _ = compose(
        [
            "experiment=morph",
            f"dataset.first={pictures[0]}",
            f"dataset.second={pictures[1]}",
            "dataset.first_prompt=cat",
            "dataset.second_prompt=dog",
            f"score.model={folder}",
            "score.timestep=100",
            "solver.num_points=5",
            "inversion.decode_steps=3",
            *PLAIN,
        ]
    )
    problem = LatentProblem(build(config))
    outcome = problem.methods()["stein_gauss_newton"](None)
    frames = problem.frames(outcome, True)
    assert frames is not None
    assert torch.allclose(one.points, outcome.path[0].float(), atol=1e-5)
    assert torch.allclose(2 * one.frames - 1, frames[0].float(), atol=1e-4)
    assert one.status == outcome.status
    # What the run counts: the solver's, and what inversion and decoding cost.
    own = one.solutions[0]
    assert int(own.score_evaluations) == int(outcome.score_evaluations)
    assert one.evaluations["inversion"] == 2 * 4 * 3 and one.evaluations["decoding"] == 5 * 3
    spent = int(own.score_evaluations) + int(own.certificate_evaluations)
    assert one.evaluations["geodesics"] >= spent
    assert one.score_evaluations == sum(one.evaluations.values())


def test_a_loaded_pipeline_gives_the_same(
    folder: Path, pictures: list[str], one: GeodesicOutput
) -> None:
    loaded = diffusers_pipeline(folder)
    again = GeodesicPipeline.from_pipe(loaded)(
        pictures[0], pictures[1], prompt_a="cat", prompt_b="dog", output_type="pt", **FEW
    )
    assert torch.allclose(again.points, one.points, atol=1e-5)
    assert torch.allclose(again.frames, one.frames, atol=1e-4)
    loaded.unet = None
    with pytest.raises(DataError, match=r"StableDiffusionPipeline .*unet"):
        GeodesicPipeline.from_pipe(loaded)


def test_keyframes_are_joined_and_a_loop_returns(
    pipe: GeodesicPipeline, pictures: list[str], one: GeodesicOutput
) -> None:
    a, b, c = pictures
    way = pipe(a, c, "cat", "red", via=[(b, "dog")], output_type="pt", **FEW)
    assert way.frames.shape == (9, 3, IMAGE, IMAGE) and way.points.shape[0] == 9
    assert torch.allclose(way.points[:5], one.points, atol=1e-4)  # the first part is A to B
    assert torch.equal(way.solutions[0].path[0, -1], way.solutions[1].path[0, 0])
    loop = pipe(a, c, "cat", "red", via=[(b, "dog")], closed=True, output_type="pt", **FEW)
    assert len(loop.status) == 3 and loop.frames.shape[0] == 12
    assert torch.allclose(loop.points[:9], way.points, atol=1e-5)
    # From C the last part leads to A, which is the first frame and not repeated.
    assert torch.allclose(loop.solutions[2].path[0, -1], loop.points[0], atol=1e-6)
    back = pipe(a, b, "cat", "dog", closed=True, output_type="pt", **FEW)
    assert torch.allclose(back.frames, torch.cat([one.frames, one.frames[1:-1].flip(0)]), atol=1e-4)
    assert back.score_evaluations == one.score_evaluations
    assert torch.allclose(back.points[5:], one.points[1:-1].flip(0), atol=1e-5)


def test_output_types_hold_the_same_frames_and_make_a_gif(
    pipe: GeodesicPipeline, pictures: list[str], one: GeodesicOutput, tmp_path: Path
) -> None:
    images = pipe(pictures[0], pictures[1], prompt_a="cat", prompt_b="dog", **FEW)
    array = pipe(pictures[0], pictures[1], prompt_a="cat", prompt_b="dog", output_type="np", **FEW)
    assert array.frames.shape == (5, IMAGE, IMAGE, 3) and array.frames.dtype == np.float32
    assert repr(array).startswith("GeodesicOutput(5 frames, status=(") and len(repr(array)) < 900
    for number, picture in enumerate(images.frames):
        assert picture.size == (IMAGE, IMAGE)
        seen = np.asarray(picture) / 255
        np.testing.assert_allclose(seen, array.frames[number], atol=0.5 / 255 + 1e-6)
        np.testing.assert_allclose(seen, one.frames[number].permute(1, 2, 0), atol=0.5 / 255 + 1e-6)
    files = [
        found.save_gif(tmp_path / f"{name}.gif", fps=10)
        for name, found in (("pil", images), ("pt", one), ("np", array))
    ]
    assert len({path.read_bytes() for path in files}) == 1
    with Image.open(files[0]) as gif:
        assert getattr(gif, "n_frames", 1) == 8 and gif.info["duration"] == 100
        first = np.asarray(gif.convert("RGB").resize((IMAGE, IMAGE), Image.Resampling.NEAREST))
    assert np.abs(first.astype(int) - np.asarray(images.frames[0])).mean() < 12  # 256 colours
    with Image.open(images.save_gif(tmp_path / "once.gif", there_and_back=False)) as gif:
        assert getattr(gif, "n_frames", 1) == 5
    assert images.save_mp4(tmp_path / "film.mp4").stat().st_size > 0
    for fps in (0, 1e-9, 1e9, float("nan"), "12", None):
        for save, name in ((one.save_gif, "x.gif"), (one.save_mp4, "x.mp4")):
            with pytest.raises(ConfigError, match="frames_per_second = "):
                save(tmp_path / name, fps)
    with pytest.raises(ConfigError, match="frames_per_second = 60 .*at most 50"):
        one.save_gif(tmp_path / "x.gif", 60)
    (tmp_path / "file").touch()
    for place in (5, None, "a\0.gif", "a" * 300 + ".gif", tmp_path / "file" / "x.gif"):
        with pytest.raises(ConfigError, match="path = "):
            one.save_gif(place)
    for save, name, ending in ((images.save_mp4, "x.gif", ".mp4"), (images.save_gif, "x", ".gif")):
        with pytest.raises(ConfigError, match=f"ends in {ending}"):
            save(tmp_path / name)
        assert not (tmp_path / name).exists()


def test_bad_ends_are_said(one: GeodesicOutput, pictures: list[str]) -> None:
    """The tiny model's autoencoder knows no pictures; its PSNR is that of the frames."""
    given = torch.stack(
        [torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1) for path in pictures[:2]]
    )
    expected = psnr(2 * one.frames[[0, -1]] - 1, given / 127.5 - 1)
    assert one.psnr == pytest.approx(expected.tolist(), abs=1e-3)
    assert max(one.psnr) < 20
    said = " ".join(one.warnings)
    assert "image_a comes back at" in said and "image_b comes back at" in said
    assert "does not know such pictures" in said


def test_the_callback_sees_ends_steps_and_frames(
    pipe: GeodesicPipeline, pictures: list[str]
) -> None:
    seen: list[tuple[int, float, dict[str, Any]]] = []

    def on_step(who: GeodesicPipeline, step: int, sigma: float, values: dict[str, Any]) -> None:
        assert who is pipe
        seen.append((step, sigma, values))

    found = pipe(
        pictures[0],
        pictures[1],
        prompt_a="cat",
        prompt_b="dog",
        callback_on_step_end=on_step,
        **FEW,
    )
    stages = [values["stage"] for _, _, values in seen]
    assert stages[0] == "ends" and stages[-1] == "frames" and set(stages[1:-1]) == {"solve"}
    first, last = seen[0][2]["frames"]
    assert np.array_equal(np.asarray(first), np.asarray(found.frames[0]))
    assert np.array_equal(np.asarray(last), np.asarray(found.frames[-1]))
    assert {sigma for _, sigma, _ in seen} == {found.sigma}
    assert seen[-2][2]["energy"] == pytest.approx(found.energy[0])
    assert len(seen[-1][2]["frames"]) == FEW["num_frames"] - 2


def test_every_kind_of_picture_and_shape(pipe: GeodesicPipeline, pictures: list[str]) -> None:
    opened = Image.open(pictures[0])
    array = np.array(opened)
    tensor = torch.from_numpy(array).permute(2, 0, 1) / 127.5 - 1
    two: dict[str, Any] = {**FEW, "num_frames": 2, "num_inference_steps": 1, "output_type": "pt"}
    points = [
        pipe(picture, pictures[1], **two).points
        for picture in (pictures[0], Path(pictures[0]), opened, array, tensor)
    ]
    assert all(torch.equal(found, points[0]) for found in points)
    rounded = keyframes(tensor.bfloat16(), tensor, "", "", [])[0].picture
    expected = keyframes(tensor.bfloat16().float(), tensor, "", "", [])[0].picture
    assert np.array_equal(np.asarray(rounded), np.asarray(expected))
    wide = opened.resize((4 * IMAGE, 2 * IMAGE))
    own = pipe(wide, pictures[1], **two)
    height, width = own.frames.shape[2:]
    assert width > height and height * width == pytest.approx(IMAGE**2, rel=0.3)
    assert pipe(wide, pictures[1], size=(24, 16), **two).frames.shape[2:] == (24, 16)
    assert pipe(wide, pictures[1], size=24, **two).frames.shape[2:] == (24, 24)


def test_metrics_solvers_and_starts(pipe: GeodesicPipeline, pictures: list[str]) -> None:
    few: dict[str, Any] = {**FEW, "num_frames": 3, "num_inference_steps": 1}
    plain = pipe(pictures[0], pictures[1], **few)
    same = pipe(pictures[0], pictures[1], metric=lambda field: SteinMetric(field, 10.0), **few)
    assert torch.equal(plain.points, same.points)
    # Straight in the flat metric.
    flat = pipe(pictures[0], pictures[1], metric="euclidean", **few).points
    assert torch.allclose(flat[1], (flat[0] + flat[2]) / 2, atol=1e-4)
    others: list[dict[str, Any]] = [
        {"metric": PullbackMetric, "solver": LBFGS(max_iterations=1)},
        {"metric": "conformal", "solver": Adam(iterations=1)},
        {"initializer": "slerp"},
    ]
    for settings in others:
        found = pipe(pictures[0], pictures[1], **settings, **few)
        assert found.points.shape == plain.points.shape and len(found.status) == 1


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        (partial(SteinMetric, lam=1.0), GaussNewton),
        (PullbackMetric, LBFGS),
        (ConformalMetric, LBFGS),
    ],
)
def test_the_default_solver_is_the_first_that_serves(metric: Any, kind: type) -> None:
    field = ScoreField(SphereScore(2, 3), 0.1)
    solver = solver_for(None, metric(field), 5)
    assert type(solver) is kind and solver.num_points == 5


def test_the_command_line_has_the_same_solver_for_many_frames() -> None:
    config, _ = compose(
        ["experiment=morph", "dataset.first=a", "dataset.second=b", "solver.num_points=65"]
    )
    metric = SteinMetric(ScoreField(SphereScore(2, 3), 0.1), 10.0)
    assert instantiate(config["solver"]) == solver_for(None, metric, 65)


def test_what_is_not_given_is_made_by_the_model(
    pipe: GeodesicPipeline, folder: Path, pictures: list[str]
) -> None:
    few: dict[str, Any] = {**FEW, "num_frames": 2, "painting_steps": 4}
    source = torch.Generator().manual_seed(3)
    made = pipe(prompt_a="cat", prompt_b="dog", generator=source, output_type="pt", **few)
    assert made.evaluations["painting"] == 2 * 4 and np.isnan(made.psnr).all()
    again = pipe(
        prompt_a="cat",
        prompt_b="dog",
        generator=torch.Generator().manual_seed(3),
        output_type="pt",
        **few,
    )
    other = pipe(prompt_a="cat", prompt_b="dog", output_type="pt", **few)
    assert torch.equal(made.points, again.points) and not torch.allclose(made.points, other.points)
    # One picture: the other is made of its noise, so it depends on it.
    by_a = pipe(pictures[0], prompt_a="cat", prompt_b="dog", output_type="pt", **few)
    by_c = pipe(pictures[2], prompt_a="cat", prompt_b="dog", output_type="pt", **few)
    assert not np.isnan(by_a.psnr[0]) and np.isnan(by_a.psnr[1])
    assert by_a.evaluations["painting"] == 4 * 5
    assert not torch.allclose(by_a.points[1], by_c.points[1])


def test_redrawn_as_it_was_a_picture_comes_back() -> None:
    emoji = GeodesicPipeline.from_pretrained("emoji_sd", chunk=32).model
    from scoregeo.dataset import Emoji

    pictures = Emoji(pairs=1).pairs(seed=0)
    model, names = model_at(emoji, (64, 64), timestep=400), (pictures.prompts or ())[0]
    kept = model.decode(model.encode(pictures.first))
    same = model.redraw(pictures.first, names[:1], names[:1], 8, 1.0)
    assert float(psnr(same, kept)) > 25
    other = model.redraw(pictures.first, names[:1], ("red heart",), 8, 3.0)
    assert float(psnr(other, kept)) < 20


@pytest.fixture
def no_work(pipe: GeodesicPipeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails where a network is asked."""

    def asked(*_: Any, **__: Any) -> None:
        raise AssertionError("a network was asked before the arguments were checked")

    monkeypatch.setattr(type(pipe.model.unet), "forward", asked)
    monkeypatch.setattr(type(pipe.model.codec.vae), "encode", asked)
    yield


@pytest.mark.usefixtures("no_work")
def test_what_cannot_be_used_is_named_before_any_work(
    pipe: GeodesicPipeline, pictures: list[str], tmp_path: Path
) -> None:
    a, b, _ = pictures
    text = tmp_path / "text.png"
    text.write_text("no picture")
    for arguments, settings, words in (
        ((a, b), {"num_frames": 1}, "num_frames = 1 .*at least 2"),
        ((a, b), {"output_type": "gif"}, "output_type = 'gif' .*'pil', 'pt', 'np'"),
        ((a, b), {"size": 15}, "size = 15 .*multiples of 2"),
        ((a, b), {"size": (16, 17)}, r"size = \(16, 17\) .*multiples of 2"),
        ((a, b), {"size": "big"}, "size = 'big' .*whole number"),
        ((a, b), {"sigma": 1.0, "timestep": 3}, "sigma = 1.0 and timestep = 3"),
        ((a, b), {"sigma": -1.0}, "sigma = -1.0 .*above 0"),
        ((a, b), {"timestep": 5000}, "timestep = 5000"),
        ((a, b), {"metric": "fisher"}, "metric = 'fisher' .*stein"),
        ((a, b), {"metric": "pullback", "solver": "adam"}, "solver = 'adam'"),
        ((a, b), {"initializer": "best"}, "initializer = 'best' .*lerp"),
        *(
            ((a, b), {"initializer": one}, "initializer = 'graph' .*through points of the data")
            for one in ("graph", several(("lerp", "graph")))
        ),
        ((a, b), {"lam": 0}, "lam = 0 .*above 0"),
        ((a, b), {"guidance_scale": 0.5}, "guidance_scale = 0.5"),
        ((a, b), {"num_inference_steps": 0}, "num_inference_steps = 0"),
        ((a, b), {"generator": 3}, "generator = 3 .*torch.Generator"),
        ((a, b), {"callback_on_step_end": 3}, "callback_on_step_end = 3"),
        ((a, b), {"via": "c.png"}, "via = 'c.png' .*list"),
        ((a, b), {"via": [str(text)]}, r"via\[0\]: .*text.png cannot be read"),
        ((a, str(text)), {}, "image_b: .*text.png cannot be read as a picture"),
        ((a, "none.png"), {}, "image_b: none.png is not there"),
        ((a, 3), {}, "image_b is a int"),
        ((a, np.zeros((4, 4))), {}, r"image_b is an array of float64, shape \[4, 4\]"),
        ((a, Image.new("RGB", (4, 4))), {}, "image_b has 4 x 4 pixels: at least 8 x 8"),
        ((a, 255 * torch.rand(3, 16, 16)), {}, "image_b is a tensor of torch.float32 .*-1, 1"),
        ((a, torch.ones(3, 16, 16).byte()), {}, "image_b is a tensor of torch.uint8"),
        ((a, torch.full((3, 16, 16), torch.nan)), {}, "image_b is a tensor .* nan"),
        ((a, a), {}, "image_a and image_b are the same picture"),
        ((a,), {}, "image_b = None with prompt_b = '' "),
        ((a,), {"prompt_a": "cat"}, "image_b = None and prompt_a, prompt_b are both 'cat'"),
        ((), {"prompt_a": "cat", "prompt_b": "cat"}, "are both 'cat'"),
        ((a, b), {"prompt_a": None}, "prompt_a = None"),
        ((a, b), {"prompt_b": "cat " * 40}, r"prompt_b = 'cat .* 42 tokens.* takes 12"),
        ((a, b), {"negative_prompt": "cat " * 40}, "negative_prompt = 'cat "),
        ((a, b), {"num_inference_steps": 10**9}, "num_inference_steps = .* at most 10000"),
        ((a, b), {"painting_steps": 10**9}, "painting_steps = .* at most 10000"),
        ((a, b), {"size": 10**6}, "size = 1000000 .* 2 pictures .* GiB.* at most 9459 pixels"),
        ((a, b), {"size": 10**400}, "size = 1000"),
        ((a, b), {"num_frames": 10**9}, "num_frames = .* GiB.*at most 699,050, or size smaller"),
        ((a, b), {"lam": 10**400}, "lam = 1000"),
        *(((a, b), {"metric": one}, "metric = ") for one in ([], {}, None, 5, np.array(["stein"]))),
        ((a, b), {"metric": SteinMetric}, "metric = .*SteinMetric.* of a ScoreField alone .*'lam'"),
        *(((a, b), {"inversion": one}, "inversion = ") for one in ("ddim", 5, GaussNewton())),
        *(((a, b), {"closed": one}, "closed = ") for one in ("no", None, np.array([1, 2]))),
        ((a, b), {"output_type": np.array(["pil", "pt"])}, "output_type = "),
        ((a, b), {"prompt_a": "\ud800"}, "prompt_a = .* not text in UTF-8"),
        ((a, b), {"via": [(a, 5)]}, r"^the prompt of via\[0\] = 5 is not"),
        ((a, b), {"via": [None]}, r"^via\[0\] = None with prompt_a = '' is"),
        ((a, b), {"via": [a]}, "Give None for via.0. to have it redrawn as prompt_a says"),
        (("x" * 300, b), {}, "image_a: x+ is not there"),
        (("x\0", b), {}, "image_a: x.* is not there"),
        ((torch.zeros(3, 16, 16, device="meta"), b), {}, "image_a is .*no values .meta"),
        ((torch.zeros(3, 16, 16).to_sparse(), b), {}, "image_a is a sparse tensor"),
    ):
        with pytest.raises((ConfigError, DataError), match=words):
            pipe(*arguments, **settings)  # type: ignore[arg-type]
    for device in ("tpu", "meta", 5, None):
        for move in (partial(GeodesicPipeline.from_pretrained, "emoji_sd"), pipe.to):
            with pytest.raises(ConfigError, match=f"device = '{device}' .*torch can use"):
                move(device=device)
    for model in (None, "emoji_sd", torch.nn.Linear(1, 1)):
        with pytest.raises(ConfigError, match="model = .* a loaded model"):
            GeodesicPipeline(model)
    with pytest.raises(DataError, match="neither a folder"):
        GeodesicPipeline.from_pretrained("nowhere")
