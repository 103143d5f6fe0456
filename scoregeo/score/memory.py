"""Running out of memory, said in terms of the settings that help."""

import torch

from scoregeo._utils.errors import ScoreError

# Of CUDA, of the CPU's allocator (two wordings), of Apple's.
_WORDS = ("out of memory", "not enough memory", "can't allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on any device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _WORDS)


def too_large(error: BaseException) -> ScoreError:
    """The error for a network that does not fit with a batch of one."""
    return ScoreError(
        "the model ran out of memory with score.chunk at 1, one picture at a time: use smaller"
        " pictures, half precision (score.dtype) or score.offload=true."
        f" ({f'{type(error).__name__}: {error}'.splitlines()[0]})"
    )
