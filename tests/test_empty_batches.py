"""No pairs have no geodesics, and no points no scores: what is given an empty batch gives an empty
result, of the kind that it gives for one pair.
"""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any

import pytest
import torch

import scoregeo
from scoregeo.baseline.base import AbstractBaseline, Ends
from scoregeo.baseline.data_geodesic import DataGeodesic
from scoregeo.baseline.geodesic import MetricGeodesic
from scoregeo.baseline.graph_euclidean import GraphEuclidean
from scoregeo.baseline.lerp import Lerp
from scoregeo.baseline.slerp import Slerp
from scoregeo.evaluation.departure import departure
from scoregeo.evaluation.image import inner_frame_psnr, inner_frame_ssim, psnr, ssim
from scoregeo.evaluation.manifold import distance_to_path, relative_length_error
from scoregeo.evaluation.picture_path import distances_along, distances_to_truth
from scoregeo.evaluation.regularity import end_error, speed_variation, straightness
from scoregeo.extrapolation.base import AbstractExtrapolation
from scoregeo.extrapolation.density import Density
from scoregeo.extrapolation.exponential import Exponential
from scoregeo.extrapolation.paper import Paper
from scoregeo.extrapolation.straight import Straight
from scoregeo.geometry.curvature import ricci
from scoregeo.geometry.transport import transport_along_geodesic
from scoregeo.initializer.base import AbstractInitializer
from scoregeo.initializer.graph_relaxed import RelaxedGraphInitializer
from scoregeo.initializer.modes import ModesInitializer
from scoregeo.inversion.base import AbstractInversion
from scoregeo.inversion.ddim import DDIMInversion
from scoregeo.inversion.none import NoInversion
from scoregeo.inversion.shared_noise import SharedNoise
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.land import LandMetric
from scoregeo.metric.rbf import RbfMetric
from scoregeo.path import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.memo import MemoizedScore, ScoreMemory
from scoregeo.score.neighbour import NeighbourScore
from scoregeo.score.neighbours import ExactSearch
from scoregeo.solver.base import AbstractSolver
from tests.baseline.cases import draws, pictures
from tests.baseline.test_base import RIVALS
from tests.evaluation.test_picture_path import Brightness
from tests.fields import mixture
from tests.initializer.cases import given, ring, ring_metric
from tests.initializer.test_ends import STARTS

FIELD = scoregeo.ScoreField(mixture(3, 4), 0.5)
DATA = torch.randn(20, 3, generator=draws(1), dtype=torch.float64)
ENDS = torch.randn(1, 2, 3, generator=draws(2), dtype=torch.float64)
METRICS: dict[str, AbstractMetric] = {
    "stein": scoregeo.SteinMetric(FIELD, 3.0),
    "conformal": scoregeo.ConformalMetric(FIELD),
    "euclidean": scoregeo.EuclideanMetric(),
    "pullback": scoregeo.PullbackMetric(FIELD),
    "land": LandMetric(points=DATA),
    "rbf": RbfMetric(points=DATA, clusters=3),
}
SOLVERS: tuple[AbstractSolver, ...] = (
    scoregeo.GaussNewton(9, max_iterations=1),
    scoregeo.GaussNewton(9, refinement="adaptive", max_iterations=1),
    scoregeo.LBFGS(9, max_iterations=1),
    scoregeo.Georce(9, max_iterations=1),
    scoregeo.Adam(9, iterations=1),
    scoregeo.StringMethod(9, max_iterations=1),
)


def alike(none: Any, one: Any) -> None:
    """Whether `none` is what `one`, of one pair, would be without it."""
    assert type(none) is type(one)
    if isinstance(one, torch.Tensor):
        wanted = one[:0]
        assert (none.shape, none.dtype) == (wanted.shape, wanted.dtype)
    elif is_dataclass(one):
        for item in fields(one):
            if item.name != "history":  # of iterations
                alike(getattr(none, item.name), getattr(one, item.name))
    elif isinstance(one, dict):
        assert none.keys() == one.keys()
        for key, value in one.items():
            alike(none[key], value)
    elif isinstance(one, tuple) and one and isinstance(one[0], str):
        assert none == ()
    elif isinstance(one, tuple):
        for a, b in zip(none, one, strict=True):
            alike(a, b)


