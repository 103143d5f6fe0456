"""What the jobs of a sweep have in common, such as inverted ends in a sweep over lambda: the first
job that needs it computes it, and the others read it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from scoregeo import __version__
from scoregeo._utils.cache import content_hash
from scoregeo._utils.errors import DataError, StorageError
from scoregeo._utils.jobs import FOUND
from scoregeo._utils.lock import FolderLock
from scoregeo.run.kept_outcome import load_checked, load_outcome, save_checked, save_outcome
from scoregeo.run.problem.outcome import Outcome
from scoregeo.score.base import AbstractScore, AbstractWrappedScore, CountingScore, has_tangent
from scoregeo.score.field import ScoreField

log = logging.getLogger(__name__)

_KEYS = ("dataset", "score", "inversion", "baseline", "seed", "device", "threads", "memory_gib")

Found = TypeVar("Found")
_WARNED: set[Path | None] = set()


class SweepWork:
    """Ends at a noise level, decoded points, paths of baselines, a network's scores where paths are
    measured and features of references, in files of `folder` named by the content of all that they
    follow from: the `identity`, and a key.

    Of jobs that need the same at one time, one computes it and the others wait. What is read is to
    the last bit what was computed. Without a folder, as in a run by itself, nothing is kept.
    """

    def __init__(self, folder: Path | None = None, *identity: Any) -> None:
        self.folder, self.identity = folder, identity

    def within(self, *identity: Any) -> "SweepWork":
        """Of what follows from further things, too, as a pair's prompts."""
        return SweepWork(self.folder, *self.identity, *identity)

    def tensors(
        self, kind: str, compute: Callable[[], Mapping[str, torch.Tensor]], *key: Any
    ) -> Mapping[str, torch.Tensor]:
        """What `compute` gives, by name, or gave for an equal key; then on the CPU."""
        return self._first(kind, key, load_checked, compute, save_checked)

    def tensor(self, kind: str, compute: Callable[[], torch.Tensor], *key: Any) -> torch.Tensor:
        """As `tensors`, for one, on the device of the last tensor of the key."""
        found = self.tensors(kind, lambda: {kind: compute()}, *key)[kind]
        return found.to([one for one in key if isinstance(one, torch.Tensor)][-1].device)

    def outcome(self, compute: Callable[[], Outcome], *key: Any) -> Outcome:
        """As `tensors`, for a baseline's paths; those that cost no evaluation are not kept."""

        def save(path: Path, found: Outcome) -> None:
            if found.score_evaluations.any():
                save_outcome(path, found, {})

        return self._first("baseline", key, lambda path: load_outcome(path)[0], compute, save)

    def field(self, field: ScoreField) -> ScoreField:
        """`field`, whose evaluations are counted, with the score shared while `sharing(field)`, if
        it is a network's: those of other scores cost less than a file.
        """
        counting = field.score
        if self.folder is None or not isinstance(counting, CountingScore) or not counting.learned:
            return field
        return replace(field, score=CountingScore(_SharedScore(counting.inner, self)))

    def _first(
        self,
        kind: str,
        key: tuple[Any, ...],
        load: Callable[[Path], Found],
        compute: Callable[[], Found],
        save: Callable[[Path, Any], None],
    ) -> Found:
        if self.folder is None:
            return compute()
        place = self.folder / kind / content_hash(*self.identity, *key)
        try:
            place.mkdir(parents=True, exist_ok=True)
            lock = FolderLock(place, wait=True)
        except (OSError, DataError) as error:
            self._warn("%s cannot be used (%s): nothing is shared with other jobs", place, error)
            return compute()
        try:
            with suppress(DataError):
                found = load(place / FOUND)
                log.debug("%s: taken from another job of the sweep", kind)
                return found
            found = compute()
            try:
                save(place / FOUND, found)
            except StorageError as error:  # the job goes on, and says so of what it must write
                self._warn("%s; it is not shared with other jobs", error)
            return found
        finally:
            lock.release()

    def _warn(self, message: str, *words: object) -> None:
        """Once a folder: the next files will fare alike."""
        if self.folder not in _WARNED:
            _WARNED.add(self.folder)
            log.warning(message, *words)


class _SharedScore(AbstractWrappedScore):
    """A score that is shared with the other jobs while `active`; what has derivatives is
    evaluated.
    """

    def __init__(self, inner: AbstractScore, work: SweepWork) -> None:
        super().__init__(inner)
        self._work, self.active = work, False

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        if not self.active or has_tangent(x) or (torch.is_grad_enabled() and x.requires_grad):
            return self.inner._score(x, sigma)
        return self._work.tensor("scores", lambda: self.inner.score(x, sigma), sigma, x)


@contextmanager
def sharing(field: ScoreField) -> Iterator[None]:
    """Share the values of a `SweepWork.field` meanwhile: where paths are measured, which are partly
    those of other jobs. Solvers' own batches are never.
    """
    inner = field.score.inner if isinstance(field.score, CountingScore) else None
    if not isinstance(inner, _SharedScore):
        yield
        return
    inner.active = True
    try:
        yield
    finally:
        inner.active = False


def sweep_work(
    folder: Path | None, config: Mapping[str, Any], inputs: Mapping[str, str]
) -> SweepWork:
    """Of a job with this resolved configuration and these files. Jobs that differ in data, score,
    inversion, baselines or seed share nothing; nor do those with `score.chunk=null`, whose batches,
    and with them last digits, follow from all that the process has computed before.
    """
    if "chunk" in config["score"] and config["score"]["chunk"] is None:
        folder = None
    return SweepWork(folder, __version__, {key: config[key] for key in _KEYS}, dict(inputs))
