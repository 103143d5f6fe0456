"""The torus of revolution in R^3, and its shortest geodesics from the geodesic equation."""

import math
from functools import lru_cache

import numpy as np
import torch
from scipy.integrate import solve_ivp

from scoregeo._utils.errors import ConfigError, bad_value, check_number
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset, Pairs, reach_of

Angles = tuple[float, float]

_DIRECTIONS = 720  # of the fan that looks for candidates
_STEPS = 300  # of each ray of the fan
_TOLERANCE = 1e-11  # of the integrator, relative; geodesics end within _MISS of their target
_MISS = 1e-9


class Torus(AbstractDataset):
    """`((R + r cos th) cos ph, (R + r cos th) sin ph, r sin th)`, uniform in area; points [3],
    float64.

    `R` is `major`, `r` is `minor`; th = 0 is the outer equator. `Pairs.truth` [pairs, 2, 2] holds
    (th, ph) of both ends."""

    def __init__(
        self,
        major: float = 1.0,
        minor: float = 0.4,
        num_pairs: int = 8,
        min_angle: float = 0.5,
        max_angle: float = 1.5,
    ) -> None:
        """Settings of the group `dataset`.

        Args:
            major: R, radius of the circle the tube runs along. minor: r, radius of the tube, below
                R. Data units.
            num_pairs: pairs drawn from the seed.
            min_angle, max_angle: between the ends both th and ph differ by at most max_angle, and
                one of them by at least min_angle; radians, within (0, pi]. Above about pi / 2 the
                shortest way is often not the one nearest the chord.

        Raises: ConfigError for anything else.
        """
        check_number("dataset.major", major, above=0.0)
        check_number("dataset.minor", minor, above=0.0)
        if minor >= major:
            raise bad_value(
                "dataset.minor",
                minor,
                f"below dataset.major = {major!r} (the torus would cut itself)",
            )
        check_number("dataset.num_pairs", num_pairs, at_least=1, integer=True)
        check_number("dataset.min_angle", min_angle, above=0.0, at_most=math.pi)
        check_number("dataset.max_angle", max_angle, at_most=math.pi)
        if max_angle <= min_angle:
            raise bad_value(
                "dataset.max_angle", max_angle, f"above dataset.min_angle = {min_angle!r}"
            )
        self.major = float(major)
        self.minor = float(minor)
        self.num_pairs = num_pairs
        self.min_angle = float(min_angle)
        self.max_angle = float(max_angle)

    @property
    def shape(self) -> tuple[int, ...]:
        return (3,)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64

    def pairs(self, seed: int) -> Pairs:
        """A first point uniform in area; a second one uniform in area among those allowed."""
        source = generator(seed, "pairs")
        found: list[torch.Tensor] = []
        while len(found) < self.num_pairs:
            first, second = self._angles(2, source)
            apart = torch.remainder(second - first + math.pi, 2 * math.pi) - math.pi
            if self.min_angle <= float(apart.abs().max()) <= self.max_angle:
                found.append(torch.stack([first, second]))
        truth = torch.stack(found)
        names = tuple(f"pair{i:03d}" for i in range(self.num_pairs))
        return Pairs(
            self.embed(truth[:, 0]),
            self.embed(truth[:, 1]),
            names,
            ("all",) * self.num_pairs,
            truth,
        )

    def sample(self, count: int, seed: int) -> torch.Tensor:
        return self.embed(self._angles(count, generator(seed, "sample")))

    def true_path(self, pairs: Pairs, num_points: int) -> torch.Tensor:
        return self._along(
            pairs, np.broadcast_to(np.linspace(0, 1, num_points), (len(pairs), num_points))
        )

    def true_continuation(
        self, pairs: Pairs, reach: float | torch.Tensor, num_points: int
    ) -> torch.Tensor:
        """The shortest geodesic, followed on by its own equation; it need not be shortest past the
        second end.
        """
        return self._along(
            pairs, 1 + reach_of(reach, pairs).numpy()[:, None] * np.linspace(0, 1, num_points)
        )

    def true_length(self, pairs: Pairs) -> torch.Tensor:
        lengths = [
            shortest_geodesic(self.major, self.minor, start, stop)[1]
            for start, stop in self._ends(pairs)
        ]
        return torch.tensor(lengths, dtype=self.dtype)

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        """`| sqrt((rho - R)^2 + z^2) - r |`, rho the distance to the axis."""
        rho = torch.hypot(points[:, 0], points[:, 1])
        return (torch.hypot(rho - self.major, points[:, 2]) - self.minor).abs()

    def curvature(self, points: torch.Tensor) -> torch.Tensor:
        """`cos th / (r (R + r cos th))`."""
        cosine = self.angles(points)[..., 0].cos()
        return cosine / (self.minor * (self.major + self.minor * cosine))

    def embed(self, angles: torch.Tensor) -> torch.Tensor:
        """Points in R^3 [..., 3] of angles (th, ph) [..., 2]."""
        return torch.from_numpy(_embed(self.major, self.minor, np.moveaxis(angles.numpy(), -1, 0)))

    def angles(self, points: torch.Tensor) -> torch.Tensor:
        """Angles (th, ph) [..., 2] of the torus points nearest to points [..., 3]."""
        rho = torch.hypot(points[..., 0], points[..., 1])
        return torch.stack(
            [
                torch.atan2(points[..., 2], rho - self.major),
                torch.atan2(points[..., 1], points[..., 0]),
            ],
            -1,
        )

    def _along(self, pairs: Pairs, fractions: np.ndarray) -> torch.Tensor:
        """The shortest geodesics and what follows them, at `fractions` [pairs, points] of their
        lengths: [pairs, points, 3].
        """
        rows = []
        for (start, stop), wanted in zip(self._ends(pairs), fractions, strict=True):
            alpha, length = shortest_geodesic(self.major, self.minor, start, stop)
            # The integrator begins at the first end, whichever part of the way is asked for.
            furthest = wanted[-1]
            rows.append(
                shoot(self.major, self.minor, start, alpha, furthest * length, wanted / furthest)[
                    :2
                ].T
            )
        return self.embed(torch.from_numpy(np.stack(rows)))

    def _ends(self, pairs: Pairs) -> list[tuple[Angles, Angles]]:
        truth = self.angles(pairs.ends) if pairs.truth is None else pairs.truth
        return [((a, b), (c, d)) for (a, b), (c, d) in truth.tolist()]

    def _angles(self, count: int, source: torch.Generator) -> torch.Tensor:
        """Uniform in area: ph uniform, th by rejection against its density, proportional to R + r
        cos th.
        """
        kept, have = [], 0
        while have < count:
            draw = torch.rand(count, 3, generator=source, dtype=self.dtype)
            theta, phi = 2 * math.pi * draw[:, 0], 2 * math.pi * draw[:, 1]
            keep = draw[:, 2] * (self.major + self.minor) <= self.major + self.minor * theta.cos()
            kept.append(torch.stack([theta, phi], -1)[keep])
            have += int(keep.sum())
        return torch.cat(kept)[:count]


def _embed(major: float, minor: float, angles: np.ndarray) -> np.ndarray:
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
    target = _embed(major, minor, np.array(stop))
    gap = [(b - a + math.pi) % (2 * math.pi) - math.pi for a, b in zip(start, stop, strict=True)]
    line = _embed(major, minor, np.array(start)[:, None] + np.outer(gap, np.linspace(0, 1, 2001)))
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
    points, spread = [_embed(major, minor, state)], [np.zeros(_DIRECTIONS)]
    for _ in range(_STEPS):  # the classical Runge-Kutta step is accurate enough to find candidates
        k1 = _flow(major, minor, state)
        k2 = _flow(major, minor, state + 0.5 * step * k1)
        k3 = _flow(major, minor, state + 0.5 * step * k2)
        k4 = _flow(major, minor, state + step * k3)
        state = state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        points.append(_embed(major, minor, state))
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
