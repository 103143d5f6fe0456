"""The exact score of a finite sample, blurred by Gaussian noise."""

import logging
import math
from dataclasses import replace

import torch

from scoregeo._utils.errors import DataError, check_choice, check_length, check_number
from scoregeo._utils.tensors import as_tensor, check_tensor
from scoregeo.dataset.base import AbstractDataset
from scoregeo.score.base import RULES, AbstractScore
from scoregeo.score.field import ScoreField, field_at
from scoregeo.score.noise_level import POINTS, auto_field

log = logging.getLogger(__name__)

_FINEST = 1e-6  # smallest sigma, in units of the sample's root mean square distance from its mean


class EmpiricalScore(AbstractScore):
    """Sample y_1 .. y_N of weights a_i (1 / N each, if not given), blurred:

        p = sum_i a_i N(x; y_i, sigma^2 I)
        s = (m(x) - x) / sigma^2,  m = sum_i w_i y_i,  w = softmax_i(log a_i - |x - y_i|^2 / (2
        sigma^2))

    One evaluation costs 4 N D multiply-adds. Points and sample are both taken in pieces with a
    running log-sum-exp, so memory beyond the sample stays near `chunk_bytes` (without a graph; a
    backward pass keeps [points, N] weights).

    Distances come from float64 products of centred vectors whatever the sample's dtype: in float32
    `|x|^2 - 2 x.y + |y|^2` loses the digits that `/ (2 sigma^2)` then magnifies. The mean m is done
    in the sample's dtype.

    Example:
        >>> import torch, scoregeo
        >>> score = scoregeo.EmpiricalScore(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
        >>> score.score(torch.tensor([[0.5, 0.5]]), sigma=0.5)
        tensor([[ 0., -2.]])
    """

    def __init__(
        self, sample: torch.Tensor, chunk_bytes: int = 2**28, weights: torch.Tensor | None = None
    ) -> None:
        """`sample` [N, *shape], floating point, on the device of the points to come; `weights` [N],
        above 0, of any sum. Lists and NumPy arrays are taken as tensors.

        Raises DataError where the sample is empty, not finite or of another type, or the weights do
        not fit it.
        """
        check_number("score.chunk_bytes", chunk_bytes, at_least=2**20, integer=True)
        sample, weights = as_tensor(sample), as_tensor(weights)
        check_tensor("the sample", sample)
        if sample.ndim < 2 or sample.numel() == 0 or not sample.is_floating_point():
            raise DataError(
                "the sample must be floating point [count, *shape] and not empty; it is"
                f" {sample.dtype} {tuple(sample.shape)}."
            )
        if not sample.isfinite().all():
            raise DataError("the sample holds NaN or infinite values.")
        if weights is not None:
            _check_weights(weights, len(sample))
        self._shape = tuple(sample.shape[1:])
        # A copy, as given: centring it in float32 would round each vector, which is as bad as
        # rounding the distances.
        self._data = sample.detach().flatten(1).clone()
        self._centre = self._data.mean(0, dtype=torch.float64)
        count, size = self._data.shape
        # Half of the budget for one float64 piece of the sample and its copies, half for logits and
        # weights.
        self._sample_chunk = max(1, min(count, chunk_bytes // (4 * 8 * size)))
        self._point_chunk = max(1, chunk_bytes // (4 * 8 * self._sample_chunk))
        self._half_square = torch.cat(
            [
                self._centred(part).square().sum(1) / 2
                for part in self._data.split(self._sample_chunk)
            ]
        )
        count = len(self._data)
        share = None if weights is None else weights.detach().to(self._centre) / weights.sum()
        self._log_share = (
            torch.full_like(self._half_square, -math.log(count)) if share is None else share.log()
        )
        scale = math.sqrt(2 * float(self._half_square.mean()))
        self._finest = _FINEST * scale if scale > 0 else _FINEST

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def sigma_range(self) -> tuple[float, float]:
        return (self._finest, float("inf"))

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        centred = self._centred(x.flatten(1))
        parts = [self._moments(part, sigma)[1] - part for part in centred.split(self._point_chunk)]
        return (torch.cat(parts) / sigma**2).to(x).view_as(x)

    def log_density(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """log p_sigma(x), constants included; [batch], float64, differentiable."""
        centred = self._centred(x.flatten(1))
        parts = [
            self._moments(part, sigma)[0] - part.square().sum(1) / (2 * sigma**2)
            for part in centred.split(self._point_chunk)
        ]
        return torch.cat(parts) - self._data.shape[1] / 2 * math.log(2 * math.pi * sigma**2)

    def _centred(self, x: torch.Tensor) -> torch.Tensor:
        return x.double() - self._centre

    def _moments(self, x: torch.Tensor, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
        """For centred points [points, D], float64:
        `log sum_i a_i exp((x.y_i - |y_i|^2 / 2) / sigma^2)`, and the mean m.
        """
        peak = x.new_full((len(x), 1), -math.inf)
        total = x.new_zeros(len(x), 1)
        mean = torch.zeros_like(x)
        offset = self._log_share - self._half_square / sigma**2
        for piece, shift in zip(
            self._data.split(self._sample_chunk), offset.split(self._sample_chunk), strict=True
        ):
            data = self._centred(piece)
            logits = torch.addmm(shift, x, data.T, alpha=1 / sigma**2)
            # Any shift is exact, so no gradient need flow through it.
            higher = torch.maximum(peak, logits.detach().amax(1, keepdim=True))
            weight = logits.sub_(higher).exp_()
            shrink = (peak - higher).exp()
            total = total * shrink + weight.sum(1, keepdim=True)
            mean = mean * shrink + (weight.to(piece) @ data.to(piece)).double()
            peak = higher
        return (peak + total.log())[:, 0], mean / total


def _check_weights(weights: torch.Tensor, count: int) -> None:
    check_tensor("weights", weights)
    good = weights.shape == (count,) and not weights.is_complex()
    if not good or not bool((weights > 0).all() and weights.isfinite().all()):
        raise DataError(
            f"weights must be {count} finite numbers above 0, one for each point of the sample."
        )


def empirical_score(
    dataset: AbstractDataset,
    seed: int,
    sigma: float | str | None = None,
    timestep: float | None = None,
    count: int = 7200,
    chunk_mb: int = 256,
    points: str = "sample",
) -> ScoreField:
    """The exact score of `dataset.sample(count, seed)` at `sigma`, for any dataset; with `points` =
    "references", of `dataset.reference_points(count, seed)`, which starts and graphs go through.

    `sigma`: a number, or the rule "auto" or "auto_ridge", which looks at points of
    `dataset.held_out` (`scoregeo.score.noise_level`). `chunk_mb`: MiB of memory beyond the sample.
    Where the data are finite and `count` leaves some of them out, that is logged and in the field's
    note: the score is then another distribution's.
    """
    check_number("score.count", count, at_least=1, integer=True, held=False)
    dataset.check_count("score.count", count)
    check_number("score.chunk_mb", chunk_mb, at_least=1, integer=True)
    check_choice("score.points", points, ("sample", "references"))
    # Refuse a bad noise level before the sample is made; a sample of one point does for the usual
    # messages.
    if sigma is None or timestep is not None:
        return field_at(EmpiricalScore(torch.zeros(1, 1)), sigma, timestep)
    rule = sigma if isinstance(sigma, str) else None
    if rule is not None:
        check_choice("score.sigma", rule, RULES)
    else:
        check_length("score.sigma", sigma)
    draw = dataset.reference_points if points == "references" else dataset.sample
    score = EmpiricalScore(draw(count, seed), chunk_mb * 2**20)
    field = (
        field_at(score, sigma)
        if rule is None
        else auto_field(score, dataset.held_out(POINTS, seed), rule)
    )
    if points == "references" or dataset.sample_size is None or count >= dataset.sample_size:
        return field
    size = dataset.sample_size
    note = (
        f"The score is that of {count} of the data's {size} points: score.count={size} takes all."
    )
    log.warning(note)
    return replace(field, note=f"{field.note} {note}".strip())
