"""The memory that the tensors of a computation may take: one setting, from which the sizes of
batches follow.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from scoregeo._utils.errors import ConfigError, check_number, shown

GIB = 2**30
DEFAULT_GIB = 8.0
_BYTES_A_NUMBER = 512  # at the default 2^24 numbers, with a dozen float64 copies 1.5 GiB
_NODE = 100  # bytes: a point, its weight, and what they are computed from
_COPIES = 4  # of points: drawn, moved, in pairs, in a batch
_MOST = 2**62  # bytes; no machine has them, and no number overflows
_limit = DEFAULT_GIB


def limit_gib() -> float:
    """The limit in force, in GiB."""
    return _limit


def limit_bytes() -> int:
    """The limit in force, in bytes."""
    return int(min(_limit * GIB, _MOST))


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


def check_room(key: str, value: object, needed: float, what: str, fits: str) -> None:
    """Raise ConfigError where `what` takes more than the limit, `needed` bytes: before it is made.
    `fits`: what of the setting `key` would.
    """
    if needed > limit_bytes():
        needed = min(needed, _MOST)  # a whole number may be beyond float64
        raise ConfigError(
            f"{key} = {shown(value)} is not allowed: {what} need about {in_gib(needed)} GiB, above"
            f" the limit of {limit_gib():g} (memory_gib): {key} must be {fits}."
        )


def check_count(key: str, count: int, numbers: int, what: str) -> None:
    """Raise ConfigError unless `count` is a whole number at least 1, and `count` times `numbers`
    float64 numbers, several copies of them, fit into the limit.
    """
    check_number(key, count, at_least=1, integer=True, held=False)  # what fits is said below
    each = 8 * _COPIES * numbers
    most = limit_bytes() // each
    if most == 0:
        raise ConfigError(
            f"{key} = {shown(count)} is not allowed: not even one fits into the limit of"
            f" {limit_gib():g} GiB (memory_gib), for it is of {numbers:.4g} numbers: they must be"
            " fewer."
        )
    check_room(key, count, each * count, what, f"at most {most:,}")


def check_nodes(count: int, spacing: float) -> None:
    """Raise ConfigError where so many quadrature nodes, `spacing` apart, do not fit into the limit,
    naming the noise level that they follow from.
    """
    what = f"{min(count, _MOST):.3g} quadrature nodes"
    check_room("the spacing of nodes", spacing, _NODE * count, what, "greater: raise score.sigma")


def in_gib(size: float) -> str:
    """Bytes as GiB with three digits, rounded up, such as "0.131"."""
    gib = size / GIB
    step = 10.0 ** (math.floor(math.log10(gib)) - 2) if gib > 0 else 1.0
    return f"{math.ceil(gib / step) * step:.3g}"