def check(of: Callable[..., Any], *batches: torch.Tensor) -> None:
    """`of` of no rows, and of the same batches with one."""
    alike(of(*(batch[:0] for batch in batches)), of(*batches))


@pytest.mark.parametrize("name", METRICS)
def test_metrics(name: str) -> None:
    metric, rule = METRICS[name], Quadrature("trapezoid", 2)
    x, path = ENDS[:, 0], scoregeo.linear(ENDS, 5)
    check(metric.inner, x, x, x)
    check(metric.apply, x, x)
    check(metric.matrix, x)
    check(metric.unit, x)
    check(partial(metric.measure, quadrature=rule), path)
    check(partial(metric.gradient, quadrature=rule), path)
    if isinstance(metric, scoregeo.metric.base.AbstractClosedFormMetric):
        check(metric.inverse, x, x)
        check(metric.christoffel, x, x, x)
        check(metric.sectional_curvature, x, x, x)
        check(metric.log_volume, x)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: type(solver).__name__)
def test_solvers(solver: AbstractSolver) -> None:
    for metric in METRICS.values():
        try:
            solver.check(metric)
        except scoregeo.ConfigError:
            continue
        check(partial(solver.solve, metric), scoregeo.linear(ENDS, 9))


def test_geodesics() -> None:
    a, b = ENDS.unbind(1)
    solver = SOLVERS[0]
    check(lambda *ends: scoregeo.geodesic(FIELD, *ends, solver=solver), a, b)
    starts = ("lerp", "slerp", "perturbed", "modes", "graph")
    none = scoregeo.geodesic(FIELD, a[:0], b[:0], solver=solver, starts=starts, references=DATA)
    assert none.path.shape == (0, 9, 3) and none.start == none.status == ()


GEOMETRY: dict[str, Callable[[AbstractMetric, torch.Tensor, torch.Tensor], Any]] = {
    "exponential": lambda m, x, v: scoregeo.exponential(m, x, v, points=4, rtol=1e-3),
    "logarithm": lambda m, x, y: scoregeo.logarithm(m, x, y, SOLVERS[0], rtol=1e-3, max_shots=1),
    "transport": lambda m, x, y: scoregeo.parallel_transport(
        m, scoregeo.linear(torch.stack([x, y], 1), 4), y, rtol=1e-3
    ),
    "transport along": lambda m, x, v: transport_along_geodesic(m, x, v, v, rtol=1e-3),
    "curvature": lambda m, x, v: scoregeo.sectional_curvature(m, x, v, x),
    "ricci": lambda m, x, v: ricci(m, x, v, 1, draws()),
    "extrapolate": lambda m, x, y: scoregeo.extrapolate(
        m, scoregeo.linear(torch.stack([x, y], 1), 4), 0.5, 3, rtol=1e-3
    ),
    "distance": lambda m, x, y: scoregeo.distance(m, x, y, SOLVERS[0]),
}


@pytest.mark.parametrize("name", GEOMETRY)
def test_geometry(name: str) -> None:
    for metric in (METRICS["stein"], METRICS["euclidean"]):
        check(partial(GEOMETRY[name], metric), *ENDS.unbind(1))


def test_no_points_have_no_distances() -> None:
    assert scoregeo.distance_matrix(METRICS["stein"], ENDS[:0, 0], SOLVERS[0]).shape == (0, 0)


