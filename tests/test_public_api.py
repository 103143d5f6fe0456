"""The public names: there, lazy, documented; the geodesic in one call; a score of one's own."""

import inspect
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import scoregeo
from scoregeo._utils.errors import ConfigError, DataError, ScoreError
from tests.commands import MANIFOLD, command

RING = '''
import torch
from scoregeo import AbstractScore


class Ring(AbstractScore):
    """The unit circle in the plane, blurred radially."""

    def __init__(self, radius: float = 1.0) -> None:
        self.radius = radius

    @property
    def shape(self) -> tuple[int, ...]:
        return (3,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        norm = x.norm(dim=1, keepdim=True)
        return (self.radius - norm) / sigma**2 * x / norm
'''


def sphere() -> tuple[scoregeo.SphereScore, torch.Tensor, torch.Tensor]:
    a, b = torch.eye(3, dtype=torch.float64)[:2]
    return scoregeo.SphereScore(dimension=2, ambient=3), a, b


def test_every_public_name_is_there_and_documented() -> None:
    for package in (scoregeo, scoregeo.metric, scoregeo.solver, scoregeo.score, scoregeo.geometry):
        assert package.__all__
        for name in package.__all__:
            found = getattr(package, name)
            assert len(inspect.getdoc(found) or "") > 40 or inspect.ismodule(found), (
                f"{package.__name__}.{name}"
            )


def test_no_public_name_is_also_a_module_s() -> None:
    """Importing the module would put it in the name's place."""
    for stub in Path(scoregeo.__file__).parent.rglob("__init__.pyi"):
        names = set(re.findall(r" as (\w+)$", stub.read_text(encoding="utf-8"), re.MULTILINE))
        assert not names & {path.stem for path in stub.parent.glob("*.py")}, stub.parent.name


def test_the_package_imports_without_torch() -> None:
    code = "import sys, scoregeo; scoregeo.__version__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_geodesic_of_the_sphere_is_the_great_circle() -> None:
    score, a, b = sphere()
    solution = scoregeo.geodesic(score, a, b, sigma=0.05)
    assert solution.path.shape == (1, 64, 3) and solution.status == ("converged",)
    # Blurring moves the ridge of the density outward by sigma^2, 0.0025 of the radius.
    length = float(scoregeo.path.arc_length(solution.path))
    assert length == pytest.approx(math.pi / 2, rel=5e-3)
    assert float(solution.length) >= length  # the metric is at least the Euclidean one
    truth = scoregeo.spherical(torch.stack([a, b])[None], 64)
    assert float((solution.path - truth).norm(dim=-1).max()) < 0.01


def test_geodesic_takes_a_field_a_function_and_several_pairs() -> None:
    score, a, b = sphere()
    one = scoregeo.geodesic(score, a, b, sigma=0.05, num_points=16)
    field = scoregeo.geodesic(scoregeo.ScoreField(score, 0.05), a, b, num_points=16)
    function = scoregeo.geodesic(score.score, a, b, sigma=0.05, num_points=16)
    both = scoregeo.geodesic(
        score, torch.stack([a, b]), torch.stack([b, a]), sigma=0.05, num_points=16
    )
    assert torch.equal(one.path, field.path) and torch.equal(one.path, function.path)
    assert both.path.shape == (2, 16, 3)
    # The other way round is the same path, as far as the solver's tolerance has it.
    assert torch.allclose(both.path[0], both.path[1].flip(0), atol=1e-3)


def test_geodesic_names_what_it_cannot_take() -> None:
    score, a, b = sphere()
    with pytest.raises(ConfigError, match="sigma"):
        scoregeo.geodesic(score, a, b)
    with pytest.raises(ConfigError, match="beside a ScoreField"):
        scoregeo.geodesic(scoregeo.ScoreField(score, 0.05), a, b, sigma=0.1)
    with pytest.raises(DataError, match="the same"):
        scoregeo.geodesic(score, a, b[:2], sigma=0.05)
    with pytest.raises(DataError, match="floating point"):
        scoregeo.geodesic(score, a.long(), b.long(), sigma=0.05)
    with pytest.raises(ScoreError, match="shape"):
        scoregeo.geodesic(lambda x, sigma: x[:, :1], a, b, sigma=0.05)
    with pytest.raises(ConfigError, match=r"num_points = 30 .* solver of 9 points"):
        scoregeo.geodesic(score, a, b, 0.05, num_points=30, solver=scoregeo.GaussNewton(9))
    for points in (None, 9):
        solver = scoregeo.GaussNewton(9)
        found = scoregeo.geodesic(score, a, b, 0.05, num_points=points, solver=solver)
        assert found.path.shape[1] == 9


