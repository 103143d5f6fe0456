"""NoiseDiffusion: spherical interpolation of clipped noisy points, corrected by the clean ones."""

import math
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import bad_value, check_number
from scoregeo._utils.seed import normal
from scoregeo.baseline.base import (
    NOISE,
    AbstractBaseline,
    BaselinePath,
    Ends,
    check_ends,
    closed_form,
    with_ends,
)
from scoregeo.path.interpolation import parameter


@dataclass(frozen=True)
class NoiseDiffusion(AbstractBaseline):
    """Zheng et al. 2024, "NoiseDiffusion: correcting noise for image interpolation with diffusion
    models beyond spherical linear interpolation" (ICLR 2024), with the settings of their released
    code (controlnet/cm.py).

    In the coordinates of the variance-preserving model, a_t and b_t the noisy ends clipped to
    [-boundary, boundary] and a_0 and b_0 the clean ones, the point at u is

        x = al a_t + be b_t + (mu - al) sqrt(abar) a_0 + (nu - be) sqrt(abar) b_0 + gamma sqrt(1 -
        abar) eps,   clipped again,
        al, be = sqrt(1 - gamma^2) (cos, sin)(pi u / 2),   mu = signal al / (al + be),   nu = signal
        be / (al + be),

    eps one draw of standard noise a point. No score evaluation. The released code inverts by DDIM
    inversion without guidance to step 140 of 250 (t = 0.56 T) and decodes with guidance.

    At u = 0 the formula gives `a_t + (signal - 1) sqrt(abar) a_0`, clipped, which is not the given
    end. The released code never uses it there: it computes inner points only, and its strip's ends
    are the given pictures. So with `given_ends` (the default) the path's first and last points are
    the noisy ends as they were given.

    Attributes:
        boundary: where values are clipped, in units of the noise's standard deviation; above 0,
            null for nowhere.
        gamma: share of fresh noise, within [0, 1]; 0 as released.
        signal: `mu + nu`, at least 0; 1.2 as released.
        given_ends: whether the first and last points are the given ones rather than the formula's.
    """

    boundary: float | None = 2.0
    gamma: float = 0.0
    signal: float = 1.2
    given_ends: bool = True
    space = NOISE
    needs_noise = True

    def __post_init__(self) -> None:
        if self.boundary is not None:
            check_number("baseline.noise_diffusion.boundary", self.boundary, above=0.0)
        check_number("baseline.noise_diffusion.gamma", self.gamma, at_least=0.0, at_most=1.0)
        check_number("baseline.noise_diffusion.signal", self.signal, at_least=0.0)
        if not isinstance(self.given_ends, bool):
            raise bad_value("baseline.noise_diffusion.given_ends", self.given_ends, "true or false")

    def path(self, ends: Ends, num_points: int, generator: torch.Generator) -> BaselinePath:
        """Raises ConfigError for fewer than 3 points, DataError for ends that are equal or not
        finite.
        """
        for given in (ends.lifted, ends.clean):
            check_ends("noise_diffusion", given, num_points)
        noisy, clean = (
            ends.lifted.double().flatten(2) / ends.scale,
            ends.clean.double().flatten(2) / ends.scale,
        )
        u = parameter(num_points, noisy)
        pairs, _, dimension = noisy.shape
        noise = normal((pairs, num_points, dimension), generator).to(noisy.device)
        # Weights of both ends, [points, 2]. Their ratio needs no gamma, which may be 1.
        turn = torch.stack([(u * math.pi / 2).cos(), (u * math.pi / 2).sin()], 1)
        of_noisy = (1 - self.gamma**2) ** 0.5 * turn
        of_clean = self.signal * turn / turn.sum(1, keepdim=True) - of_noisy
        level = ends.field.sigma / ends.scale  # sqrt(1 - abar)
        point = of_noisy @ self._clip(noisy) + of_clean @ clean
        path = self._clip(point + self.gamma * level * noise) * ends.scale
        if self.given_ends:
            return closed_form(with_ends(path[:, 1:-1], ends.lifted))
        return closed_form(
            path.to(ends.lifted.dtype).reshape(pairs, num_points, *ends.lifted.shape[2:])
        )

    def _clip(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.boundary is None else x.clamp(-self.boundary, self.boundary)
