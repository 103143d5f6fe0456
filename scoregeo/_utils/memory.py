"""The memory that the tensors of a computation may take: one setting, from which the sizes of
batches follow.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from scoregeo._utils.errors import check_number

GIB = 2**30
DEFAULT_GIB = 8.0
_BYTES_A_NUMBER = 512  # at the default 2^24 numbers, with a dozen float64 copies 1.5 GiB
_limit = DEFAULT_GIB


def limit_gib() -> float:
    """The limit in force, in GiB."""
    return _limit


def limit_bytes() -> int:
    """The limit in force, in bytes."""
    return int(_limit * GIB)


def set_memory_limit(gib: float) -> None:
    """Let solves, the edges of graphs and the measures of paths take about `gib` GiB, above 0, in
    this process; 8 at first.

    Pairs that do not fit are solved one batch after another. Not counted: libraries, the weights of
    a model and what a network takes for its own batch: `score.chunk`, or where that is null as much
    again. Raises ConfigError for what is no number above 0.
    """
    global _limit
    check_number("memory_gib", gib, above=0.0)
    _limit = float(gib)


@contextmanager
def memory_limit(gib: float) -> Iterator[None]:
    """`set_memory_limit` for the work within: the tensors of solves, graphs and measures take about
    `gib` GiB.

    Example:
        >>> import torch, scoregeo
        >>> score = scoregeo.SphereScore(dimension=2, ambient=3)
        >>> a, b = torch.eye(3).double()[:2, None].repeat(1, 10, 1)
        >>> with scoregeo.memory_limit(0.0002):  # 10 pairs, fewer than 6 at a time
        ...     found = scoregeo.geodesic(score, a, b, sigma=0.1, num_points=9)
        >>> len(found.status)
        10
    """
    before = _limit
    set_memory_limit(gib)
    try:
        yield
    finally:
        set_memory_limit(before)


def numbers_at_once() -> int:
    """Numbers of the points whose scores are evaluated together, where nothing larger is kept: a
    sixty-fourth of the limit in float64, for there are a dozen copies of them for a while.
    """
    return max(1, limit_bytes() // _BYTES_A_NUMBER)


def in_gib(size: float) -> str:
    """Bytes as GiB with three digits, rounded up, such as "0.131"."""
    gib = size / GIB
    step = 10.0 ** (math.floor(math.log10(gib)) - 2) if gib > 0 else 1.0
    return f"{math.ceil(gib / step) * step:.3g}"
