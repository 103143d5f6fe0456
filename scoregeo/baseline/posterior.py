"""The denoising posteriors p(x0 | x) of all noise levels as one exponential family.

With `lam = -2 log sigma` (the log of the signal-to-noise ratio) and x in variance-exploding
coordinates, `p(x0 | x, sigma) ~ p(x0) exp(eta . T(x0))` for

    T = (x0, |x0|^2),   eta = e^lam (x, -1/2),
    mu = E[T] = (D(x), |D(x)|^2 + sigma^2 div D(x)),   D = x + sigma^2 s the denoiser.

In the coordinates `x_t = alpha x`, `sigma_t = alpha sigma` of Karczewski et al. 2026 these are
their `(alpha_t / sigma_t^2 x_t, -alpha_t^2 / (2 sigma_t^2))` and their `|D|^2 + sigma_t^2 / alpha_t
div D`.
"""

import math

import torch

from scoregeo.score.base import AbstractScore

# A point of spacetime is [.., D + 1]: x, flat, and lam last. So are eta and mu.


def natural(point: torch.Tensor) -> torch.Tensor:
    """`eta` of spacetime points [.., D + 1], same shape."""
    ratio = point[..., -1:].exp()
    return torch.cat([ratio * point[..., :-1], -0.5 * ratio], -1)


