"""Nearest neighbours among many points: an exact search in pieces, and kept approximate indexes."""

import logging
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scoregeo._utils.cache import cache_folder
from scoregeo._utils.errors import ConfigError, DataError, StorageError, check_choice, check_number
from scoregeo._utils.files import read_json, sha256, write_json, write_whole
from scoregeo.score.references import fingerprint

log = logging.getLogger(__name__)

SEARCHES = ("exact", "ivf", "hnsw")
_VERSION = 1
_MORE = 2  # an index is asked for so many times the neighbours, which are then sorted exactly
_CHUNK = 2**27  # bytes of a piece of the data in float32
_ITERATIONS = 10  # of k-means, which places the lists
_TRAINING = 64  # points an inverted list is trained on


class AbstractSearch(ABC):
    """Finds the nearest of `data` [count, D], a float16 to float64 array that may be mapped."""

    exact: bool
    data: np.ndarray

    @abstractmethod
    def candidates(self, x: np.ndarray, count: int) -> np.ndarray:
        """Indices [points, count] of about the nearest to `x` [points, D] float64, in any order; -1
        where there are fewer.
        """

    def nearest(self, x: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Indices and squared distances [points, count] of the nearest to `x`, rising; distances in
        float64 of the data as they are. Infinite where an index found fewer.
        """
        count = min(count, len(self.data))
        asked = min(count if self.exact else _MORE * count, len(self.data))
        index = self.candidates(x, asked)
        square = np.full(index.shape, np.inf)
        for row, found in enumerate(index):
            known = found >= 0
            gap = self.data[found[known]].astype(np.float64) - x[row]
            square[row, known] = np.einsum("kd,kd->k", gap, gap)
        order = np.argsort(square, 1, kind="stable")[:, :count]
        return np.take_along_axis(index, order, 1), np.take_along_axis(square, order, 1)


class ExactSearch(AbstractSearch):
    """Every distance, a piece of the data at a time: `2 count D` multiply-adds a point, in float32
    about the data's mean.

    `slack(x)` bounds what float32 may have changed of a squared distance: no point that was left
    out is nearer than the farthest that was found by more than that.
    """

    exact = True

    def __init__(self, data: np.ndarray, chunk_bytes: int = _CHUNK) -> None:
        self.data = data
        self._rows = max(1, chunk_bytes // (4 * data.shape[1]))
        total = np.zeros(data.shape[1])
        for start in range(0, len(data), self._rows):
            piece = data[start : start + self._rows].astype(np.float32)
            _check_finite(piece, start)
            total += piece.sum(0, dtype=np.float64)
        self._centre = (total / len(data)).astype(np.float32)
        squares = []
        for start in range(0, len(data), self._rows):
            piece = self._piece(start)
            squares.append(np.einsum("kd,kd->k", piece, piece, dtype=np.float64))
        square = np.concatenate(squares)
        self._square = torch.from_numpy(square.astype(np.float32))
        self._farthest = float(square.max()) ** 0.5

    def candidates(self, x: np.ndarray, count: int) -> np.ndarray:
        point = torch.from_numpy((x - self._centre).astype(np.float32))
        best = torch.full((len(x), 0), torch.inf)
        index = torch.zeros(len(x), 0, dtype=torch.int64)
        for start in range(0, len(self.data), self._rows):
            piece = torch.from_numpy(self._piece(start))
            shift = self._square[start : start + len(piece)]
            value = torch.addmm(shift, point, piece.T, alpha=-2)
            near, place = value.topk(min(count, len(piece)), 1, largest=False, sorted=False)
            best, index = torch.cat([best, near], 1), torch.cat([index, place + start], 1)
            best, kept = best.topk(min(count, best.shape[1]), 1, largest=False)
            index = index.gather(1, kept)
        return index.numpy()

    def slack(self, x: np.ndarray) -> np.ndarray:
        """[points], data units squared. With u float32's unit roundoff and a, b the distances of
        `x` and of the farthest reference from the centre, one compared value errs by at most

            2 D u / (1 - D u) a b + 4 u (a + b)^2

        a product of D numbers (Higham 2002, eq. 3.5) and the rounding of the points, of the squares
        and of the sum. The slack is twice that: of a point left out and of the farthest found.
        """
        u, size = float(np.finfo(np.float32).eps) / 2, self.data.shape[1]
        product = size * u / (1 - size * u) if size * u < 1 else np.inf
        a, b = np.linalg.norm(x - self._centre, axis=1), self._farthest
        return 4 * product * a * b + 8 * u * np.square(a + b)

    def _piece(self, start: int) -> np.ndarray:
        """Points about the centre, rounded to float32 once."""
        wide = np.result_type(self.data.dtype, np.float32)
        piece = self.data[start : start + self._rows].astype(wide, copy=False)
        return np.asarray((piece - self._centre).astype(np.float32, copy=False))


class IndexSearch(AbstractSearch):
    """A faiss index: inverted lists ("ivf") or a navigable graph ("hnsw") of codes of a byte a
    number; what it gives is sorted by exact distances. It may miss neighbours: measure `recall`.
    """

    exact = False

    def __init__(self, data: np.ndarray, index: Any, probes: int) -> None:
        self.data, self.index = data, index
        if hasattr(index, "nprobe"):
            index.nprobe = probes
        else:
            index.hnsw.efSearch = probes

    def candidates(self, x: np.ndarray, count: int) -> np.ndarray:
        return np.asarray(self.index.search(np.ascontiguousarray(x, np.float32), count)[1])


def make_search(
    data: np.ndarray, search: str = "exact", probes: int = 64, path: Path | None = None
) -> AbstractSearch:
    """A search among `data` [count, D].

    Args:
        search: "exact", "ivf" or "hnsw"; the last two need faiss.
        probes: lists (ivf) or points (hnsw) that are looked at; more find more.
        path: where the index is kept; by default in the cache folder by the data's fingerprint. It
            is built where there is none: of 10^6 points of 784, ivf takes minutes, hnsw an hour.

    Raises ConfigError where faiss is not installed, DataError for an index that is damaged, altered
    or of other data.
    """
    check_choice("search", search, SEARCHES)
    if search == "exact":
        return ExactSearch(data)
    check_number("probes", probes, at_least=1, integer=True)
    try:
        import faiss
    except ImportError as error:
        raise ConfigError(
            f"search = {search!r} needs faiss (pip install 'scoregeo[neighbours]'); search='exact'"
            " does without."
        ) from error
    known = fingerprint(data)
    if path is None:
        path = cache_folder() / "neighbours" / f"{search}-{known}.faiss"
    card = path.with_suffix(".json")
    if path.is_file():
        _check_index(path, card, {"search": search, "data": known, "count": len(data)})
        index = faiss.read_index(str(path))
    else:
        log.info("building a %s index of %d points in %s", search, len(data), path)
        index = _build(faiss, data, search)
        facts = {"version": _VERSION, "search": search, "data": known, "count": len(data)}
        try:
            write_whole(path, lambda partial: _write(faiss, index, partial, card, facts))
        except StorageError as error:
            log.warning("the index is not kept: %s", error)
    return IndexSearch(data, index, probes)


def recall(search: AbstractSearch, exact: ExactSearch, x: np.ndarray, count: int) -> float:
    """Share of the `count` nearest to points `x` [points, D] that `search` finds."""
    found, true = (one.nearest(x, count)[0] for one in (search, exact))
    return float(
        np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, true, strict=True)])
    )


def _write(faiss: Any, index: Any, path: Path, card: Path, facts: dict[str, Any]) -> None:
    """The index, and its card before it has its name: an index without one would be refused."""
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:  # of C++, with its place in the source
        raise StorageError(str(path), "faiss cannot write") from error
    write_json(card, facts | {"sha256": sha256(path)})


def _build(faiss: Any, data: np.ndarray, search: str) -> Any:
    count, size = data.shape
    lists = max(1, min(4096, int(2 * count**0.5), count // 40))
    index = faiss.index_factory(size, f"IVF{lists},SQ8" if search == "ivf" else "HNSW32,SQ8")
    if search == "ivf":
        index.cp.niter = _ITERATIONS
    rows = np.linspace(0, count - 1, min(count, max(_TRAINING * lists, 10_000))).astype(np.int64)
    index.train(np.ascontiguousarray(data[np.unique(rows)], np.float32))
    step = max(1, _CHUNK // (4 * size))
    for start in range(0, count, step):
        piece = np.ascontiguousarray(data[start : start + step], np.float32)
        _check_finite(piece, start)
        index.add(piece)
    return index


def _check_finite(piece: np.ndarray, start: int) -> None:
    if not np.isfinite(piece).all():
        row = start + int((~np.isfinite(piece).all(1)).argmax())
        raise DataError(f"the references hold NaN or infinite values, first in row {row}.")


def _check_index(path: Path, card: Path, expected: dict[str, Any]) -> None:
    said = read_json(card)
    if not isinstance(said, dict) or said.get("version") != _VERSION:
        raise DataError(f"{card} is no record of an index of this version: delete {path} as well.")
    for key, value in expected.items():
        if said.get(key) != value:
            raise DataError(
                f"{path} is an index of other data: its {key} is {said.get(key)!r}, here it is"
                f" {value!r}. Delete it, or name another."
            )
    found = sha256(path)
    if found != said.get("sha256"):
        raise DataError(
            f"{path} is damaged or altered (SHA-256 {found[:8]}, not {str(said['sha256'])[:8]}):"
            " delete it to build it again."
        )
