"""Bad input to every operation: refused before any work, by a message that says what is wrong."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.geometry.curvature import ricci, sectional_curvature
from scoregeo.geometry.dimension import intrinsic_dimension
from scoregeo.geometry.distances import distance, distance_matrix
from scoregeo.geometry.exponential_map import exponential
from scoregeo.geometry.extrapolation import extrapolate
from scoregeo.geometry.frechet import frechet_mean
from scoregeo.geometry.logarithm_map import logarithm
from scoregeo.geometry.transport import parallel_transport, transport_along_geodesic
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.solver.gauss_newton import GaussNewton
from tests.geometry.cases import Unconnected, draw, stein

SOLVER = GaussNewton(8)
Operation = Callable[[AbstractMetric, torch.Tensor, torch.Tensor], object]
OPERATIONS: dict[str, Operation] = {
    "exponential": lambda m, x, v: exponential(m, x, v),
    "logarithm": lambda m, x, y: logarithm(m, x, y, SOLVER),
    "transport along a path": lambda m, x, y: parallel_transport(
        m, torch.stack([x, x, x, x], 1), y
    ),
    "transport along a geodesic": lambda m, x, v: transport_along_geodesic(m, x, v, v),
    "curvature": lambda m, x, v: sectional_curvature(m, x, v, v),
    "ricci": lambda m, x, v: ricci(m, x, v, 1, torch.Generator()),
    "mean": lambda m, x, v: frechet_mean(
        m, torch.cat([x, x]), SOLVER, start=v[0] if len(v) else None
    ),
    "extrapolation": lambda m, x, v: extrapolate(m, torch.stack([x, v], 1), 0.5, 3),
    "distance": lambda m, x, y: distance(m, x, y, SOLVER),
}
every = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
closed = pytest.mark.parametrize("operation", [v for k, v in OPERATIONS.items() if k != "distance"])


@closed
@pytest.mark.parametrize(
    "metric", [Unconnected(), PullbackMetric(stein().field)], ids=lambda metric: metric.name
)
def test_a_metric_without_connection_is_refused_by_name(
    operation: Operation, metric: AbstractMetric
) -> None:
    with pytest.raises(ConfigError, match=f"'{metric.name}'.*stein, conformal, euclidean"):
        operation(metric, draw(2, 3), draw(2, 3))


def test_the_mean_of_no_points_is_refused() -> None:
    with pytest.raises(DataError, match="empty set"):
        OPERATIONS["mean"](stein(), draw(0, 3), draw(0, 3))


@every
def test_points_of_another_shape_than_the_score_takes_are_refused(operation: Operation) -> None:
    with pytest.raises(DataError, match=r"\(4,\)"):
        operation(stein(), draw(2, 4), draw(2, 4))


@every
def test_numbers_that_are_not_finite_are_refused(operation: Operation) -> None:
    bad = draw(2, 3)
    bad[1, 2] = torch.nan
    with pytest.raises(DataError, match="not finite at element"):
        operation(stein(), bad, draw(2, 3))


@pytest.mark.parametrize(
    "name", ["exponential", "logarithm", "transport along a path", "curvature", "distance"]
)
@pytest.mark.parametrize(
    "other", [draw(3, 3), draw(2, 3).float(), draw(2, 3, 1)], ids=["count", "dtype", "shape"]
)
def test_vectors_unlike_their_points_are_refused(name: str, other: torch.Tensor) -> None:
    with pytest.raises(DataError, match="must agree"):
        OPERATIONS[name](stein(), draw(2, 3), other)


def test_whole_numbers_and_single_points_are_refused() -> None:
    with pytest.raises(DataError, match="floating-point"):
        exponential(
            stein(), torch.ones(2, 3, dtype=torch.int64), torch.ones(2, 3, dtype=torch.int64)
        )
    with pytest.raises(DataError, match="batch of points"):
        exponential(stein(), draw(3), draw(3))
    assert distance_matrix(stein(), draw(1, 3), SOLVER).tolist() == [[0.0]]


@pytest.mark.parametrize(
    "bad", [{"points": 1}, {"rtol": 0.0}, {"atol": -1.0}, {"max_evaluations": 0}]
)
def test_settings_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        exponential(stein(), draw(2, 3), draw(2, 3), **bad)  # type: ignore[arg-type]


@every
def test_a_score_or_a_field_in_place_of_a_metric_is_refused(operation: Operation) -> None:
    field = stein().field
    wrong: tuple[Any, ...] = (None, field, field.score, "stein")
    for metric in wrong:
        with pytest.raises(ConfigError, match="metric = .* must be a metric"):
            operation(metric, draw(2, 3), draw(2, 3))


def test_what_is_no_solver_quadrature_or_field_is_refused() -> None:
    x, y = draw(2, 3), draw(2, 3, seed=1)
    wrong: tuple[Any, ...] = (None, "gauss_newton", GaussNewton)
    for solver in wrong:
        for operation in (distance, logarithm, lambda m, x, _, s: frechet_mean(m, x, s)):
            with pytest.raises(ConfigError, match="solver = .* must be a solver"):
                operation(stein(), x, y, solver)
    with pytest.raises(ConfigError, match="quadrature = 'x'"):
        extrapolate(stein(), torch.stack([x, y], 1), 0.5, 3, quadrature="x")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="field = .* must be a scoregeo.ScoreField"):
        intrinsic_dimension(stein().field.score, x)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="x is a NoneType"):
        intrinsic_dimension(stein().field, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("operation", [distance, logarithm])
def test_paths_that_memory_does_not_hold_are_refused_before_they_are_made(
    operation: Callable[..., object],
) -> None:
    with pytest.raises(ConfigError, match="memory_gib = .* points of 3 numbers"):
        operation(stein(), draw(2, 3), draw(2, 3, seed=1), GaussNewton(10**12))


@pytest.mark.parametrize(
    "change", [torch.Tensor.to_sparse, lambda x: x.to("meta")], ids=["sparse", "meta"]
)
def test_tensors_without_dense_values_are_refused(
    change: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    x = draw(2, 3)
    for points, velocity in ((change(x), x), (x, change(x))):
        with pytest.raises(DataError, match="dense|has values"):
            exponential(stein(), points, velocity)
