"""Closed surfaces in R^3 given by an equation, and their shortest geodesics from the geodesic
equation.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.integrate import solve_ivp

from scoregeo._utils.errors import ConfigError

Point = tuple[float, float, float]

_DIRECTIONS = 720  # of the fan that looks for candidates
_STEPS = 240  # of each ray of the fan
_TOLERANCE = 1e-11  # of the integrator, relative; geodesics end within _MISS of their target
_MISS = 1e-9


@dataclass(frozen=True)
class LevelSet:
    """The surface `F(x) = sum_i (x_i / a_i)^2 + wiggle (cos(waves x_i) - 1) = 1`; without wiggle
    the ellipsoid of half-axes a.

    F is a sum of functions of one coordinate each, so that its Hessian is diagonal. All methods
    take points [..., 3]."""

    axes: Point
    wiggle: float = 0.0
    waves: float = 0.0

    def value(self, x: np.ndarray) -> np.ndarray:
        """F, [...]."""
        return ((x / self._axes) ** 2 + self.wiggle * (np.cos(self.waves * x) - 1)).sum(-1)

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """grad F, [..., 3]."""
        return 2 * x / self._axes**2 - self.wiggle * self.waves * np.sin(self.waves * x)

    def hessian(self, x: np.ndarray) -> np.ndarray:
        """Diagonal of the Hessian of F, [..., 3]."""
        return 2 / self._axes**2 - self.wiggle * self.waves**2 * np.cos(self.waves * x)

    def curvature(self, x: np.ndarray) -> np.ndarray:
        """Gaussian curvature `grad F . adj(Hess F) grad F / |grad F|^4` (Goldman 2005, "Curvature
        formulas for implicit curves and surfaces"), [...]."""
        slope, bend = self.gradient(x), self.hessian(x)
        cofactor = np.stack(
            [bend[..., 1] * bend[..., 2], bend[..., 0] * bend[..., 2], bend[..., 0] * bend[..., 1]],
            -1,
        )
        return (cofactor * slope**2).sum(-1) / (slope**2).sum(-1) ** 2

    def radius(self, directions: np.ndarray) -> np.ndarray:
        """t > 0 with `F(t n) = 1` for unit directions n, [...]; by bisection to rounding, the
        surface being star-shaped.
        """
        low = np.zeros(directions.shape[:-1])
        high = np.full_like(low, self.reach)
        for _ in range(56):
            middle = (low + high) / 2
            inside = self.value(middle[..., None] * directions) < 1
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
        return (low + high) / 2

    @property
    def reach(self) -> float:
        """A radius beyond which `F > 1`."""
        return max(self.axes) * math.sqrt(1 + 6 * abs(self.wiggle)) * 1.001

    def is_star_shaped(self) -> bool:
        """Whether every ray of a fine fan leaves the surface once."""
        directions = np.random.default_rng(0).normal(size=(4000, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        radii = np.linspace(0, self.reach, 400)[1:]
        inside = self.value(radii[:, None, None] * directions) < 1
        return bool((np.diff(inside.astype(int), axis=0) != 0).sum(0).max() == 1) and bool(
            inside[0].all()
        )

    @property
    def _axes(self) -> np.ndarray:
        return np.array(self.axes)


def frame(surface: LevelSet, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two unit tangents and the unit normal at a point [3], right-handed."""
    normal = surface.gradient(x)
    normal = normal / np.linalg.norm(normal)
    first = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    first /= np.linalg.norm(first)
    return first, np.cross(normal, first), normal


def _flow(surface: LevelSet, state: np.ndarray) -> np.ndarray:
    """Right-hand side for the state (x, v, J, J') [..., 8]:
    `x'' = -(v . Hess F v) grad F / |grad F|^2`, `J'' = -K J`.
    """
    x, v = state[..., :3], state[..., 3:6]
    slope = surface.gradient(x)
    pull = (surface.hessian(x) * v**2).sum(-1) / (slope**2).sum(-1)
    jacobi = np.stack([state[..., 7], -surface.curvature(x) * state[..., 6]], -1)
    return np.concatenate([v, -pull[..., None] * slope, jacobi], -1)


def _launch(surface: LevelSet, start: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """States [directions, 8] at `start` of unit-speed geodesics at angles `alpha` in its frame,
    with J = 0, J' = 1.
    """
    first, second, _ = frame(surface, start)
    v = np.cos(alpha)[:, None] * first + np.sin(alpha)[:, None] * second
    return np.concatenate([np.broadcast_to(start, v.shape), v, np.tile([0.0, 1.0], (len(v), 1))], 1)


def shoot(
    surface: LevelSet, start: Point, alpha: float, length: float, fractions: np.ndarray
) -> np.ndarray:
    """The geodesic from `start` at angle alpha: states [fractions, 8] at arc lengths
    `fractions * length`.
    """
    solution = solve_ivp(
        lambda _, state: _flow(surface, state),
        (0.0, length),
        _launch(surface, np.array(start), np.array([alpha]))[0],
        method="DOP853",
        t_eval=np.asarray(fractions) * length,
        rtol=_TOLERANCE,
        atol=_TOLERANCE / 10,
    )
    return solution.y.T


@lru_cache(maxsize=4096)  # a run asks for path and length of the same pairs many times
def shortest_geodesic(surface: LevelSet, start: Point, stop: Point) -> tuple[float, float]:
    """Shortest geodesic between two points of the surface: (angle in the frame at `start`, length
    in data units).

    A fan of rays in all directions, each as long as the curve cut out by the plane through both
    points and the origin, passes near `stop` once for every geodesic that can be the shortest. Each
    near pass is refined by Newton's method on (angle, length), whose Jacobian is the Jacobi field,
    until it ends within 1e-9 of `stop`.

    Raises: ConfigError where no ray is refined, which does not happen for distinct points of a
    surface that is not extreme."""
    a, b = np.array(start), np.array(stop)
    best: tuple[float, float] | None = None
    for alpha, length in _near_passes(surface, a, b, 1.01 * _plane_section(surface, a, b)):
        # Passes come by length, and refining moves the length by less than the spacing of the fan.
        if best is not None and length > 1.1 * best[1]:
            break
        refined = _refine(surface, start, b, alpha, length)
        if refined is not None and (best is None or refined[1] < best[1]):
            best = refined
    if best is None:
        raise ConfigError(
            f"no geodesic was found from {start} to {stop} on {surface}: give it rounder axes or"
            " less wiggle."
        )
    return best


def _plane_section(surface: LevelSet, a: np.ndarray, b: np.ndarray) -> float:
    """Length of a known curve from a to b on the surface: over the great circle between their
    directions.
    """
    first, second = a / np.linalg.norm(a), b / np.linalg.norm(b)
    across = second - (second @ first) * first
    if np.linalg.norm(across) < 1e-9:  # opposite or the same direction: any plane will do
        across = np.cross(first, np.eye(3)[np.abs(first).argmin()])
    across /= np.linalg.norm(across)
    turn = np.linspace(0, math.atan2(second @ across, second @ first) % (2 * math.pi), 2001)[
        :, None
    ]
    directions = np.cos(turn) * first + np.sin(turn) * across
    curve = surface.radius(directions)[:, None] * directions
    return float(np.linalg.norm(np.diff(curve, axis=0), axis=1).sum())


def _near_passes(
    surface: LevelSet, start: np.ndarray, target: np.ndarray, bound: float
) -> list[tuple[float, float]]:
    """(angle, length) of rays that pass `target` more closely than their neighbours do, shortest
    first.
    """
    alphas = np.arange(_DIRECTIONS) * (2 * math.pi / _DIRECTIONS)
    step = bound / _STEPS
    state = _launch(surface, start, alphas)
    states = [state]
    for _ in range(_STEPS):  # the classical Runge-Kutta step is accurate enough to find candidates
        k1 = _flow(surface, state)
        k2 = _flow(surface, state + 0.5 * step * k1)
        k3 = _flow(surface, state + 0.5 * step * k2)
        k4 = _flow(surface, state + step * k3)
        state = state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        states.append(state)
    ray = np.stack(states)
    away = np.linalg.norm(ray[..., :3] - target, axis=-1)  # [steps + 1, directions]
    spread = np.abs(ray[..., 6]) * (2 * math.pi / _DIRECTIONS)
    around = np.minimum(np.roll(away, 1, 1), np.roll(away, -1, 1))
    padded = np.pad(away, ((1, 1), (0, 0)), constant_values=np.inf)
    near = (
        (away <= around)
        & (away <= np.minimum(padded[:-2], padded[2:]))
        & (away < 2 * (spread + step))
    )
    near[0] = False
    return [(float(alphas[j]), float(i * step)) for i, j in zip(*np.nonzero(near), strict=True)]


def _refine(
    surface: LevelSet, start: Point, target: np.ndarray, alpha: float, length: float
) -> tuple[float, float] | None:
    """Newton's method on (angle, length); None where it does not converge."""
    for _ in range(16):
        state = shoot(surface, start, alpha, length, np.ones(1))[-1]
        x, v, jacobi = state[:3], state[3:6], state[6]
        missed = target - x
        if np.linalg.norm(missed) < _MISS:
            return alpha, length
        normal = surface.gradient(x)
        across = np.cross(normal / np.linalg.norm(normal), v)
        length += float(missed @ v)
        if abs(jacobi) < 1e-12 or length <= 0:
            return None
        turn = float(missed @ across) / jacobi
        alpha += math.copysign(min(abs(turn), 0.1), turn)
    return None
