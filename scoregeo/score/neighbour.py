"""The empirical score of millions of points: of the nearest of them, and a bound on the others."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.autograd.forward_ad as fwAD
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

from scoregeo._utils.errors import ConfigError, DataError, ScoreError, check_choice, check_number
from scoregeo._utils.files import path_of
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset
from scoregeo.score.base import AbstractScore
from scoregeo.score.field import ScoreField, field_at
from scoregeo.score.neighbours import (
    SEARCHES,
    AbstractSearch,
    ExactSearch,
    IndexSearch,
    make_search,
    recall,
)
from scoregeo.score.references import open_references

_PROBES = 32  # points at which a run's note gives the bound
_FINEST = 1e-6  # smallest sigma, in units of the data's root mean square


@dataclass(frozen=True)
class BoundedScore:
    """A score [points, *shape] and a bound on its error, [points], in units of the score's length
    (one over data units), float64.
    """

    score: torch.Tensor
    bound: torch.Tensor

    @property
    def relative(self) -> torch.Tensor:
        """The bound over the score's length, [points]."""
        return self.bound / self.score.double().flatten(1).norm(dim=1)


class NeighbourScore(AbstractScore):
    """The score of `EmpiricalScore` (equal weights) with the sum over the K nearest points alone:

        s_K = (m_K - x) / sigma^2,  m_K = sum_{i <= K} w_i y_i / W_K
        w_i = exp(-d_i^2 / (2 sigma^2)),  W_K = sum_{i <= K} w_i

    Each of the N - K others lies at d >= d_K, so that, where d_K (d_K + |m_K - x|) >= sigma^2,

        |s - s_K| <= (N - K) exp(-d_K^2 / (2 sigma^2)) (d_K + |m_K - x|) / (sigma^2 W_K)

    which `bounded` gives. With an exact search that is a bound; with an approximate one it holds as
    far as the index has missed none that is nearer than d_K. Costs a search and `2 K D`
    multiply-adds a point; memory `chunk_bytes`. Differentiable where no two points change places at
    the K-th.
    """

    def __init__(
        self,
        search: AbstractSearch,
        shape: tuple[int, ...],
        num_neighbours: int = 100,
        chunk_bytes: int = 2**26,
    ) -> None:
        check_number("score.num_neighbours", num_neighbours, at_least=1, integer=True)
        self.search, self._shape = search, shape
        self.num_neighbours = min(num_neighbours, len(search.data))
        self._chunk = max(1, chunk_bytes // (8 * self.num_neighbours * search.data.shape[1]))
        rows = np.unique(np.linspace(0, len(search.data) - 1, 256).astype(np.int64))
        few = search.data[rows].astype(np.float64)
        scale = float(np.sqrt(np.square(few - few.mean(0)).sum(1).mean()))
        self._finest = _FINEST * scale if scale > 0 else _FINEST

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def sigma_range(self) -> tuple[float, float]:
        return (self._finest, float("inf"))

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        index = self._nearest(x)[0]
        shift = torch.cat([one for one, _ in self._shifts(x, index, sigma)])
        return (shift / sigma**2).to(x).view_as(x)

    @torch.no_grad()
    def bounded(self, x: torch.Tensor, sigma: float) -> BoundedScore:
        """The score at `x` [points, *shape] and the bound on what the points left out change."""
        index, square = self._nearest(x)
        parts = list(self._shifts(x, index, sigma))
        shift = torch.cat([one for one, _ in parts])
        weight = torch.cat([one for _, one in parts])  # relative to the nearest's
        reach = shift.norm(dim=1).cpu().numpy()
        found = np.isfinite(square).sum(1)  # an index may give fewer
        last = np.take_along_axis(square, np.maximum(found - 1, 0)[:, None], 1)[:, 0]
        if isinstance(self.search, ExactSearch):
            last = np.maximum(last - self.search.slack(_values(x)), 0)
        # d -> exp(-d^2 / (2 sigma^2)) (d + reach) falls from this distance on
        top = (np.sqrt(reach**2 + 4 * sigma**2) - reach) / 2
        far = np.maximum(np.sqrt(last), top)
        others = len(self.search.data) - found
        tail = others * np.exp((square[:, 0] - far**2) / (2 * sigma**2)) * (far + reach)
        bound = torch.from_numpy(tail) / (sigma**2 * weight.cpu())
        return BoundedScore((shift / sigma**2).to(x).view_as(x), bound)

    def _nearest(self, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        values = _values(x)
        with temporarily_clear_interpreter_stack():  # a search's tensors are none of AD's
            return self.search.nearest(values, self.num_neighbours)

    def _shifts(
        self, x: torch.Tensor, index: np.ndarray, sigma: float
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """`m_K - x` [points, D] float64 and the sum of the weights, the nearest's 1, a part of the
        points at a time.
        """
        for start, part in enumerate(x.flatten(1).double().split(self._chunk)):
            rows = index[start * self._chunk : (start + 1) * self._chunk]
            found = self.search.data[np.maximum(rows, 0)].astype(np.float64)
            gap = torch.from_numpy(found).to(part.device) - part[:, None]
            missed = torch.from_numpy(rows < 0).to(part.device)
            logits = (-gap.square().sum(2) / (2 * sigma**2)).masked_fill(missed, -torch.inf)
            weight = (logits - logits.detach().amax(1, keepdim=True)).exp()
            total = weight.sum(1)
            yield (weight[:, :, None] * gap).sum(1) / total[:, None], total


def _values(x: torch.Tensor) -> np.ndarray:
    """The numbers of points [points, *shape] as float64 [points, D], without what forward-mode AD
    wraps them in. Raises ScoreError under vmap.
    """
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(x):
        if functorch.is_batchedtensor(x):
            raise ScoreError("the score of nearest neighbours cannot be taken under torch.vmap.")
        x = functorch.get_unwrapped(x)
    with temporarily_clear_interpreter_stack():  # else each operation would wrap its result again
        plain = fwAD.unpack_dual(x).primal if fwAD._current_level >= 0 else x
        return plain.detach().flatten(1).cpu().double().numpy()


def neighbour_score(
    dataset: AbstractDataset,
    seed: int,
    sigma: float | None = None,
    timestep: float | None = None,
    count: int = 7200,
    references: str | None = None,
    search: str = "exact",
    num_neighbours: int = 100,
    probes: int = 64,
    index: str | None = None,
) -> ScoreField:
    """The empirical score over the nearest of `dataset.sample(count, seed)`, or of the points in
    the file `references` (`.npy` or `.safetensors` with one tensor, memory-mapped).

    `search`, `probes`, `index`: as in `scoregeo.score.neighbours.make_search`. The field's note
    gives the bound on what is left out, at 32 points of the data with noise of sigma, and the
    index's recall there.

    Raises: ConfigError for a setting out of range; DataError for a file of references or an index
    that is missing, damaged, altered or does not fit the data.
    """
    check_number("score.count", count, at_least=1, integer=True, held=False)
    check_choice("score.search", search, SEARCHES)
    check_number("score.num_neighbours", num_neighbours, at_least=1, integer=True)
    check_number("score.probes", probes, at_least=1, integer=True)
    if index is not None and search == "exact":
        raise ConfigError("score.index goes with score.search = 'ivf' or 'hnsw'.")
    if references is None:
        data = dataset.sample(count, seed).cpu().numpy()
    else:
        data = open_references(path_of("score.references", references))
    if tuple(data.shape[1:]) != tuple(dataset.shape):
        raise DataError(
            f"score.references = {references!r} holds points {tuple(data.shape[1:])}, the dataset's"
            f" are {tuple(dataset.shape)}."
        )
    flat = data.reshape(len(data), -1)
    found = make_search(
        flat, search, probes, None if index is None else path_of("score.index", index)
    )
    score = NeighbourScore(found, tuple(dataset.shape), num_neighbours)
    field = field_at(score, sigma, timestep)
    return ScoreField(score, field.sigma, _note(score, field.sigma, seed))


def _note(score: NeighbourScore, sigma: float, seed: int) -> str:
    """What a run's page says of the sum that was cut off."""
    source, data = generator(seed, "neighbour probes"), score.search.data
    rows = torch.randint(len(data), (_PROBES,), generator=source).sort().values.numpy()
    clean = torch.from_numpy(data[rows].astype(np.float64))
    x = clean + sigma * torch.randn(clean.shape, generator=source, dtype=torch.float64)
    bound = score.bounded(x.view(len(x), *score.shape), sigma).relative
    said = (
        f"The score sums over the {score.num_neighbours} nearest of {len(data):,} points. What is"
        f" left out changes it by at most {float(bound.median()):.2g} of its length (median of"
        f" {_PROBES} points of the data with noise; largest {float(bound.max()):.2g})"
    )
    if not isinstance(score.search, IndexSearch):
        return f"{said}."
    found = recall(score.search, ExactSearch(data), x.numpy(), score.num_neighbours)
    return f"{said}, if the index misses none of them: there it finds {found:.1%}."
