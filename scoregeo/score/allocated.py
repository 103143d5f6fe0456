"""Memory that tensors take while a network runs, measured on any device."""

import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Allocated:
    """`with Allocated(device) as memory:`, then `memory.peak`: the most bytes at once of tensors
    made within.

    On CUDA the allocator's own count, libraries' workspaces included; elsewhere a count of the
    storages that operations return, without what a kernel takes inside.
    """

    def __init__(self, device: torch.device) -> None:
        self.peak, self._device = 0, device
        self._mode = None if device.type == "cuda" else _Storages()
        self._before = 0

    def __enter__(self) -> Self:
        if self._mode is None:
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)
        else:
            self._mode.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._mode is None:
            self.peak = torch.cuda.max_memory_allocated(self._device) - self._before
        else:
            self._mode.__exit__(kind, error, trace)
            self.peak = self._mode.peak


class _Storages(TorchDispatchMode):
    """Counts the storages that are alive of those that operations returned."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = {_address(one) for one in tree_leaves((args, kwargs)) if _counts(one)}
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            place = _address(tensor) if _counts(tensor) else None
            if place is None or place in self._known or place in given:
                continue
            storage = tensor.untyped_storage()
            self._known.add(place)
            self.now += storage.nbytes()
            weakref.finalize(storage, self._freed, place, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return result

    def _freed(self, place: int, size: int) -> None:
        self._known.discard(place)
        self.now -= size


def _counts(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.layout == torch.strided


def _address(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
