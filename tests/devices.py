"""A device that is none: tensors that say they are on it, compute on the processor, and are counted
where they are copied from it or to it.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

aten = torch.ops.aten
# Operations whose result the processor has to know: it waits for all the device's work before them
_VALUES = (
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.equal.default,
    aten.is_nonzero.default,
)
_INDEXED = (aten.index.Tensor, aten.index_put_.default, aten._index_put_impl_.default)
_COPIES = (aten._to_copy.default, aten.copy_.default)


class _On(torch.Tensor):
    """`held`, on the processor, as a tensor on `device`."""

    held: torch.Tensor
    elem_device: torch.device

    @staticmethod
    def __new__(cls, held: torch.Tensor, device: torch.device) -> "_On":
        made: _On = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=device,
        )
        made.held, made.elem_device = held, device
        return made

    def __repr__(self, **_: Any) -> str:
        return f"{self.held} on {self.elem_device}"

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} outside the fake device")


class FakeDevice(TorchDispatchMode):
    """While entered, `device` is there: `device.to`, factories and operations work, an operation on
    tensors of two devices is refused as a GPU refuses it, and `counted` has

    "reads": values that the processor waits for; "copies": tensors copied to the device.
    `float64`: the largest count of float64 numbers of one result on the device.
    """

    def __init__(self, device: str = "cuda:1") -> None:
        super().__init__()
        self.device = torch.device(device)
        self.counted: Counter[str] = Counter()
        self.float64 = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        given = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, torch.Tensor)]
        here = any(isinstance(one, _On) for one in given)
        there = self._result_device(kwargs, here)
        self._count(func, args, given, here, there)
        if kwargs.get("device") is not None:
            kwargs["device"] = torch.device("cpu")
        plain = tree_map(lambda one: one.held if isinstance(one, _On) else one, (args, kwargs))
        if func is aten._to_copy.default and there != torch.device("cpu"):
            plain[1].pop("non_blocking", None)
        found = func(*plain[0], **plain[1])
        written = func._schema.name.split("::")[1].rstrip("_") != func._schema.name.split("::")[1]
        if written:
            return args[0]
        return tree_map(lambda one: self._placed(one, there), found)

    def _result_device(self, kwargs: dict[str, Any], here: bool) -> torch.device:
        asked = kwargs.get("device")
        if asked is not None:
            return torch.device(asked)
        return self.device if here else torch.device("cpu")

    def _placed(self, one: Any, there: torch.device) -> Any:
        if not isinstance(one, torch.Tensor) or there.type == "cpu":
            return one
        if one.dtype == torch.float64:
            self.float64 = max(self.float64, one.numel())
        return _On(one, there)

    def _count(
        self, func: Any, args: Any, given: list[torch.Tensor], here: bool, there: torch.device
    ) -> None:
        moved = func in _COPIES
        if func is aten.copy_.default:
            there = args[0].device
            here = isinstance(args[1], _On)
        if moved:
            if here and there.type == "cpu":
                self.counted["reads"] += 1
            if not here and there == self.device:
                self.counted["copies"] += 1
            return
        if not here:
            return
        masked = func in _INDEXED and any(
            one is not None and one.dtype == torch.bool for one in args[1]
        )
        if func in _VALUES or masked:
            self.counted["reads"] += 1
        foreign = [one for one in given if not isinstance(one, _On) and one.ndim > 0]
        if func in _INDEXED and isinstance(args[0], _On):
            indices = [one for one in args[1] if one is not None and not isinstance(one, _On)]
            self.counted["copies"] += len(indices)  # an index on the processor is copied
            foreign = [one for one in foreign if all(one is not index for index in indices)]
        if foreign:
            raise RuntimeError(f"{func}: tensors on {self.device} and on the processor.")


@contextmanager
def fake_device(device: str = "cuda:1") -> Iterator[FakeDevice]:
    """`FakeDevice` entered; nothing of CUDA is needed."""
    lazy, lift = torch.cuda._lazy_init, torch._C._only_lift_cpu_tensors()
    torch.cuda._lazy_init = lambda: None
    torch._C._ensureCUDADeviceGuardSet()
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        with FakeDevice(device) as mode:
            yield mode
    finally:
        torch.cuda._lazy_init = lazy
        torch._C._set_only_lift_cpu_tensors(lift)
