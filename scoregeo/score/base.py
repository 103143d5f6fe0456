"""The score interface: the only thing the rest of the project knows of a generative model."""

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.autograd.forward_ad as fwAD

from scoregeo._utils.errors import ConfigError, ScoreError, bad_value, check_length
from scoregeo.score.boundary import (
    check_directions,
    check_finite,
    check_given,
    check_result,
    untouched,
)
from scoregeo.score.memory import retried

AUTO, AUTO_RIDGE = "auto", "auto_ridge"
# By which a noise level may be chosen, where a score can (scoregeo.score.noise_level)
RULES = (AUTO, AUTO_RIDGE)

_NO_GRADIENT = (
    "a derivative needs a score that is differentiable by torch; this one gives values without a"
    " gradient."
)


class AbstractScore(ABC):
    """The score `s(x, sigma) = grad_x log p_sigma(x)` of data blurred by Gaussian noise of standard
    deviation sigma.

    Points are in variance-exploding coordinates, `x = x0 + sigma z`, in data units. A subclass
    gives `shape` and `_score`; callers use `score`, which checks what goes in and comes out.

    Example:
        >>> import torch, scoregeo
        >>> class Gaussian(scoregeo.AbstractScore):
        ...     shape = (2,)
        ...     def _score(self, x, sigma):
        ...         return -x / (1 + sigma**2)
        >>> Gaussian().score(torch.ones(1, 2), sigma=1.0)
        tensor([[-0.5000, -0.5000]])

    Attributes:
        learned: whether the field may be no gradient, as that of a network: a path that a solver
            found by values of the score alone is then tested by its Jacobian, too
            (`scoregeo.solver.learned`).
    """

    learned: bool = False

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
        """The score at `x` [batch, *shape], of the same shape and dtype; differentiable where x
        requires grad.
        """

    def score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """The score at `x` [batch, *shape] and one noise level, of the same shape, and converted to
        the same dtype and device. Costs `batch` score evaluations.

        Raises ConfigError for a sigma that is no number above 0, ScoreError where `x` is not of
        floating point, and, naming sigma, where the result is not finite (the first bad point), is
        no tensor of real numbers, or has a wrong shape, or where `x` was changed in place."""
        check_given(x, self.shape)
        check_noise_level(sigma, "sigma")
        value = untouched(self._score, x, sigma)
        check_result(value, x, sigma)
        return value.to(x)

    def jvp(
        self, x: torch.Tensor, v: torch.Tensor, sigma: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The score and `J v`, J its Jacobian in x, at `x` [batch, *shape] and directions `v` of
        the same shape.

        Forward-mode AD: never the matrix. Costs 3 score evaluations a point, the product counted as
        two. Raises as `score`, and ScoreError where the product is 0 though the score changes along
        `v`, as that of a score that detaches its points."""
        check_directions(x, v)
        # Forward mode writes into what it is given, which an expanded tensor does not allow
        at, along = x.contiguous(), v.to(x).contiguous()
        value, product = torch.func.jvp(lambda y: self.score(y, sigma), (at,), (along,))  # type: ignore[misc]  # no auxiliary output
        check_finite(product.detach(), x, sigma, "the score's Jacobian")
        if not product.any() and v.any():
            self._check_constant(x, v, value, sigma)
        return value, product

    @torch.no_grad()
    def _check_constant(
        self, x: torch.Tensor, v: torch.Tensor, value: torch.Tensor, sigma: float
    ) -> None:
        """Raise ScoreError unless the score is the same a short way along `v`."""
        step = 1e-4 * sigma / v.abs().amax()  # its square is below the tolerance
        moved = self.score((x + step * v).to(x), sigma)
        if not torch.allclose(moved, value.detach(), rtol=1e-6, atol=1e-7 / sigma):
            raise ScoreError(_NO_GRADIENT)

    def vjp(
        self, x: torch.Tensor, v: torch.Tensor, sigma: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The score and `J^T v`, by one backward pass: 3 score evaluations a point. For a true
        gradient field `J^T = J`. A network in batches halves them where memory runs out in it;
        ScoreError where that does not help.
        """
        check_directions(x, v)

        def work() -> tuple[torch.Tensor, torch.Tensor]:
            with torch.enable_grad():
                point = x.detach().requires_grad_(True)
                value = self.score(point, sigma)
                check_differentiable(value)
                # A score that does not depend on x has the Jacobian 0.
                (product,) = torch.autograd.grad(value, point, v.to(x), materialize_grads=True)
            return value.detach(), product

        value, product = retried(work, lambda error: self._halve(x, error))
        check_finite(product, x, sigma, "the score's Jacobian")
        return value, product

    def _halve(self, x: torch.Tensor, error: BaseException) -> None:
        """Let backward passes at `x` take less memory, which ran out by `error`; else raise."""
        raise error

    def denoise(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """Posterior mean `E[x0 | x] = x + sigma^2 s(x, sigma)` (Tweedie); one score evaluation a
        point.
        """
        return x + sigma**2 * self.score(x, sigma)

    def check_sigma(self, sigma: float | str | None, key: str = "score.sigma") -> None:
        """Raise ConfigError unless sigma is a positive number in the range of this score."""
        value = check_noise_level(sigma, key)
        low, high = self.sigma_range
        if not low <= value <= high:
            raise ConfigError(
                f"{key} = {value:g} is outside the range of this score, {low:.4g} to {high:.4g}."
            )

    def sigma_of_timestep(self, timestep: float) -> float:
        """Noise level of a diffusion timestep. Raises ConfigError for scores that have no
        timesteps.
        """
        raise ConfigError(
            f"score.timestep = {timestep!r} needs a score with timesteps; give score.sigma to"
            f" {type(self).__name__}."
        )


def check_noise_level(sigma: Any, key: str = "score.sigma") -> float:
    """`sigma`, if it is a number above 0. Raises ConfigError otherwise; for the name of a rule it
    says which scores take one.
    """
    if isinstance(sigma, str) and sigma in RULES:
        raise bad_value(
            key,
            sigma,
            "a number above 0 for this score ('auto' and 'auto_ridge' go with score=empirical and"
            " mlp)",
        )
    check_length(key, sigma)
    return float(sigma)


class AbstractWrappedScore(AbstractScore):
    """A score made of another one, `inner`: at the same points, noise levels and timesteps."""

    def __init__(self, inner: AbstractScore) -> None:
        self.inner, self.learned = inner, inner.learned

    @property
    def shape(self) -> tuple[int, ...]:
        return self.inner.shape

    @property
    def sigma_range(self) -> tuple[float, float]:
        return self.inner.sigma_range

    def sigma_of_timestep(self, timestep: float) -> float:
        return self.inner.sigma_of_timestep(timestep)

    def _halve(self, x: torch.Tensor, error: BaseException) -> None:
        self.inner._halve(x, error)


class CountingScore(AbstractWrappedScore):
    """A score that counts its evaluations: `count` grows by the batch of every call; a JVP or a
    backward pass adds twice that.

    A backward pass is counted when it runs, so a graph that is built and never used costs what its
    forward pass costs."""

    def __init__(self, inner: AbstractScore) -> None:
        super().__init__(inner)
        self.count = 0

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        forward_mode = has_tangent(x)
        self.count += len(x) * (3 if forward_mode else 1)
        value = self.inner._score(x, sigma)
        if isinstance(value, torch.Tensor) and value.requires_grad and not forward_mode:
            value.register_hook(lambda _: self._count_backward(len(x)))
        return value

    def vjp(
        self, x: torch.Tensor, v: torch.Tensor, sigma: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        before, found = self.count, super().vjp(x, v, sigma)
        self.count = before + 3 * len(x)  # however often memory ran out
        return found

    def _count_backward(self, batch: int) -> None:
        self.count += 2 * batch


class DetachedScore(AbstractWrappedScore):
    """A score treated as a constant: no gradient flows through it, as where `differentiate_score`
    is false.
    """

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        with torch.no_grad():
            return self.inner._score(x, sigma)


def check_differentiable(value: torch.Tensor) -> None:
    """Raise ScoreError where no backward pass through a score's `value` is possible."""
    if not value.requires_grad:
        raise ScoreError(_NO_GRADIENT)


def has_tangent(x: torch.Tensor) -> bool:
    """Whether x carries a forward-mode tangent."""
    # Outside a dual level there is none, and asking for it would be an error.
    return fwAD._current_level >= 0 and fwAD.unpack_dual(x).tangent is not None
