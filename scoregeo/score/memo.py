"""A score that is not evaluated twice in succession at the same points."""

from collections import OrderedDict
from dataclasses import dataclass

import torch

from scoregeo.score.base import AbstractScore, AbstractWrappedScore, has_tangent

_LEAST = 32  # points of a batch below which an evaluation is not worth keeping
_PROBES = 16  # numbers of a batch by which it is looked up, before it is compared whole
_MEGABYTES = 256


@dataclass(frozen=True)
class _Kept:
    """A batch and its score."""

    x: torch.Tensor
    value: torch.Tensor

    @property
    def size(self) -> int:
        """In bytes."""
        return self.x.nbytes + self.value.nbytes


class ScoreMemory:
    """The latest batches of one score or several, and their scores, up to `megabytes` MiB."""

    def __init__(self, megabytes: float = _MEGABYTES) -> None:
        self._room = int(megabytes * 2**20)
        self._kept: OrderedDict[tuple[object, ...], _Kept] = OrderedDict()

    def recall(self, key: tuple[object, ...], x: torch.Tensor) -> torch.Tensor | None:
        """The score kept under `key`, if its batch is equal to `x` in every bit."""
        found = self._kept.get(key)
        if found is None or not torch.equal(found.x, x):
            return None
        self._kept.move_to_end(key)
        return found.value.clone()

    def keep(self, key: tuple[object, ...], x: torch.Tensor, value: torch.Tensor) -> None:
        """Keep a batch and its score; the oldest ones make room."""
        new = _Kept(x.clone(), value.clone())
        if new.size > self._room:
            return
        self._kept[key] = new
        self._kept.move_to_end(key)
        while sum(one.size for one in self._kept.values()) > self._room:
            self._kept.popitem(last=False)


class MemoizedScore(AbstractWrappedScore):
    """Remembers the score at the latest batches of 32 points or more.

    A path is measured on one set of nodes several times: by the solver's certificate, in the run's
    metric and in further ones. A batch that is equal in every bit, at the same noise level, is
    answered from memory, so no result depends on what is remembered. What is differentiated is
    evaluated. Put a `CountingScore` around it: an evaluation counts whether it is remembered or
    not.
    """

    def __init__(self, inner: AbstractScore, memory: ScoreMemory) -> None:
        """`memory` may be shared by scores of one model."""
        super().__init__(inner)
        self.memory = memory
        self._name = object()  # tells this score from others in the memory

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        differentiated = has_tangent(x) or (torch.is_grad_enabled() and x.requires_grad)
        if differentiated or len(x) < _LEAST:
            return self.inner._score(x, sigma)
        key = (self._name, *_key(x, sigma))
        found = self.memory.recall(key, x)
        if found is not None:
            return found
        value = self.inner._score(x, sigma)
        if not value.requires_grad:
            self.memory.keep(key, x.detach(), value)
        return value


def _key(x: torch.Tensor, sigma: float) -> tuple[object, ...]:
    """What equal batches have in common: one transfer from the device."""
    flat = x.detach().reshape(-1)
    probes = flat[:: max(1, len(flat) // _PROBES)].tolist()
    return (sigma, x.dtype, x.device, *x.shape, *probes)
