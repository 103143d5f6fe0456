"""A metric of one's own: it is charged its own cost, and served by what it declares."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.evaluation.metric_length import describe
from scoregeo.geometry.distances import distance
from scoregeo.geometry.exponential_map import exponential
from scoregeo.geometry.momentum import velocity_cost
from scoregeo.initializer.continued import ContinuedInitializer
from scoregeo.initializer.graph import GraphInitializer
from scoregeo.initializer.graph_cache import graph_key
from scoregeo.initializer.reference_graph import nearest_edges
from scoregeo.metric.base import AbstractClosedFormMetric, AbstractMetric, PathMeasure
from scoregeo.metric.cost import Cost
from scoregeo.metric.energy_gradient import autograd_gradient
from scoregeo.metric.graph import by_segment, quadrature_nodes
from scoregeo.metric.least_squares import LeastSquares
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.adam import Adam
from scoregeo.solver.certificate import certify
from scoregeo.solver.gauss_newton import GaussNewton
from scoregeo.solver.georce import Georce
from scoregeo.solver.lbfgs import LBFGS
from tests.fields import MixtureScore, mixture, wavy
from tests.initializer.cases import across_ends, given, open_ring
from tests.metric.test_base import refuse_other_vectors


class TwoScores(AbstractMetric):
    """`g = (1 + weight |s|^2) I`, its score asked for twice at each node: nobody else's cost."""

    name = "two_scores"
    parameters = ("weight",)

    def __init__(self, field: ScoreField | None, weight: float = 0.5) -> None:
        self._field, self.weight = field, weight

    @property
    def field(self) -> ScoreField | None:
        return self._field

    @property
    def cost(self) -> Cost:
        return Cost(inner=2, product=2)

    def evaluations(self, num_points: int, quadrature: Quadrature) -> int:
        return 2 * quadrature.evaluations(num_points)

    def factor(self, x: torch.Tensor) -> torch.Tensor:
        """[batch]."""
        assert self._field is not None
        mean = (self._field(x) + self._field(x)) / 2
        return 1 + self.weight * mean.square().flatten(1).sum(1)

    def inner(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return self.factor(x) * (u * v).flatten(1).sum(1)

    def apply(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return self.factor(x)[:, None] * v

    def measure(self, path: torch.Tensor, quadrature: Quadrature) -> PathMeasure:
        nodes = quadrature_nodes(path, quadrature)
        factor = self.factor(nodes.flatten(0, 1)).view(nodes.shape[:2]).double()
        mean = by_segment(factor, quadrature).mean(2)
        squares = path.diff(dim=1).double().square().flatten(2).sum(2)
        energy = 0.5 * squares.shape[1] * (mean * squares).sum(1)
        return PathMeasure(energy, (mean * squares).sqrt().sum(1), torch.zeros_like(energy))

    def gradient(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
        return autograd_gradient(self, path, quadrature)


class Scaled(SteinMetric):
    """`g = I + 4 lam s s^T` under another name, twice as dear at a point."""

    name = "scaled"

    @property
    def least_squares(self) -> LeastSquares:
        return LeastSquares(self._field, 4 * self.lam)

    @property
    def cost(self) -> Cost:
        return Cost(2, 2, 2, 7, 11, 13)

    def measure(self, path: torch.Tensor, quadrature: Quadrature) -> PathMeasure:
        return SteinMetric(self._field, 4 * self.lam).measure(path, quadrature)


def counted(weight: float = 0.5) -> tuple[TwoScores, CountingScore]:
    score = CountingScore(mixture())
    return TwoScores(ScoreField(score, 0.5), weight), score


@pytest.mark.parametrize(
    "solver",
    [LBFGS(9, max_iterations=6), Adam(9, iterations=6, quadrature="trapezoid")],
    ids=["lbfgs", "adam"],
)
def test_solvers_that_ask_for_an_energy_charge_its_own_cost(solver: LBFGS | Adam) -> None:
    metric, score = counted()
    start = linear(torch.cat([wavy(2), wavy(3)[:, :2]]), 9)
    seen: list[int] = []
    solution = solver.solve(metric, start, lambda step: seen.append(score.count))
    # Until the last step: the final measure and certificate come after it.
    assert seen[-1] == int(solution.score_evaluations.sum())
    assert int(solution.certificate_evaluations[0]) == 2 * (4 * 8 + 1)
    straight = metric.energy(start, Quadrature())
    assert (solution.energy < straight).all()


def test_certificate_and_distance_charge_its_own_cost() -> None:
    metric, score = counted()
    found = certify(metric, linear(wavy(2), 9), torch.ones(1).double(), Quadrature())
    assert score.count == found.evaluations == 2 * (4 * 8 + 1)
    length = distance(metric, wavy(2)[:, 0], wavy(2)[:, 1], LBFGS(9, max_iterations=5))
    assert length.isfinite().all() and float(length) > 0


def test_what_it_does_not_declare_is_refused() -> None:
    metric, _ = counted()
    start = linear(wavy(2), 9)
    with pytest.raises(
        ConfigError, match="'gauss_newton' does not serve metric = 'two_scores'.*sum of squares"
    ):
        GaussNewton(9).solve(metric, start)
    with pytest.raises(ConfigError, match="'georce' does not serve metric = 'two_scores'"):
        Georce(9).solve(metric, start)
    with pytest.raises(ConfigError, match=r"differentiate_score = False .* not 'two_scores'"):
        Adam(9, differentiate_score=False).check(metric)
    with pytest.raises(ConfigError, match="'continued' needs .* not 'two_scores'"):
        ContinuedInitializer().check(metric)
    with pytest.raises(ConfigError, match="'two_scores' has no matrix-free inverse"):
        metric.linearise(wavy(3), wavy(3))
    GaussNewton(9).check(Scaled(None, 1.0))  # type: ignore[arg-type]  # asked before the field is known


@pytest.mark.parametrize("differentiate", [False, True])
def test_gauss_newton_minimises_the_sum_of_squares_that_a_metric_declares(
    differentiate: bool,
) -> None:
    field, start = ScoreField(mixture(), 0.5), linear(wavy(12)[:, [0, -1]], 17)
    solver = GaussNewton(17, differentiate_score=differentiate)
    found, same = (
        solver.solve(metric, start) for metric in (Scaled(field, 1.0), SteinMetric(field, 4.0))
    )
    assert torch.equal(found.path, same.path) and found.status == same.status
    assert torch.equal(found.energy, same.energy)
    assert torch.equal(found.certified_energy, same.certified_energy)


def test_operations_charge_its_own_closed_forms() -> None:
    field = ScoreField(mixture(), 0.5)
    x, v = wavy(4)[0], wavy(5)[0, :4] - 0.5
    dear, plain = (
        exponential(m, x, v, points=3) for m in (Scaled(field, 1.0), SteinMetric(field, 1.0))
    )
    steps = (plain.score_evaluations - 3) // 3
    assert torch.equal(dear.score_evaluations, 7 * steps + 2 * 3)
    assert velocity_cost(Scaled(field, 1.0), Quadrature()) == 3 + 2


def test_a_metric_without_a_score_costs_none() -> None:
    class Flat(AbstractClosedFormMetric):
        """Declares nothing but what it must."""

        name = "flat"
        field = None

        def inner(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return (u * v).sum(1)

        def apply(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return v

        def measure(self, path: torch.Tensor, quadrature: Quadrature) -> PathMeasure:
            squares = path.diff(dim=1).double().square().sum(2)
            energy = 0.5 * squares.shape[1] * squares.sum(1)
            return PathMeasure(energy, squares.sqrt().sum(1), torch.zeros_like(energy))

        def gradient(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
            return autograd_gradient(self, path, quadrature)

        def inverse(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return v

        def log_volume(self, x: torch.Tensor) -> torch.Tensor:
            return x.new_zeros(len(x))

        def christoffel(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(x)

        def sectional_curvature(
            self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor
        ) -> torch.Tensor:
            return x.new_zeros(len(x))

    solution = LBFGS(9).solve(Flat(), wavy(9))
    torch.testing.assert_close(solution.path, linear(wavy(9)[:, [0, -1]], 9), atol=1e-4, rtol=0)
    assert int(solution.score_evaluations) == int(solution.certificate_evaluations) == 0
    flow = exponential(Flat(), wavy(3)[0], wavy(4)[0, :3])
    assert int(flow.score_evaluations.sum()) == 0


def test_the_graph_initializer_uses_and_charges_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCOREGEO_CACHE", str(tmp_path))
    score = CountingScore(MixtureScore(open_ring(), 0.05))
    metric = TwoScores(ScoreField(score, 0.1), 10.0)
    prepare = GraphInitializer(40, 4, cache=True)
    first = prepare.prepare(metric, given(open_ring()))
    spent = score.count
    path = first(across_ends(), 33)
    # Round the ring and not across its gap.
    assert float(path[0, 16, 0]) > 0.9
    score.count = 0
    again = prepare.prepare(metric, given(open_ring()))
    assert score.count == spent  # counted as if built anew
    edges = nearest_edges(open_ring(), 4)
    assert spent == len(edges) * 2 * (4 + 1)  # four parts an edge, two evaluations a node
    assert torch.equal(again(across_ends(), 33), path)


def test_its_settings_are_in_the_cache_s_key_and_its_parameters_in_tables() -> None:
    field, edges = ScoreField(mixture(), 0.5), np.array([[0, 1]])
    points = wavy(2)[0]
    keys = {
        graph_key(TwoScores(field, w), points, edges, Quadrature()) for w in (0.5, 0.6, math.pi)
    }
    assert len(keys) == 3
    assert describe("mine", TwoScores(field, 0.25)) == "mine (weight 0.25)"
    assert torch.equal(TwoScores(field).unit(points), torch.ones(2, dtype=torch.float64))


def test_its_operations_refuse_what_those_of_others_do() -> None:
    refuse_other_vectors(TwoScores(ScoreField(mixture(), 0.5)))
    with pytest.raises(DataError, match=r"path has shape .*points >= 2"):
        TwoScores(ScoreField(mixture(), 0.5)).measure(wavy(5)[0], Quadrature())


class Inherited:
    """Operations that a metric may have of a class that is none."""

    def inner(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return (u * v).flatten(1).sum(1)


class Mixed(Inherited, TwoScores):
    pass


def test_so_do_those_of_a_base_that_is_no_metric() -> None:
    refuse_other_vectors(Mixed(ScoreField(mixture(), 0.5)))
    assert "inner" not in vars(TwoScores(ScoreField(mixture(), 0.5)))
    x = torch.zeros(2, 3)
    Inherited().inner(x, x, x[:1])  # which is as it was
