"""NAO's objective against scipy's chi distribution, and its paths against closed forms and another
optimiser.
"""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import chi

from scoregeo._utils.errors import ConfigError
from scoregeo.baseline.base import Ends
from scoregeo.baseline.nao import Nao, log_chi_density, objective
from tests.baseline.cases import draws, field, pictures


def by_hand(path: np.ndarray) -> float:
    """The objective of one path [points, D], segment by segment."""
    n, dimension = len(path) - 1, path.shape[1]
    cap = 2 * np.linalg.norm(path[-1] - path[0]) / n
    total = 0.0
    for a, b in zip(path[:-1], path[1:], strict=True):
        length = np.linalg.norm(b - a)
        total += -length * chi.logpdf(np.linalg.norm((a + b) / 2), dimension) + max(
            0.0, length - cap
        )
    return float(total)


def uneven(points: int = 6, dimension: int = 20) -> torch.Tensor:
    """A path [2, points, D] of noise whose norms are off the shell and one of whose segments is
    beyond the bound on spacing.
    """
    start = torch.randn(2, points, dimension, generator=draws(3), dtype=torch.float64)
    return start.cumsum(1) / 2


@pytest.mark.parametrize("dimension", [2, 20, 16_384])
def test_the_density_is_that_of_scipy(dimension: int) -> None:
    radius = np.sqrt(dimension) * np.array([0.5, 0.9, 1.0, 1.3])
    mine = log_chi_density(torch.from_numpy(radius), dimension).numpy()
    # Terms of size D log D cancel: 1e-15 of them is left.
    np.testing.assert_allclose(
        mine,
        chi.logpdf(radius, dimension),
        atol=1e-15 * 20 * dimension * np.log(dimension),
        rtol=1e-12,
    )


def test_the_objective_is_the_sum_written_out() -> None:
    path = uneven()
    lengths = path.diff(dim=1).norm(dim=2)
    assert (
        lengths > 2 * (path[:, -1] - path[:, 0]).norm(dim=1, keepdim=True) / 5
    ).any()  # the bound is at work
    np.testing.assert_allclose(
        objective(path).numpy(), [by_hand(one) for one in path.numpy()], rtol=1e-12
    )


def test_its_gradient_is_that_of_finite_differences() -> None:
    path = uneven().requires_grad_(True)
    (gradient,) = torch.autograd.grad(objective(path)[0], path)
    base, step = path.detach().numpy()[0], 1e-6
    for point, coordinate in [(1, 0), (2, 7), (4, 19)]:
        up, down = base.copy(), base.copy()
        up[point, coordinate] += step
        down[point, coordinate] -= step
        difference = (by_hand(up) - by_hand(down)) / (2 * step)
        assert float(gradient[0, point, coordinate]) == pytest.approx(
            difference, rel=1e-6, abs=1e-6
        )


def orthogonal(dimension: int, sigma: float = 1.0) -> Ends:
    """Orthogonal ends of norm sqrt(D - 1), the likeliest, in coordinates of unit variance."""
    frame, _ = torch.linalg.qr(torch.randn(dimension, 2, generator=draws(1), dtype=torch.float64))
    both = frame.T[None] * (dimension - 1) ** 0.5 * (1 + sigma**2) ** 0.5
    return Ends(both, both, field([1.0] * dimension, sigma))


def test_it_tends_to_a_circle() -> None:
    """A segment whose midpoint has norm r and that spans an angle has length 2 r tan(half of it): r
    minimises -r L(r).

    The first and last segments begin at fixed points; those between lie on that circle, in the
    plane of the ends.
    """
    dimension, sigma = 21, 1.0
    given = orthogonal(dimension, sigma)
    slow = Nao(tolerance=0.0, jitter=0.0, max_iterations=1000).path(given, 6, draws())
    assert slow.status == ("out_of_budget",) and slow.iterations.tolist() == [1000]
    path = slow.path[0] / (1 + sigma**2) ** 0.5
    wanted = minimize_scalar(
        lambda r: -r * chi.logpdf(r, dimension), bounds=(3, 8), method="bounded"
    ).x
    assert wanted < (dimension - 1) ** 0.5  # a shorter way is worth a less likely norm
    middle = ((path[1:] + path[:-1]) / 2).norm(dim=1)
    # Adam's last steps are of its rate, 0.01, or less.
    torch.testing.assert_close(
        middle[1:-1], torch.full((3,), wanted, dtype=torch.float64), atol=5e-3, rtol=0
    )
    frame, _ = torch.linalg.qr(path[[0, -1]].T)
    outside = path - path @ frame @ frame.T
    assert outside.norm(dim=1).max() < 0.02


def test_it_finds_what_another_optimiser_finds() -> None:
    given = orthogonal(8)
    ends = given.lifted[0].numpy() / 2**0.5
    start = ends[0] + np.linspace(0, 1, 5)[1:-1, None] * (ends[1] - ends[0])

    def value(flat: np.ndarray) -> float:
        return by_hand(np.vstack([ends[:1], flat.reshape(3, 8), ends[1:]]))

    best = minimize(value, start.ravel(), method="BFGS").fun
    found = Nao(tolerance=0.0, jitter=0.0, max_iterations=500).path(given, 5, draws())
    mine = by_hand(found.path[0].numpy() / 2**0.5)
    line = by_hand(np.vstack([ends[:1], start, ends[1:]]))
    assert line > 1.2 * best
    # Near the minimum the objective's error is of second order in Adam's rate of 0.01.
    assert mine == pytest.approx(best, rel=1e-3)


def test_it_stops_where_the_objective_rests() -> None:
    found = Nao(tolerance=1e-3).path(pictures(2), 6, draws())
    assert found.status == ("converged",) * 2 and (found.iterations < 2000).all()
    short = Nao(max_iterations=5).path(pictures(2), 6, draws())
    assert short.status == ("out_of_budget",) * 2 and short.iterations.tolist() == [5, 5]


def test_jitter_is_seeded_and_frees_opposite_ends() -> None:
    """Between x and -x the line goes through the origin; by symmetry only jitter leads off it."""
    line = torch.zeros(1, 2, 8, dtype=torch.float64)
    line[0, 0, 0], line[0, 1, 0] = 4.0, -4.0
    given = Ends(line, line, field([1.0] * 8))
    still = Nao(jitter=0.0, max_iterations=50).path(given, 5, draws()).path
    assert still[..., 1:].abs().max() == 0
    freed = [Nao(max_iterations=150).path(given, 5, draws(seed)).path for seed in (0, 0, 1)]
    assert (
        freed[0][0, 2].norm() > 2
        and torch.equal(freed[0], freed[1])
        and not torch.equal(freed[0], freed[2])
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", 0),
        ("max_iterations", 0),
        ("tolerance", -1.0),
        ("patience", 1.5),
        ("jitter", float("nan")),
    ],
)
def test_bad_settings_are_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"baseline\.nao\.{key} = {value!r}"):
        Nao(**{key: value})  # type: ignore[arg-type]
