"""Meshes of elements: their energy and derivatives against other rules, finite differences and
closed form; each score evaluated once.
"""

import pytest
import torch

from scoregeo.metric.graph import residuals
from scoregeo.metric.least_squares import LeastSquares
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.score.function import FunctionScore
from scoregeo.solver.least_squares.mesh import LINEAR, QUADRATIC, TRAPEZOID, Mesh
from scoregeo.solver.least_squares.mesh_evaluation import MeshEvaluation
from scoregeo.solver.least_squares.mesh_residuals import MeshResiduals
from scoregeo.solver.least_squares.normal_equations import gauss_newton_step, predicted_energy
from tests.fields import ShellScore, arcs, mixture, shell_field, wavy

LAM = torch.tensor([1.0, 100.0, 1000.0], dtype=torch.float64)


def rough(points: int = 9) -> torch.Tensor:
    """Three paths about arcs of the sphere, each inner point moved at random."""
    draws = torch.Generator().manual_seed(0)
    path = linear(arcs(3, 0.5, 1.5)[0], points)
    path[:, 1:-1] += 0.03 * torch.randn(path[:, 1:-1].shape, generator=draws, dtype=torch.float64)
    return path


def on(mesh: Mesh, path: torch.Tensor, field: ScoreField) -> MeshResiduals:
    evaluation = MeshEvaluation(LeastSquares(field, 1.0), [mesh] * len(path), [None] * len(path))
    return evaluation.start(path)[0]


def ragged(order: int = QUADRATIC) -> Mesh:
    """Elements of several widths on eight segments."""
    mesh = Mesh.uniform(8, 1, order)
    for seed in (1, 2, 3):
        draws = torch.Generator().manual_seed(seed)
        mesh = mesh.refined(torch.rand(len(mesh.order), generator=draws) < 0.4)
    return mesh


