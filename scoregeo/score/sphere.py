"""The exact score of the uniform distribution on a sphere, blurred by Gaussian noise."""

import numpy as np
import torch
from scipy import special

from scoregeo._utils.errors import ConfigError, bad_value, check_length, check_number
from scoregeo.dataset.base import AbstractDataset
from scoregeo.dataset.sphere import Sphere
from scoregeo.score.base import AbstractScore
from scoregeo.score.bessel import bessel_ratio
from scoregeo.score.field import ScoreField, field_at


class SphereScore(AbstractScore):
    """Uniform on S^k of radius R in the first k+1 of D coordinates, blurred: with h the first k+1
    coordinates of x, t the rest,

        log p = -(|x|^2 + R^2) / (2 sigma^2) + log(kappa^-nu I_nu(kappa)) + const,  kappa = R |h| /
        sigma^2,  nu = (k - 1) / 2
        s_h = (A(kappa) R / |h| - 1) h / sigma^2,  s_t = -t / sigma^2,  A = I_{nu+1} / I_nu

    (A on the 2-sphere: coth(kappa) - 1 / kappa). Finite and smooth everywhere, x = 0 included.

    Example:
        >>> import torch, scoregeo
        >>> score = scoregeo.SphereScore(dimension=2, ambient=3)
        >>> score.score(torch.tensor([[1.1, 0.0, 0.0]], dtype=torch.float64), sigma=0.1)
        tensor([[-10.9091,  -0.0000,  -0.0000]], dtype=torch.float64)
    """

    def __init__(
        self, dimension: int, ambient: int, radius: float = 1.0, dtype: torch.dtype = torch.float64
    ) -> None:
        """`dimension` k < `ambient` D; `radius` R in data units; arithmetic in `dtype`, results in
        that of x.
        """
        check_number("dataset.ambient", ambient, at_least=2, integer=True)
        check_number("dataset.dimension", dimension, at_least=1, integer=True)
        if dimension >= ambient:
            raise bad_value("dataset.dimension", dimension, f"below dataset.ambient = {ambient}")
        check_length("dataset.radius", radius)
        self.dimension = dimension
        self.ambient = ambient
        self.radius = float(radius)
        self.dtype = dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.ambient,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        wide = x.to(self.dtype)
        head, tail = wide[:, : self.dimension + 1], wide[:, self.dimension + 1 :]
        pull = (self.radius / sigma) ** 2  # A R / |h| = B(kappa^2) pull
        ratio = bessel_ratio(head.square().sum(1, keepdim=True) * (pull / sigma**2), self.dimension)
        return (torch.cat([(ratio * pull - 1) * head, -tail], 1) / sigma**2).to(x)

    def log_density(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """log p_sigma(x) up to a constant that depends on sigma alone; [batch], float64, not
        differentiable (scipy).
        """
        wide = x.detach().cpu().double()
        head, tail = wide[:, : self.dimension + 1], wide[:, self.dimension + 1 :]
        distance = head.norm(dim=1)
        kappa = (distance * self.radius / sigma**2).numpy()
        nu = (self.dimension - 1) / 2
        # kappa^-nu I_nu(kappa) = 0F1(nu + 1, kappa^2 / 4) / (2^nu Gamma(nu + 1)), which is safe
        # where kappa^-nu overflows.
        safe = np.maximum(kappa, 1.0)
        large = np.log(special.ive(nu, safe)) - nu * np.log(safe)
        small = (
            np.log(special.hyp0f1(nu + 1, np.minimum(kappa, 1.0) ** 2 / 4))
            - kappa
            - nu * np.log(2)
            - special.gammaln(nu + 1)
        )
        bessel = torch.from_numpy(np.where(kappa < 1, small, large))
        return (
            bessel - ((distance - self.radius) ** 2 + tail.square().sum(1)) / (2 * sigma**2)
        ).to(x.device)


def sphere_score(
    dataset: AbstractDataset, seed: int, sigma: float | None = None, timestep: float | None = None
) -> ScoreField:
    """The exact score of a `Sphere` dataset at `sigma`. Raises ConfigError for any other dataset,
    and for a timestep.
    """
    if not isinstance(dataset, Sphere):
        raise ConfigError(
            "score = 'sphere' is the exact score of dataset = 'sphere' and cannot serve"
            f" {type(dataset).__name__}."
        )
    return field_at(
        SphereScore(dataset.dimension, dataset.ambient, dataset.radius, dataset.dtype),
        sigma,
        timestep,
    )
