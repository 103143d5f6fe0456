"""The exact score of windowed tones, blurred by Gaussian noise."""

import numpy as np
import torch

from scoregeo._utils.errors import ConfigError, check_number
from scoregeo.dataset.base import AbstractDataset
from scoregeo.dataset.tones import Tones
from scoregeo.score.base import AbstractScore, check_noise_level
from scoregeo.score.field import ScoreField, field_at

_AT_ONCE = 2**24  # bytes of one table of points by pitches
_ABOVE_0 = 1e-30  # of kappa^2: its root then has a slope everywhere


class TonesScore(AbstractScore):
    """Uniform on tones `y = cos(phi) c_f - sin(phi) s_f`, `c_f = w cos(2 pi f t)`, `s_f = w sin(2
    pi f t)`, of norm 1, blurred: the phase by a Bessel function, the pitch by Gauss-Legendre nodes,

        p = const exp(-(|x|^2 + 1) / (2 sigma^2)) sum_f a_f I_0(kappa_f)
        kappa_f = |(x.c_f, x.s_f)| / sigma^2
        s = (m - x) / sigma^2
        m = sum_f u_f (A(kappa_f) / |(x.c_f, x.s_f)|) (x.c_f c_f + x.s_f s_f)

    with u_f proportional to a_f I_0(kappa_f), A = I_1 / I_0. The same as `manifold_score`, up to
    the little that norms of tones differ from 1, at one node a pitch instead of one a pitch and
    phase. An evaluation costs 8 D multiply-adds a pitch.
    """

    def __init__(self, dataset: Tones, spacing: float) -> None:
        """`spacing`: data units between pitches, in the middle, where they are furthest apart."""
        pitch, weights = dataset.pitches(spacing)
        phases = torch.tensor([0.0, np.pi / 2], dtype=torch.float64)
        # cos(a + pi / 2) = -sin a: the sign of s_f drops out.
        pairs = dataset.embed(torch.cartesian_prod(pitch, phases)).unflatten(0, (-1, 2))
        self._basis = pairs.flatten(0, 1)
        self._log_share = weights.log()

    @property
    def shape(self) -> tuple[int, ...]:
        return (self._basis.shape[1],)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        at_once = max(1, _AT_ONCE // (8 * len(self._basis)))
        wide = x.to(self._basis)
        parts = [self._mean(part, sigma) - part for part in wide.split(at_once)]
        return (torch.cat(parts) / sigma**2).to(x)

    def log_density(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """log p_sigma(x) up to a constant that depends on sigma alone; [batch], float64,
        differentiable.
        """
        wide = x.to(self._basis)
        _, kappa = self._products(wide, sigma)
        return self._logits(kappa).logsumexp(1) - wide.square().sum(1) / (2 * sigma**2)

    def _products(self, x: torch.Tensor, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
        """`(x.c_f, -x.s_f)` [batch, pitches, 2] and kappa_f [batch, pitches]."""
        products = (x @ self._basis.T).unflatten(1, (-1, 2))
        return products, (products.square().sum(2) / sigma**4 + _ABOVE_0).sqrt()

    def _logits(self, kappa: torch.Tensor) -> torch.Tensor:
        return self._log_share + torch.special.i0e(kappa).log() + kappa

    def _mean(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        products, kappa = self._products(x, sigma)
        ratio = torch.special.i1e(kappa) / (torch.special.i0e(kappa) * kappa)
        share = self._logits(kappa).softmax(1) * ratio / sigma**2
        return (share[..., None] * products).flatten(1) @ self._basis


def tones_score(
    dataset: AbstractDataset,
    seed: int,
    sigma: float | None = None,
    timestep: float | None = None,
    nodes_per_sigma: float = 1.25,
) -> ScoreField:
    """The exact score of a `Tones` dataset at `sigma`, its pitches at most `sigma /
    nodes_per_sigma` apart. Raises ConfigError for any other dataset, and for a timestep.
    """
    check_number("score.nodes_per_sigma", nodes_per_sigma, above=0)
    if not isinstance(dataset, Tones):
        raise ConfigError(
            "score = 'tones' is the exact score of dataset = 'tones' and cannot serve"
            f" {type(dataset).__name__}."
        )
    if sigma is None or timestep is not None:
        raise ConfigError(
            f"score.sigma = {sigma!r}, score.timestep = {timestep!r}: score = 'tones' takes a"
            " sigma, and no timestep."
        )
    check_noise_level(sigma)
    return field_at(TonesScore(dataset, sigma / nodes_per_sigma), sigma)