@pytest.mark.parametrize("parts", [1, 3])
def test_equal_trapezoids_are_the_uniform_rule(parts: int) -> None:
    path, field, rule = rough(), shell_field(0.1), Quadrature("trapezoid", parts)
    mine, other = on(Mesh.uniform(8, parts, TRAPEZOID), path, field), residuals(field, path, rule)
    torch.testing.assert_close(mine.energy(LAM), other.energy(LAM), rtol=1e-12, atol=0)
    torch.testing.assert_close(mine.gradient(LAM), other.gradient(LAM), rtol=1e-9, atol=1e-9)
    damping = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    step = gauss_newton_step(other, LAM, damping)
    torch.testing.assert_close(mine.step(LAM, damping), step, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(
        mine.predicted(LAM, step), predicted_energy(other, LAM, step), rtol=1e-9, atol=0
    )
    for name in ("energy", "length", "lower_bound"):
        torch.testing.assert_close(
            getattr(mine.measure(LAM), name), getattr(other.measure(LAM), name), rtol=1e-9, atol=0
        )


@pytest.mark.parametrize("order", [LINEAR, QUADRATIC])
def test_a_quadratic_log_density_is_integrated_exactly(order: int) -> None:
    # f is linear in u on every segment. The energy is a polynomial of degree 4 in the path, and so
    # two central differences, extrapolated, are its derivative to rounding.
    draws = torch.Generator().manual_seed(1)
    root = torch.randn(3, 3, generator=draws, dtype=torch.float64)
    field = ScoreField(FunctionScore(lambda x, _: -x @ (root @ root.T), (3,)), 0.1)
    path, mesh = rough(), ragged(order)
    found = on(mesh, path, field)
    for pair, lam in enumerate(LAM.tolist()):
        fine = SteinMetric(field, lam).energy(path[pair : pair + 1], Quadrature("trapezoid", 512))
        assert float(found.energy(LAM)[pair]) == pytest.approx(float(fine), rel=1e-4)
    move = torch.zeros_like(path)
    move[:, 1:-1] = torch.randn(path[:, 1:-1].shape, generator=draws, dtype=torch.float64)

    def difference(h: float) -> torch.Tensor:
        ahead, behind = (on(mesh, path + s * h * move, field).energy(LAM) for s in (1, -1))
        return (ahead - behind) / (2 * h)

    slope = (found.gradient(LAM) * move[:, 1:-1]).sum((1, 2))
    extrapolated = (4 * difference(1e-3) - difference(2e-3)) / 3
    torch.testing.assert_close(extrapolated, slope, rtol=1e-7, atol=0)


def test_energy_and_gradient_converge_to_the_exact_ones() -> None:
    score, lam = mixture(), torch.tensor([3.0], dtype=torch.float64)
    field, path = ScoreField(score, 0.4), wavy(9)
    draws = torch.Generator().manual_seed(2)
    move = torch.zeros_like(path)
    move[:, 1:-1] = torch.randn(path[:, 1:-1].shape, generator=draws, dtype=torch.float64)

    def exact(path: torch.Tensor) -> float:
        u = torch.linspace(0, 1, 4097, dtype=torch.float64)[None, :, None]
        d = path[0].diff(dim=0)
        y = path[0, :-1, None] + u * d[:, None]
        change = score.log_density(y.reshape(-1, 4), 0.4).reshape(8, -1).diff(dim=1)
        return float(4 * (d.square().sum() + 3.0 * 4096 * change.square().sum()))

    slope = (exact(path + 1e-4 * move) - exact(path - 1e-4 * move)) / 2e-4
    errors, slopes = [], []
    for parts in (1, 2, 4):
        found = on(Mesh.uniform(8, parts), path, field)
        errors.append(abs(float(found.energy(lam)) / exact(path) - 1))
        slopes.append(abs(float((found.gradient(lam) * move[:, 1:-1]).sum()) / slope - 1))
    assert errors[0] > 6 * errors[1] > 36 * errors[2] and errors[2] < 1e-4
    assert slopes[2] < slopes[0] / 4 and slopes[2] < 1e-3


def test_a_ridge_crossed_by_one_segment_is_charged_for() -> None:
    # log p = -x^2 / (2 s^2) from -1 to 1: f = -2 x / s^2, int f^2 du = 4 / (3 s^4).
    field = ScoreField(FunctionScore(lambda x, sigma: -x / sigma**2, (1,)), 0.5)
    path = torch.tensor([[[-1.0], [1.0]]], dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    assert float(on(Mesh.uniform(1, 1, TRAPEZOID), path, field).score_part()) == 0
    for order in (LINEAR, QUADRATIC):
        energy = float(on(Mesh.uniform(1, 1, order), path, field).energy(one))
        assert energy == pytest.approx(0.5 * (4 + 4 / (3 * 0.5**4)), rel=1e-12)


def test_a_refined_mesh_keeps_its_nodes_and_their_scores() -> None:
    counted = CountingScore(ShellScore())
    energy, path = LeastSquares(ScoreField(counted, 0.1), 1.0), rough()[:1]
    coarse = ragged()
    first, spent = MeshEvaluation(energy, [coarse], [None]).start(path)
    assert counted.count == int(spent) == coarse.evaluations == len(coarse.positions)
    chosen = torch.arange(len(coarse.order)) % 3 == 0
    finer = coarse.refined(chosen)
    assert finer.evaluations == coarse.evaluations + 2 * int(chosen.sum())
    counted.count = 0
    second, spent = MeshEvaluation(energy, [finer], [(path[0], first.every[0])]).start(path)
    assert counted.count == int(spent) == 2 * int(chosen.sum())
    anew = on(finer, path, shell_field(0.1))
    assert torch.equal(second.every[0].scores, anew.every[0].scores)
    lam = LAM[:1]
    assert torch.equal(second.energy(lam), anew.energy(lam))


def test_scores_of_another_path_are_not_taken_for_its_own() -> None:
    counted = CountingScore(ShellScore())
    energy, path = LeastSquares(ScoreField(counted, 0.1), 1.0), rough()[:1]
    mesh = Mesh.uniform(8)
    first, _ = MeshEvaluation(energy, [mesh], [None]).start(path)
    moved = path.clone()
    moved[:, 3] += 1e-3
    counted.count = 0
    second, spent = MeshEvaluation(energy, [mesh], [(path[0], first.every[0])]).start(moved)
    assert counted.count == int(spent) == 3  # the point moved and the middles beside it
    assert torch.equal(second.every[0].scores, on(mesh, moved, shell_field(0.1)).every[0].scores)


def test_refinement_goes_from_linear_to_quadratic_to_halves() -> None:
    mesh = Mesh.uniform(2, 1, LINEAR).refined(torch.tensor([True, False]))
    assert mesh.order.tolist() == [QUADRATIC, LINEAR] and mesh.evaluations == 4
    halves = mesh.refined(torch.tensor([True, False]))
    assert halves.width.tolist() == [0.5, 0.5, 1.0] and halves.segment.tolist() == [0, 0, 1]
    assert (halves.positions * 2).tolist() == [0, 0.25, 0.5, 0.75, 1, 2]
    assert halves.rows.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