@pytest.mark.parametrize("name", [*STARTS, "modes", "graph_relaxed"])
def test_initializers(name: str) -> None:
    metric: AbstractMetric = ring_metric()
    more: dict[str, AbstractInitializer] = {
        "modes": ModesInitializer(),
        "graph_relaxed": RelaxedGraphInitializer(60, 4),
    }
    if name == "graph_relaxed":
        assert metric.field is not None
        metric = scoregeo.PullbackMetric(metric.field)
    starter = {**STARTS, **more}[name].prepare(metric, given(ring(60)))
    check(lambda ends: starter(ends, 5), ring(60)[None, :2])


BASELINES: dict[str, AbstractBaseline] = {
    **RIVALS,
    "lerp": Lerp("data"),
    "slerp": Slerp("noise"),
    "graph": GraphEuclidean(20, 4),
    "stein": MetricGeodesic(partial(scoregeo.SteinMetric, lam=1.0), SOLVERS[0]),
    "rbf": DataGeodesic(partial(RbfMetric, clusters=3), SOLVERS[2], num_references=20),
}


@pytest.mark.parametrize("name", BASELINES)
def test_baselines(name: str) -> None:
    one = replace(
        pictures(1), references=lambda count: torch.randn(count, 1, 4, 4, generator=draws())
    )

    def path(clean: torch.Tensor, lifted: torch.Tensor) -> Any:
        ends: Ends = replace(one, clean=clean, lifted=lifted)
        return BASELINES[name].path(ends, 5, draws())

    check(path, one.clean, one.lifted)


EXTRAPOLATIONS = (Straight(), Paper(), Density(), Exponential(max_evaluations=100))


@pytest.mark.parametrize("method", EXTRAPOLATIONS, ids=lambda one: type(one).__name__)
def test_extrapolations(method: AbstractExtrapolation) -> None:
    path, reach = scoregeo.linear(ENDS, 5), torch.ones(1, dtype=torch.float64)
    metric, rule = METRICS["stein"], Quadrature()
    check(lambda path, reach: method.extend(metric, path, reach, 3, rule), path, reach)


INVERSIONS = (DDIMInversion(2), DDIMInversion(2, rounds=2), NoInversion(2), SharedNoise(2))


@pytest.mark.parametrize("inversion", INVERSIONS, ids=repr)
def test_lifting_and_decoding(inversion: AbstractInversion) -> None:
    check(partial(inversion.decode, field=FIELD), ENDS[:, 0])
    check(lambda ends: inversion.lift(ends, FIELD, draws()), ENDS)


def test_scores() -> None:
    kinds = (
        scoregeo.SphereScore(2, 3),
        scoregeo.TorusScore(2.0, 0.5),
        scoregeo.EmpiricalScore(DATA),
        NeighbourScore(ExactSearch(DATA.numpy()), (3,), 5),
        CountingScore(mixture(3, 4)),
        MemoizedScore(mixture(3, 4), ScoreMemory()),
    )
    for score in kinds:
        field = scoregeo.ScoreField(score, 0.5)
        x = ENDS[:, 0]
        check(field, x)
        check(field.jvp, x, x)
        check(field.vjp, x, x)
        check(partial(score.denoise, sigma=0.5), x)


def test_measures() -> None:
    path = scoregeo.linear(ENDS, 5)
    frames = torch.rand(1, 4, 3, 16, 16, generator=draws()) * 2 - 1
    check(straightness, path)
    check(speed_variation, path)
    check(end_error, path, ENDS)
    check(distance_to_path, path, path)
    check(departure, path, path[:, 1:-1])
    check(relative_length_error, path, torch.ones(1))
    check(psnr, frames[:, 0], frames[:, 1])
    check(ssim, frames[:, 0], frames[:, 1])
    check(inner_frame_psnr, frames, frames.flip(1))
    check(inner_frame_ssim, frames, frames.flip(1))
    check(partial(distances_along, Brightness()), frames, frames[:, :2])
    check(partial(distances_to_truth, Brightness()), frames, frames)
    check(Brightness().neighbours, frames)
