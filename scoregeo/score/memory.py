"""Running out of memory, said in terms of the setting that helps."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from scoregeo._utils.errors import ScoreError

# Of CUDA, of the CPU's allocator (two wordings), of Apple's.
_WORDS = ("out of memory", "not enough memory", "can't allocate memory")


@contextmanager
def memory_hint(chunk: int) -> Iterator[None]:
    """Turn an out-of-memory error inside into a ScoreError that names
    `score.chunk` and its value.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
        if not known and not any(word in str(error).lower() for word in _WORDS):
            raise
        smaller = "smaller pictures or half precision"
        advice = (
            f"set score.chunk below {chunk}"
            if chunk > 1
            else f"score.chunk is already 1: use {smaller}"
        )
        raise ScoreError(
            f"the model ran out of memory: {advice}."
            f" ({f'{type(error).__name__}: {error}'.splitlines()[0]})"
        ) from error
