"""The string method against dense least squares, the exact minimum, and a manifold's own shape."""

import pytest
import torch

from scoregeo._utils.errors import ConfigError, ScoreError
from scoregeo.metric.least_squares import ScoreChords
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.resampling import resample
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import BUDGET, CONVERGED, STALLED, UNRESOLVED, Step
from scoregeo.solver.lbfgs import LBFGS
from scoregeo.solver.string_method import StringMethod, normal_step
from tests.fields import ShellScore, arcs, shell_field


def test_the_step_is_that_of_dense_least_squares() -> None:
    """On a straight path all normal spaces are one: the linearised energy has a dense minimum."""
    draws = torch.Generator().manual_seed(0)
    points, size, sigma, eps = 7, 4, 0.7, 0.3
    path = linear(torch.randn(1, 2, size, generator=draws, dtype=torch.float64), points)
    direction = torch.nn.functional.normalize(path[0, -1] - path[0, 0], dim=0)
    normal = torch.linalg.qr(
        torch.cat([direction[:, None], torch.eye(size, dtype=torch.float64)], 1)
    )[0][:, 1:]
    scores = torch.randn(1, points, size, generator=draws, dtype=torch.float64)
    chords = ScoreChords(ScoreField(ShellScore(size), sigma), eps)

    # Unknowns: coefficients of the inner points' moves in the normal space
    unknowns = (points - 2) * (size - 1)

    def residuals(flat: torch.Tensor) -> torch.Tensor:
        move = torch.zeros(points, size, dtype=torch.float64)
        move[1:-1] = flat.view(points - 2, size - 1) @ normal.T
        moved, score = path[0] + move, scores[0] - move / sigma**2
        euclid = eps**0.5 * moved.diff(dim=0)
        return torch.cat([euclid.flatten(), score.diff(dim=0).flatten()])

    zero = torch.zeros(unknowns, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(residuals, zero)
    best = torch.linalg.lstsq(jacobian, -residuals(zero)[:, None]).solution[:, 0]
    expected = best.view(points - 2, size - 1) @ normal.T
    found = normal_step(path, scores, chords)[0]
    torch.testing.assert_close(found[1:-1], expected, rtol=1e-10, atol=1e-12)
    assert not found[[0, -1]].any()


def test_from_the_chord_to_the_great_circle_in_a_few_evaluations_a_point() -> None:
    """On the sphere blurred by sigma the denoiser moves a point by `sigma^2` inwards; half-way over
    an angle the interpolation of that at the ends, and of the ends, falls short by `1 - cos` of its
    half. So the middle of the limit is `(1 - cos) (sigma^2 + eps sigma^4)` off the unit sphere.
    """
    sigma, points = 0.05, 65
    ends, angles = arcs(4, 0.5, 2.0)
    for weight in (1e-4, 1e-3):
        metric = PullbackMetric(shell_field(sigma), weight / sigma**4)
        found = StringMethod(points, tolerance=1e-6).solve(metric, linear(ends, points))
        off = (found.path.norm(dim=2) - 1).abs().amax(1)
        expected = (1 - (angles / 2).cos()) * (sigma**2 + weight)
        # To first order in sigma^2 and the weight
        torch.testing.assert_close(off, expected, rtol=5e-3, atol=0)
        assert bool((found.iterations <= 6).all())


def test_its_energy_is_near_the_exact_minimum() -> None:
    """L-BFGS with the exact gradient from the string's path gains little, and less at a smaller
    sigma, where the score's Jacobian is nearer to the ideal one.
    """
    ends, _ = arcs(3, 0.5, 2.0)
    gains = []
    for sigma in (0.2, 0.1, 0.05):
        metric = PullbackMetric(shell_field(sigma))
        found = StringMethod(33, tolerance=1e-4).solve(metric, linear(ends, 33))
        least = LBFGS(33, max_iterations=200, tolerance=1e-9).solve(metric, found.path)
        gains.append(float((found.energy / least.energy).max()) - 1)
    # What the ideal Jacobian leaves out is of order sigma^2, and the energy near its minimum has
    # the square of that: 16 times less at half of sigma, of which the finite path takes some
    assert gains[1] < gains[0] / 8 and gains[2] < gains[1] / 8 and gains[0] < 0.05


def test_lowers_the_energy_at_every_step_and_counts_every_evaluation() -> None:
    counted = CountingScore(ShellScore())
    ends, _ = arcs(3, 0.5, 2.0)
    metric = PullbackMetric(ScoreField(counted, 0.1))
    seen: list[Step] = []
    solver = StringMethod(17)
    paths, scores = solver.relax(metric, linear(ends, 17))
    relaxed = counted.count
    found = solver.solve(metric, linear(ends, 17), seen.append)
    energies = torch.stack([step.energy for step in found.history])
    assert bool((energies.diff(dim=0) <= 0).all()) and len(seen) == len(found.history) - 1
    torch.testing.assert_close(found.energy, metric.energy(found.path, Quadrature("trapezoid", 1)))
    # No step is shortened here, so relaxing ends with the same paths, at the same cost
    assert torch.equal(paths, found.path) and relaxed == int(found.score_evaluations.sum())
    torch.testing.assert_close(scores, metric.field(paths.flatten(0, 1)).view(scores.shape))


def test_pairs_do_not_touch_each_other() -> None:
    ends, _ = arcs(3, 0.5, 2.0)
    metric, solver = PullbackMetric(shell_field(0.1)), StringMethod(17)
    together = solver.solve(metric, linear(ends, 17))
    for pair in range(3):
        alone = solver.solve(metric, linear(ends[pair : pair + 1], 17))
        torch.testing.assert_close(alone.path[0], together.path[pair], rtol=1e-9, atol=1e-11)
        assert alone.score_evaluations[0] == together.score_evaluations[pair]


def test_equal_ends_and_two_points_are_done() -> None:
    ends, _ = arcs(1, 0.5, 2.0)
    metric = PullbackMetric(shell_field(0.1))
    for solver in (StringMethod(9), LBFGS(9)):
        still = solver.solve(metric, linear(ends[:, [0, 0]], 9))
        assert still.status == (CONVERGED,) and still.reason == ("",)
    two = StringMethod(2).solve(metric, ends)
    assert torch.equal(two.path, ends) and two.status[0] in (CONVERGED, UNRESOLVED)


class Failing(ShellScore):
    """The shell's score, not finite beyond a plane that one pair's first step crosses."""

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        value = super()._score(x, sigma)
        return torch.where(x[:, 1:2] > 0.97, torch.nan, value)


def test_a_score_that_fails_rejects_the_step_and_spares_the_other_pairs() -> None:
    angle = torch.tensor([[0.8, 2.3], [-0.6, 0.6]], dtype=torch.float64)
    ends = torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], 2)
    start = linear(ends, 17)
    metric = PullbackMetric(ScoreField(Failing(), 0.1))
    broken = StringMethod(17).solve(metric, start)
    sound = StringMethod(17).solve(PullbackMetric(shell_field(0.1)), start)
    torch.testing.assert_close(broken.path[1], sound.path[1], rtol=1e-9, atol=1e-11)
    assert broken.status[0] in (STALLED, UNRESOLVED, BUDGET) and broken.path.isfinite().all()
    assert float(broken.path[0, :, 1].max()) <= 0.97
    with pytest.raises(ScoreError):  # on the start itself there is nothing to fall back to
        StringMethod(17).solve(metric, sound.path)


class Bump(AbstractScore):
    """A score that points away from the line y = 0."""

    shape = (2,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return torch.stack([torch.zeros_like(x[:, 0]), x[:, 1]], 1) / sigma**2


def test_stalls_where_no_step_lowers_the_energy() -> None:
    """A repelling score, whose Jacobian has the other sign."""
    start = linear(torch.tensor([[[0.0, 0.0], [1.0, 0.0]]]).double(), 9)
    start[:, 4, 1] = 0.1
    start = resample(resample(start, 33), 9)  # equal steps, so that moving along gains nothing
    found = StringMethod(9).solve(PullbackMetric(ScoreField(Bump(), 0.5)), start)
    assert found.status == (STALLED,) and torch.equal(found.path, start)
    assert "across the path" in found.reason[0]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"num_points": 1}, "num_points"),
        ({"max_iterations": 0}, "max_iterations"),
        ({"tolerance": 1.0}, "tolerance"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=f"solver.{named}"):
        StringMethod(**settings)  # type: ignore[arg-type]


def test_only_a_metric_of_score_chords_is_served() -> None:
    with pytest.raises(ConfigError, match="string_method.*metric=pullback"):
        StringMethod(9).check(SteinMetric(shell_field(0.1), 1.0))
