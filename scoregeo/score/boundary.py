"""What a score takes and gives, checked where it is called."""

from collections.abc import Callable, Sequence
from numbers import Integral

import torch

from scoregeo._utils.errors import ScoreError, bad_value
from scoregeo._utils.tensors import check_tensor


def check_shape(key: str, shape: object) -> tuple[int, ...]:
    """The shape of one point. Raises ConfigError for what is none."""
    sides = tuple(shape) if isinstance(shape, Sequence) and not isinstance(shape, str) else None
    if sides is None or not all(
        isinstance(side, Integral) and not isinstance(side, bool) and int(side) >= 0
        for side in sides
    ):
        raise bad_value(key, shape, "the shape of one point, a tuple of whole numbers, as (3,)")
    return tuple(int(side) for side in sides)


def check_given(x: torch.Tensor, shape: tuple[int, ...]) -> None:
    """Raise DataError for what is no tensor, ScoreError for other points than of floating-point
    numbers and `shape`.
    """
    check_tensor("x", x)
    if not x.is_floating_point():
        raise ScoreError(f"points are of {x.dtype}: they must be of floating point.")
    if tuple(x.shape[1:]) != shape:
        raise ScoreError(f"points have shape {tuple(x.shape[1:])}, this score takes {shape}.")


def check_directions(x: torch.Tensor, v: torch.Tensor) -> None:
    """Raise ScoreError unless there is a direction for each point."""
    check_tensor("x", x)
    check_tensor("v", v)
    if v.shape != x.shape:
        raise ScoreError(
            f"directions have shape {tuple(v.shape)}, their points {tuple(x.shape)}: one"
            " direction a point."
        )


def check_result(value: torch.Tensor, x: torch.Tensor, sigma: float) -> None:
    """Raise ScoreError unless `value` is one finite real vector for each of the points `x`."""
    kind = value.dtype if isinstance(value, torch.Tensor) else f"a {type(value).__name__}"
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        raise ScoreError(
            f"the score at sigma {sigma:g} is {kind}: it must be a torch.Tensor of real"
            f" floating-point numbers, of shape {tuple(x.shape)}."
        )
    if value.layout != torch.strided or value.is_meta:
        raise ScoreError(
            f"the score at sigma {sigma:g} has layout {value.layout} and is on {value.device}: it"
            " must be dense, and have values."
        )
    if value.shape != x.shape:
        raise ScoreError(
            f"the score at sigma {sigma:g} has shape {tuple(value.shape)} for points"
            f" {tuple(x.shape)}."
        )
    check_finite(value.detach(), x, sigma, "the score")


def check_finite(value: torch.Tensor, x: torch.Tensor, sigma: float, what: str) -> None:
    """Raise ScoreError that names the first of the points `x` at which `value` is not finite."""
    finite = value.isfinite().flatten(1).all(1)
    if not finite.all():
        bad = int((~finite).nonzero()[0])
        point = x[bad].detach().flatten()
        shown = ", ".join(f"{v:.4g}" for v in point[:4].tolist()) + (
            ", ..." if point.numel() > 4 else ""
        )
        raise ScoreError(
            f"{what} is not finite at point {bad} of {len(x)} ([{shown}]) and sigma {sigma:g}."
        )


def check_dtype(value: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """A score's `value` at points `x`, if both are of one dtype. Raises ScoreError otherwise."""
    if value.dtype != x.dtype:
        raise ScoreError(
            f"the score is of {value.dtype} for points of {x.dtype}: both must be of one dtype."
        )
    return value


def untouched(
    function: Callable[[torch.Tensor, float], torch.Tensor], x: torch.Tensor, sigma: float
) -> torch.Tensor:
    """`function(x, sigma)`. Raises ScoreError where it writes into the points: a solver's path
    would change under it. Seen by torch's count of writes, without a copy.
    """
    before = _writes(x)
    try:
        value = function(x, sigma)
    except RuntimeError as error:
        # What torch says of it where the points require grad
        if "requires grad is being used in an in-place operation" in str(error):
            raise _written(sigma) from error
        raise
    if _writes(x) != before:
        raise _written(sigma)
    return value


def _writes(x: torch.Tensor) -> int:
    return 0 if x.is_inference() else x._version  # inference tensors have no count


def _written(sigma: float) -> ScoreError:
    return ScoreError(
        f"the score at sigma {sigma:g} changes its points in place: it must leave them as they are"
        " and give a tensor of its own."
    )
