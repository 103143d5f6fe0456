"""Scores made of other scores: one smoothed by noise, and one on the way from an exact to a learned
one.
"""

import torch

from scoregeo._utils.errors import ConfigError, check_number
from scoregeo.dataset.base import AbstractDataset
from scoregeo.score.base import AbstractScore, AbstractWrappedScore
from scoregeo.score.diffusers_unet import unet_score
from scoregeo.score.empirical import empirical_score
from scoregeo.score.field import ScoreField, field_at


class SmoothedScore(AbstractWrappedScore):
    """`mean_k s(x + noise sigma z_k, sigma)`: a score averaged over `draws` fixed draws of noise,
    half of them the negatives of the others.

    A network that has seen noisy points alone may not denoise at clean ones in some directions; the
    mean of its values around a point does, and its derivative is smoother (randomised smoothing:
    Cohen et al. 2019; SmoothGrad: Smilkov et al. 2017). Where the score is affine in x the mean is
    the score itself; else it is off by a term of order `(noise sigma)^2`. One evaluation is `draws`
    of the score's.

    Example:
        >>> import torch, scoregeo
        >>> plain = scoregeo.FunctionScore(lambda x, sigma: -x / (1 + sigma**2), (2,))
        >>> x = torch.ones(1, 2)
        >>> smoothed = scoregeo.score.SmoothedScore(plain, noise=0.1, draws=4)
        >>> bool(torch.allclose(smoothed.score(x, 1.0), plain.score(x, 1.0)))
        True
    """

    def __init__(
        self, score: AbstractScore, noise: float = 0.1, draws: int = 4, seed: int = 0
    ) -> None:
        """`noise`: above 0, in units of sigma; `draws`: even. Raises ConfigError otherwise."""
        check_number("score.noise", noise, above=0.0)
        check_number("score.draws", draws, at_least=2, integer=True)
        if draws % 2:
            raise ConfigError(
                f"score.draws = {draws} is not allowed: it must be even, for half of the draws are"
                " the negatives of the others."
            )
        super().__init__(score)
        self.noise = noise
        rng = torch.Generator().manual_seed(seed)
        half = torch.randn(draws // 2, *score.shape, generator=rng, dtype=torch.float64)
        self.draws = torch.cat([half, -half])

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        moved = self.noise * sigma * self.draws.to(x)
        return torch.stack([self.inner.score(x + one, sigma) for one in moved]).mean(0)


class CombinedScore(AbstractScore):
    """`(1 - share) s_1 + share s_2`: the score of the density `p_1^(1 - share) p_2^share`, up to
    its normalisation (the geometric path of annealed importance sampling: Neal 2001).

    From an exact score to a learned one it has the learned one's error times `share`. One
    evaluation is one of each.

    Example:
        >>> import torch, scoregeo
        >>> still = scoregeo.FunctionScore(lambda x, sigma: 0 * x, (2,))
        >>> plain = scoregeo.FunctionScore(lambda x, sigma: -x, (2,))
        >>> scoregeo.score.CombinedScore(still, plain, 0.25).score(torch.ones(1, 2), 1.0)
        tensor([[-0.2500, -0.2500]])
    """

    def __init__(self, first: AbstractScore, second: AbstractScore, share: float) -> None:
        """`share`: in [0, 1]. Raises ConfigError otherwise, and where the points differ."""
        check_number("score.share", share, at_least=0.0, at_most=1.0)
        if first.shape != second.shape:
            raise ConfigError(
                f"scores of points {first.shape} and {second.shape} cannot be combined."
            )
        self.first, self.second, self.share = first, second, share
        self.learned = first.learned or second.learned

    @property
    def shape(self) -> tuple[int, ...]:
        return self.first.shape

    @property
    def sigma_range(self) -> tuple[float, float]:
        (low, high), (least, most) = self.first.sigma_range, self.second.sigma_range
        return max(low, least), min(high, most)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return torch.lerp(self.first.score(x, sigma), self.second.score(x, sigma), self.share)


def smoothed_unet_score(
    dataset: AbstractDataset,
    seed: int,
    sigma: float | None = None,
    timestep: float | None = None,
    model: str = "digits_unet_all",
    chunk: int = 512,
    noise: float = 0.1,
    draws: int = 4,
) -> ScoreField:
    """`SmoothedScore` of a diffusers model, with `unet_score`'s settings; `draws` network
    evaluations a score evaluation, which the field's note says. Raises as both.
    """
    field = unet_score(dataset, seed, sigma, timestep, model, chunk)
    cost = f"one evaluation is {draws} of the network."
    note = f"The score is the mean of {draws} draws of noise: {cost}"
    return ScoreField(SmoothedScore(field.score, noise, draws), field.sigma, note)


def combined_unet_score(
    dataset: AbstractDataset,
    seed: int,
    sigma: float,
    model: str = "digits_unet_all",
    share: float = 0.5,
    chunk: int = 512,
) -> ScoreField:
    """`CombinedScore` of the exact score of all of `dataset.sample` and a diffusers model, whose
    part is `share`. Raises as `empirical_score`, `unet_score` and the class.
    """
    size = dataset.sample_size
    if size is None:
        raise ConfigError(
            f"{type(dataset).__name__} has no finite sample: its exact score cannot be computed."
        )
    exact = empirical_score(dataset, seed, sigma, count=size)
    network = unet_score(dataset, seed, sigma, None, model, chunk)
    return field_at(CombinedScore(exact.score, network.score, share), sigma)
