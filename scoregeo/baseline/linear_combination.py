"""Linear combinations of latents: LERP at the noise level, scaled so that noise keeps its law."""

from dataclasses import dataclass

import torch

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
class LinearCombination(AbstractBaseline):
    """Bodin et al. 2025, "Linear combinations of latents in generative models: subspaces and
    beyond" (ICLR 2025, arXiv 2408.08558), for two Gaussian latents of mean 0:

        x(u) = ((1 - u) a + u b) / sqrt((1 - u)^2 + u^2).

    Where a and b are independent draws of N(0, C), so is every x(u), whatever C; of all maps of the
    weighted sum that do this it moves it least (quadratic Wasserstein distance). LERP has the
    variance `(1 - u)^2 + u^2` times C instead, half of it in the middle. On the way from a to b the
    path differs from SLERP's only by its speed where the ends are orthogonal and of equal norms,
    as noise of high dimension nearly is.

    The formula does not change with the scale of its coordinates, so it is the same in
    variance-exploding and variance-preserving ones. It holds for the ends of `inversion=ddim`, each
    a latent of its own. With `inversion=shared_noise` the ends have one draw of noise in common,
    are not independent, and the middle is longer than either by up to sqrt(2): that row then shows
    the formula out of its range. No score evaluation.
    """

    space = NOISE
    needs_noise = True

    def path(self, ends: Ends, num_points: int, generator: torch.Generator) -> BaselinePath:
        """Nothing is drawn. Raises ConfigError for fewer than 3 points, DataError for ends that are
        equal or not finite.
        """
        check_ends("linear_combination", ends.lifted, num_points)
        u = parameter(num_points, ends.lifted)[1:-1]
        weights = torch.stack([1 - u, u], 1)
        weights = weights / weights.norm(dim=1, keepdim=True)
        return closed_form(with_ends(weights @ ends.lifted.double().flatten(2), ends.lifted))