def natural_pullback(point: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """The gradient in the point of what has the `gradient` in eta, both [.., D + 1]."""
    ratio, x = point[..., -1:].exp(), point[..., :-1]
    of_x = ratio * gradient[..., :-1]
    of_lam = (of_x * x).sum(-1, keepdim=True) - 0.5 * ratio * gradient[..., -1:]
    return torch.cat([of_x, of_lam], -1)


def natural_inverse(point: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """The velocity of the point at which eta moves with velocity `direction`, both [.., D + 1]."""
    over = (-point[..., -1:]).exp()
    of_lam = -2 * over * direction[..., -1:]
    return torch.cat([over * direction[..., :-1] - of_lam * point[..., :-1], of_lam], -1)


def expectation(
    score: AbstractScore, point: torch.Tensor, probes: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    """`mu` at `point` [points, D + 1], float64, same shape.

    The divergence is the mean of `v . J v` over `probes` [count, D]: the unit vectors times sqrt(D)
    give it exactly, random signs an unbiased estimate (Hutchinson 1990). J v is a central
    difference of the score, over `step_size(dtype)` of sigma in each coordinate, and the score is
    the mean of its values there: both are off by the square of that. `dtype`: in which the score is
    asked. Every point has a noise level of its own, so each is a call of its own; 2 `count` score
    evaluations a point (`evaluations`).
    """
    found = torch.empty_like(point)
    for row, one in enumerate(point):
        sigma = float((-0.5 * one[-1]).exp())
        x, away = one[:-1], step_size(dtype) * sigma * probes
        asked = torch.cat([x + away, x - away]).to(dtype).view(-1, *score.shape)
        forth, back = score.score(asked, sigma).double().flatten(1).chunk(2)
        mean = x + sigma**2 * (forth + back).mean(0) / 2
        trace = (probes * (forth - back)).sum(1).mean() / (2 * step_size(dtype) * sigma)
        divergence = len(x) + sigma**2 * trace
        found[row, :-1], found[row, -1] = mean, mean.square().sum() + sigma**2 * divergence
    return found


def step_size(dtype: torch.dtype) -> float:
    """Of central differences, in units in which a posterior changes by about one."""
    return 1e-3 if dtype == torch.float64 else 1e-2


def evaluations(count: int) -> int:
    """Score evaluations of `expectation` a point, with so many probes."""
    return 2 * count


def axes(size: int) -> torch.Tensor:
    """Probes [D, D] that give the divergence exactly."""
    return size**0.5 * torch.eye(size, dtype=torch.float64)


def path_energy(eta: torch.Tensor, mu: torch.Tensor) -> torch.Tensor:
    """`(n/2) sum_i (eta_{i+1} - eta_i) . (mu_{i+1} - mu_i)`, [pairs], of paths [pairs, n + 1, D +
    1].

    Each term is `KL(p_i | p_{i+1}) + KL(p_{i+1} | p_i)`, exactly; the sum is half the integral of
    the squared speed in the Fisher-Rao metric up to order 2 in 1/n. (The released code leaves out
    the factor 1/2.)
    """
    n = eta.shape[1] - 1
    return 0.5 * n * (eta.diff(dim=1) * mu.diff(dim=1)).sum((1, 2))


def energy_gradient(
    score: AbstractScore,
    path: torch.Tensor,
    probes: torch.Tensor,
    dtype: torch.dtype,
    clip: bool = False,
) -> tuple[float, torch.Tensor]:
    """The energy of one path [points, D + 1] of spacetime, and its gradient in the inner points.

    [points - 2, D + 1] float64. In eta it is

        (n/2) ( w^mu_i + G_i w_i ),   w_i = 2 eta_i - eta_{i-1} - eta_{i+1},  w^mu likewise,

    with `G = d mu / d eta`, the metric, which is symmetric where the score is a true one; G w is a
    central difference of mu along w. So no derivative of the score is asked for but the
    divergence, and none in sigma. `clip`: leave negative products `d eta_a d mu_a` of a coordinate
    a out of energy and gradient. `3 points - 4` values of mu.
    """
    eta, mu = natural(path), expectation(score, path, probes, dtype)
    n, inner = len(path) - 1, path[1:-1]
    steps, changes = eta.diff(dim=0), mu.diff(dim=0)
    if clip:
        kept = steps * changes > 0
        steps, changes = steps * kept, changes * kept
    way = natural_inverse(inner, steps[:-1] - steps[1:])
    sigma = (-0.5 * inner[:, -1:]).exp()
    size = torch.maximum(way[:, :-1].norm(dim=1, keepdim=True) / sigma, way[:, -1:].abs())
    step = step_size(dtype) / size.clamp_min(1e-30)
    forth, back = (expectation(score, inner + sign * step * way, probes, dtype) for sign in (1, -1))
    slope = 0.5 * n * (changes[:-1] - changes[1:] + (forth - back) / (2 * step))
    return 0.5 * n * float((steps * changes).sum()), natural_pullback(inner, slope)


def start_path(ends: torch.Tensor, sigma: float, u: torch.Tensor) -> torch.Tensor:
    """The geodesic for a flat prior, at `u` [count]: spacetime points [pairs, count, D + 1] from
    ends [pairs, 2, D] at `sigma`.

    The posteriors are then N(x, sigma^2 I), whose Fisher-Rao metric `|dx|^2 / sigma^2 + 2 D
    (dsigma / sigma)^2` is that of a hyperbolic half-plane: with `L = |b - a| / sqrt(2 D)`, a half
    circle of radius `R = sqrt(sigma^2 + L^2 / 4)`, at constant speed.
    """
    a, b = ends.unbind(1)
    span = (b - a).norm(dim=1)[:, None] / (2 * a.shape[1]) ** 0.5
    radius = (sigma**2 + span.square() / 4).sqrt()
    turn = torch.asinh(span / (2 * sigma)) * (2 * u - 1)
    share = 0.5 + radius / span * turn.tanh()
    level = -2 * (radius / turn.cosh()).log()
    return torch.cat([torch.lerp(a[:, None], b[:, None], share[..., None]), level[..., None]], 2)


def straight_path(ends: torch.Tensor, sigma: float, u: torch.Tensor) -> torch.Tensor:
    """The straight line at one noise level."""
    a, b = ends.unbind(1)
    x = torch.lerp(a[:, None], b[:, None], u[None, :, None])
    return torch.cat([x, torch.full_like(x[..., :1], -2 * math.log(sigma))], 2)
