"""Running out of memory, said in terms of the settings that help."""

from collections.abc import Callable
from typing import TypeVar

import torch

from scoregeo._utils.errors import ScoreError

Result = TypeVar("Result")

# Of CUDA, of the CPU's allocator (two wordings), of Apple's.
_WORDS = ("out of memory", "not enough memory", "can't allocate memory")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error says that memory ran out, on any device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _WORDS)


def free_cached() -> None:
    """Give memory that torch keeps for later back to a GPU. Call it outside of the handler of the
    error, which would keep the failed work's tensors.
    """
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def retried(work: Callable[[], Result], smaller: Callable[[BaseException], None]) -> Result:
    """The result of `work`, which is done again where memory ran out, each time after `smaller` was
    given the error: it makes the work take less, or raises.
    """
    while True:
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            smaller(error)
        free_cached()


def too_large(error: BaseException) -> ScoreError:
    """The error for a network that does not fit with a batch of one."""
    return ScoreError(
        "the model ran out of memory with score.chunk at 1, one picture at a time: use smaller"
        " pictures, half precision (score.dtype) or score.offload=true."
        f" ({f'{type(error).__name__}: {error}'.splitlines()[0]})"
    )
