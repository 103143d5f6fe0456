"""Shortest geodesics of a torus of revolution, from the geodesic equation."""

import math
from functools import lru_cache

import numpy as np
from scipy.integrate import solve_ivp

from scoregeo._utils.errors import ConfigError

Angles = tuple[float, float]

_DIRECTIONS = 720  # of the fan that looks for candidates
_STEPS = 300  # of each ray of the fan
_TOLERANCE = 1e-11  # of the integrator, relative; geodesics end within _MISS of their target
_MISS = 1e-9


def embed(major: float, minor: float, angles: np.ndarray) -> np.ndarray:
    """Points in R^3 [..., 3] of angles (th, ph) [2, ...]."""
    theta, phi = angles[0], angles[1]
    rho = major + minor * np.cos(theta)
    return np.stack([rho * np.cos(phi), rho * np.sin(phi), minor * np.sin(theta)], -1)


def _flow(major: float, minor: float, state: np.ndarray) -> np.ndarray:
    """Right-hand side for the state (th, ph, th', ph', J, J'), with w = R + r cos th:

    th'' = -w sin(th) ph'^2 / r,  ph'' = 2 r sin(th) th' ph' / w,  and the Jacobi field across, J''
    = -K J, K = cos(th) / (r w)."""
    theta, _, theta_rate, phi_rate, jacobi, jacobi_rate = state
    sin, cos = np.sin(theta), np.cos(theta)
    wide = major + minor * cos
    return np.stack(
        [
            theta_rate,
            phi_rate,
            -wide * sin * phi_rate**2 / minor,
            2 * minor * sin * theta_rate * phi_rate / wide,
            jacobi_rate,
            -cos / (minor * wide) * jacobi,
        ]
    )


def _launch(major: float, minor: float, start: Angles, alpha: np.ndarray) -> np.ndarray:
    """State at `start` of unit-speed geodesics at angle alpha from the meridian: (cos / r, sin /
    w).
    """
    one = np.ones_like(alpha)
    wide = major + minor * math.cos(start[0])
    return np.stack(
        [start[0] * one, start[1] * one, np.cos(alpha) / minor, np.sin(alpha) / wide, 0 * one, one]
    )


def shoot(
    major: float, minor: float, start: Angles, alpha: float, length: float, fractions: np.ndarray
) -> np.ndarray:
    """The geodesic from `start` at angle alpha to the meridian: states [6, fractions] at arc
    lengths `fractions * length`.
    """
    solution = solve_ivp(
        lambda _, state: _flow(major, minor, state),
        (0.0, length),
        _launch(major, minor, start, np.array(alpha)),
        method="DOP853",
        t_eval=np.asarray(fractions) * length,
        rtol=_TOLERANCE,
        atol=_TOLERANCE / 10,
    )
    return solution.y


@lru_cache(maxsize=4096)  # a run asks for path and length of the same pairs many times
def shortest_geodesic(
    major: float, minor: float, start: Angles, stop: Angles
) -> tuple[float, float]:
    """Shortest geodesic between two points (th, ph) of a torus: (angle to the meridian at `start`,
    length in data units).

    A fan of rays in all directions, each as long as the length of one known curve to `stop`, passes
    near `stop` once for every geodesic that can be the shortest, whatever its windings. Each near
    pass is refined by Newton's method on (angle, length), whose Jacobian is the Jacobi field, until
    it ends within 1e-9 of `stop`. Takes about 0.2 s.

    Raises: ConfigError where no ray is refined, which does not happen for distinct points of a
    torus that is not extreme."""
    target = embed(major, minor, np.array(stop))
    gap = [(b - a + math.pi) % (2 * math.pi) - math.pi for a, b in zip(start, stop, strict=True)]
    line = embed(major, minor, np.array(start)[:, None] + np.outer(gap, np.linspace(0, 1, 2001)))
    bound = 1.01 * float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
    best: tuple[float, float] | None = None
    for alpha, length in _near_passes(major, minor, start, target, bound):
        # Passes come by length, and refining moves the length by less than the spacing of the fan.
        if best is not None and length > 1.1 * best[1]:
            break
        refined = _refine(major, minor, start, stop, alpha, length)
        if refined is not None and (best is None or refined[1] < best[1]):
            best = refined
    if best is None:
        raise ConfigError(
            f"no geodesic was found from {start} to {stop} (th, ph) on the torus with dataset.major"
            f" = {major} and dataset.minor = {minor}: move dataset.minor away from 0 and from"
            " dataset.major."
        )
    return best


def _near_passes(
    major: float, minor: float, start: Angles, target: np.ndarray, bound: float
) -> list[tuple[float, float]]:
    """(angle, length) of rays that pass `target` more closely than their neighbours do, shortest
    first.
    """
    alphas = np.arange(_DIRECTIONS) * (2 * math.pi / _DIRECTIONS)
    step = bound / _STEPS
    state = _launch(major, minor, start, alphas)
    points, spread = [embed(major, minor, state)], [np.zeros(_DIRECTIONS)]
    for _ in range(_STEPS):  # the classical Runge-Kutta step is accurate enough to find candidates
        k1 = _flow(major, minor, state)
        k2 = _flow(major, minor, state + 0.5 * step * k1)
        k3 = _flow(major, minor, state + 0.5 * step * k2)
        k4 = _flow(major, minor, state + step * k3)
        state = state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        points.append(embed(major, minor, state))
        spread.append(np.abs(state[4]) * (2 * math.pi / _DIRECTIONS))
    away = np.linalg.norm(np.stack(points) - target, axis=-1)  # [steps + 1, directions]
    padded = np.pad(
        np.pad(away, ((1, 1), (0, 0)), constant_values=np.inf), ((0, 0), (1, 1)), mode="wrap"
    )
    around = [
        padded[1 + i : 1 + i + len(away), 1 + j : 1 + j + _DIRECTIONS]
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
    ]
    near = (away <= np.min(around, axis=0)) & (away < 2 * (np.stack(spread) + step))
    near[0] = False
    return [(float(alphas[j]), float(i * step)) for i, j in zip(*np.nonzero(near), strict=True)]


def _refine(
    major: float, minor: float, start: Angles, stop: Angles, alpha: float, length: float
) -> tuple[float, float] | None:
    """Newton's method on (angle, length); None where it does not converge."""
    for _ in range(12):
        theta, phi, theta_rate, phi_rate, jacobi, _ = shoot(
            major, minor, start, alpha, length, np.ones(1)
        )[:, -1]
        wide = major + minor * math.cos(theta)
        # What is missing at the end, in the unit vectors along the meridian and the parallel.
        miss_theta = minor * ((stop[0] - theta + math.pi) % (2 * math.pi) - math.pi)
        miss_phi = wide * ((stop[1] - phi + math.pi) % (2 * math.pi) - math.pi)
        if math.hypot(miss_theta, miss_phi) < _MISS:
            return alpha, length
        along_theta, along_phi = minor * theta_rate, wide * phi_rate
        length += miss_theta * along_theta + miss_phi * along_phi
        if abs(jacobi) < 1e-12 or length <= 0:
            return None
        turn = (miss_phi * along_theta - miss_theta * along_phi) / jacobi
        alpha += math.copysign(min(abs(turn), 0.1), turn)
    return None
