"""A killed method resumes with the pair at which it was stopped, and no number changes."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from scoregeo._utils.files import load_tensors
from scoregeo.baseline.nao import Nao
from scoregeo.run import kept_outcome
from scoregeo.run.command import compose, execute
from scoregeo.run.problem import latent, latent_pictures
from scoregeo.run.problem.outcome import Outcome
from scoregeo.solver.base import Step
from scoregeo.solver.gauss_newton import GaussNewton
from tests.commands import PICTURES
from tests.score.tiny_sd import save_tiny_sd

OTHERS = ("lerp", "slerp", "lerp_noise", "slerp_noise", "noise_diffusion", "density_geodesic_short")
FEW = (
    *(
        "dataset.pairs=2",
        "solver.num_points=5",
        "baseline.nao_short.max_iterations=5",
        "baseline.pullback=null",
        "rivals=null",
    ),
    *(f"baseline.{name}=null" for name in OTHERS),
)
UNMEASURED = ("evaluation.network=null", "evaluation.feature_distance=false")
PLAIN = (
    *("evaluation.figures=false", "evaluation.certify_subnodes=1", "solver.max_iterations=2"),
    *("inversion.decode_steps=2", "inversion.rounds=1"),
)


@pytest.fixture(scope="module")
def emoji(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two pairs of pictures, inverted by DDIM under a tiny text-to-image model."""
    model = save_tiny_sd(tmp_path_factory.mktemp("model"), "sd2", tokens=40, levels=3)
    small = [one.replace("SD", str(model)) for one in PICTURES]
    return ["experiment=stable_diffusion", *small, *FEW, *UNMEASURED, *PLAIN]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How many pairs each step of a run was given."""
    found: Counter[str] = Counter()

    def counted(place: Any, name: str, what: str, size: Callable[..., int]) -> None:
        real = getattr(place, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            found[what] += size(*args)
            return real(*args, **kwargs)

        monkeypatch.setattr(place, name, call)

    counted(latent, "invert_pictures", "inverted", lambda model, how, pictures, *_: len(pictures))
    counted(latent_pictures, "clean_latents", "decoded", lambda m, how, points, *_: len(points))
    counted(Nao, "path", "baseline", lambda self, ends, *_: len(ends.clean))
    counted(GaussNewton, "solve", "solved", lambda self, metric, start, *_: len(start))
    yield found


def run(overrides: list[str], output: Path, group: str | None = None) -> Path:
    config, folder = compose([*overrides, f"output={output}"])
    assert execute(config, folder, overrides, group) is None
    return folder


def lines(folder: Path) -> list[dict[str, Any]]:
    """A run's results without its times."""
    text = (folder / "results.jsonl").read_text(encoding="utf-8")
    found = [json.loads(line) for line in text.splitlines()]
    for line in found:
        del line["seconds"]
        line["measures"] = {k: v for k, v in line["measures"].items() if "seconds" not in k}
    return found


def assert_same(one: Path, other: Path) -> None:
    """Up to the last digits of a float32 network."""
    for a, b in zip(lines(one), lines(other), strict=True):
        assert a.pop("measures") == pytest.approx(b.pop("measures"), rel=1e-5, abs=1e-6)
        assert a == b
    files = sorted(path.name for path in (one / "paths").iterdir())
    assert files == sorted(path.name for path in (other / "paths").iterdir())
    for name in files:
        found, wanted = (load_tensors(folder / "paths" / name) for folder in (one, other))
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_method_resumes_with_the_pair_at_which_it_was_killed(
    emoji: list[str], done: Counter[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(emoji, tmp_path / "whole")
    assert not (whole / "unfinished").exists()
    config, folder = compose([*emoji, f"output={tmp_path / 'killed'}"])
    solve, solved = GaussNewton.solve, 0

    def killed(self: GaussNewton, *args: Any) -> Any:
        nonlocal solved
        solved += 1
        if solved == 2:
            raise KeyboardInterrupt
        return solve(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(GaussNewton, "solve", killed)
        with pytest.raises(KeyboardInterrupt):
            execute(config, folder, emoji)
    assert [path.parent.name for path in folder.glob("unfinished/*/*")] == ["stein_gauss_newton"]
    done.clear()
    assert execute(config, folder, emoji) is None
    assert done["solved"] == 1 and done["baseline"] == 0
    assert_same(whole, folder)
    assert not (folder / "unfinished").exists()


def test_a_kept_outcome_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    draws = torch.Generator().manual_seed(0)
    energy = torch.rand(2, generator=draws, dtype=torch.float64)
    count = torch.tensor([3, 4])
    outcome = Outcome(
        path=torch.randn(2, 3, 4, generator=draws),
        noisy=True,
        status=("converged", "stalled"),
        iterations=count,
        score_evaluations=count,
        start_evaluations=count / 3,
        seconds=0.1 + 0.2,
        stationarity=energy,
        history=(Step(0, energy, count), Step(1, energy / 3, 2 * count)),
        more={"tunnelled": energy},
        start=("lerp", "graph"),
        reason=("", "é"),
    )
    kept_outcome.save_outcome(tmp_path / "one.safetensors", outcome, {"a": [1, None]})
    found, more = kept_outcome.load_outcome(tmp_path / "one.safetensors")
    assert more == {"a": [1, None]}
    for name, value in vars(outcome).items():
        other = getattr(found, name)
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, other) and value.dtype == other.dtype
        elif name == "history":
            assert [step.iteration for step in other] == [0, 1]
            assert torch.equal(other[1].energy, value[1].energy)
        elif name == "more":
            assert torch.equal(other["tunnelled"], value["tunnelled"])
        else:
            assert other == value
