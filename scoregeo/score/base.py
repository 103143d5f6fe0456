"""The score interface: the only thing the rest of the project knows of a generative model."""

from abc import ABC, abstractmethod

import torch

from scoregeo.core.errors import ConfigError, ScoreError, check_number


class AbstractScore(ABC):
    """The score `s(x, sigma) = grad_x log p_sigma(x)` of data blurred by Gaussian noise of standard deviation sigma.

    Points are in variance-exploding coordinates, `x = x0 + sigma z`, in data units. A subclass gives `shape` and `_score`;
    callers use `score`, which checks what goes in and comes out.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one point, for example (3,) or (1, 28, 28)."""

    @property
    def sigma_range(self) -> tuple[float, float]:
        """Smallest and largest noise level the score is defined at, in data units."""
        return (0.0, float("inf"))

    @abstractmethod
    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """The score at `x` [batch, *shape], of the same shape and dtype; differentiable where x requires grad."""

    def score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """The score at `x` [batch, *shape] and one noise level, of the same shape. Costs `batch` score evaluations.

        Raises ScoreError, naming the first bad point and sigma, where the result is not finite or has a wrong shape.
        """
        if tuple(x.shape[1:]) != self.shape:
            raise ScoreError(f"points have shape {tuple(x.shape[1:])}, this score takes {self.shape}.")
        value = self._score(x, sigma)
        if value.shape != x.shape:
            raise ScoreError(f"the score at sigma {sigma:g} has shape {tuple(value.shape)} for points {tuple(x.shape)}.")
        finite = value.detach().isfinite().flatten(1).all(1)
        if not finite.all():
            bad = int((~finite).nonzero()[0])
            point = x[bad].detach().flatten()
            shown = ", ".join(f"{v:.4g}" for v in point[:4].tolist()) + (", ..." if point.numel() > 4 else "")
            raise ScoreError(f"the score is not finite at point {bad} of {len(x)} ([{shown}]) and sigma {sigma:g}.")
        return value

    def denoise(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """Posterior mean `E[x0 | x] = x + sigma^2 s(x, sigma)` (Tweedie); one score evaluation a point."""
        return x + sigma**2 * self.score(x, sigma)

    def check_sigma(self, sigma: float, key: str = "score.sigma") -> None:
        """Raise ConfigError unless sigma is a positive number in the range of this score."""
        check_number(key, sigma, above=0.0)
        low, high = self.sigma_range
        if not low <= sigma <= high:
            raise ConfigError(f"{key} = {sigma:g} is outside the range of this score, {low:.4g} to {high:.4g}.")

    def sigma_of_timestep(self, timestep: float) -> float:
        """Noise level of a diffusion timestep. Raises ConfigError for scores that have no timesteps."""
        raise ConfigError(
            f"score.timestep = {timestep!r} needs a score with timesteps; give score.sigma to {type(self).__name__}."
        )


class CountingScore(AbstractScore):
    """A score that counts its evaluations, for tests and benchmarks: `count` grows by the batch size of every call."""

    def __init__(self, inner: AbstractScore) -> None:
        self.inner = inner
        self.count = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.inner.shape

    @property
    def sigma_range(self) -> tuple[float, float]:
        return self.inner.sigma_range

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        self.count += len(x)
        return self.inner._score(x, sigma)

    def sigma_of_timestep(self, timestep: float) -> float:
        return self.inner.sigma_of_timestep(timestep)


class DetachedScore(AbstractScore):
    """A score treated as a constant: no gradient flows through it, as where `differentiate_score` is false."""

    def __init__(self, inner: AbstractScore) -> None:
        self.inner = inner

    @property
    def shape(self) -> tuple[int, ...]:
        return self.inner.shape

    @property
    def sigma_range(self) -> tuple[float, float]:
        return self.inner.sigma_range

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        with torch.no_grad():
            return self.inner._score(x, sigma)