def test_lists_and_arrays_are_taken_as_tensors() -> None:
    score, a, b = sphere()
    solver = scoregeo.GaussNewton(9)
    metric = scoregeo.SteinMetric(scoregeo.ScoreField(score, 0.05), 1.0)
    geodesic: Any = scoregeo.geodesic
    operation: Any = scoregeo.exponential
    wanted = geodesic(score, a, b, 0.05, solver=solver)
    for ends in ((a.tolist(), b.numpy()), (a.numpy(), tuple(b.tolist()))):
        found = geodesic(score, *ends, 0.05, solver=solver)
        assert torch.equal(found.path, wanted.path)
    found = geodesic(score, a, b, 0.05, solver=solver, start=wanted.path.numpy())
    assert found.path.shape == (1, 9, 3)
    v = b[None].numpy()
    right = operation(metric, a[None], b[None])
    assert torch.equal(operation(metric, [a.tolist()], v=v).path, right.path)
    wrong: tuple[Any, ...] = (None, [[1.0], [1.0, 2.0]], "x", {})
    for bad in wrong:
        with pytest.raises(DataError, match=r"x is a \w+: it must be a torch.Tensor"):
            operation(metric, bad, v)


def test_tensors_that_require_grad_are_taken_as_they_are() -> None:
    score, a, b = sphere()
    start = scoregeo.linear(torch.stack([a, b])[None], 9)
    wanted = scoregeo.geodesic(score, a, b, 0.05, num_points=9).path
    for one, way in ((a.clone().requires_grad_(), None), (a, start.clone().requires_grad_())):
        found = scoregeo.geodesic(score, one, b, 0.05, num_points=9, start=way).path
        assert torch.equal(found, wanted) and not found.requires_grad


def test_geodesic_names_a_solver_or_paths_that_it_cannot_take() -> None:
    score, a, b = sphere()
    geodesic: Any = scoregeo.geodesic
    for solver in ("gauss_newton", scoregeo.GaussNewton):
        for points in (None, 9):
            with pytest.raises(ConfigError, match="solver = .* must be a solver"):
                geodesic(score, a, b, 0.05, solver=solver, num_points=points)
    for starts in (None, "lerp"):
        with pytest.raises(ConfigError, match="memory_gib = .* 1000000000000 points of 3"):
            geodesic(score, a, b, 0.05, num_points=10**12, starts=starts)
    with pytest.raises(ConfigError, match="references are not allowed without starts"):
        geodesic(score, a, b, 0.05, references=torch.stack([a, b]))


def test_geodesic_names_what_is_wrong_with_ends_start_and_references() -> None:
    score, a, b = sphere()
    start = scoregeo.linear(torch.stack([a, b])[None], 9)

    def refused(words: str, ends: Any = (a, b), of: Any = score, **given: Any) -> None:
        with pytest.raises((ConfigError, DataError, ScoreError), match=words):
            scoregeo.geodesic(of, *ends, sigma=0.05, num_points=9, **given)

    refused("a is a NoneType", (None, b))
    refused("a is a list", ([1.0, "0.0"], b))
    refused("a has dtype torch.int64", ([1, 0, 0], b))
    refused("a has dtype torch.complex128", (a + 0j, b))
    refused("a is not finite", (a * torch.nan, b))
    refused("that of a point", (a[0], b[0]))
    refused("that of a point", (a[None, None], b[None, None]))
    refused("score = None", of=None)
    refused("score = .*SphereScore", of=scoregeo.SphereScore)
    refused("function = .* sigma. -> s", of=lambda x: -x)
    refused("a is on device meta", (a.to("meta"), b.to("meta")))
    refused("a has layout torch.sparse", (a.to_sparse(), b.to_sparse()))
    refused("start has dtype torch.int64", start=start.long())
    refused("start has dtype torch.float32", start=start.float())
    refused("start has shape", start=start.repeat(2, 1, 1))
    refused("start does not lead from a to b", start=start.flip(1))
    refused("start is not finite", start=start / 0)
    refused("starts = 5", starts=5)
    refused("starts = .'lerp'", starts=[["lerp"]])
    refused("references is a str", starts="graph", references="points")
    for wrong in (a, a[None], torch.ones(5, 2).double()):
        refused("references have shape", starts="graph", references=wrong)
    refused("references is not finite", starts="graph", references=torch.stack([a, b]) / 0)
    # What the score does wrong is said where there are several starts, too.
    refused("is a NoneType", of=lambda x, sigma: None, starts=("lerp", "modes"))
    refused("torch.int64", of=lambda x, sigma: x.long(), starts=("lerp", "modes"))


def test_a_score_of_one_s_own_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A class in a module of the working folder, at a noise level, in place of the sphere's."""
    (tmp_path / "mine.py").write_text(RING, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    own = [*(one for one in MANIFOLD if "rivals" not in one), "score._target_=mine.Ring"]
    assert command(*own, "score.sigma=0.05", "evaluation.figures=false") is None
    assert "stein_gauss_newton" in capsys.readouterr().out
    assert "score.sigma" in str(command(*own, "score.sigma=null"))
