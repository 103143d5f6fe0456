"""Randomness: every draw comes from a generator named by a seed and a purpose."""

import hashlib
from collections.abc import Iterator

import torch

from scoregeo._utils.part import Part


class PartGenerator(torch.Generator):
    """A generator of draws for the pairs of one part of a run, by `normal` and `uniform`."""

    part: Part


def draws(refusal: Exception, most: int = 100_000) -> Iterator[int]:
    """Counts draws by rejection, which end so: after `most` of them `refusal` is raised."""
    yield from range(most)
    raise refusal


def generator(seed: int, purpose: str, part: Part | None = None) -> torch.Generator:
    """A CPU generator for one purpose of one run.

    Streams for different purposes ("pairs", "noise", ...) are independent, so adding a draw to one
    part of the code does not move another's. Equal (seed, purpose) gives equal draws on every
    machine. With `part`, `normal` and `uniform` give that part's rows of what they give for all
    pairs.
    """
    digest = hashlib.sha256(f"{seed}:{purpose}".encode()).digest()
    source = torch.Generator() if part is None else PartGenerator()
    if isinstance(source, PartGenerator) and part is not None:
        source.part = part
    source.manual_seed(int.from_bytes(digest[:8], "big") % (2**63))
    return source


def normal(shape: tuple[int, ...], source: torch.Generator) -> torch.Tensor:
    """Standard normal numbers, float64, the first axis of `shape` being pairs.

    A pair has the same numbers in a part as in the whole: those of all pairs are drawn, and the
    part's rows are kept."""
    rows, first, kept = _rows(shape, source)
    return torch.randn(rows, *shape[1:], generator=source, dtype=torch.float64)[
        first : first + kept
    ]


def uniform(shape: tuple[int, ...], source: torch.Generator) -> torch.Tensor:
    """Uniform numbers in [0, 1), float64; of a part as in `normal`."""
    rows, first, kept = _rows(shape, source)
    return torch.rand(rows, *shape[1:], generator=source, dtype=torch.float64)[first : first + kept]


def _rows(shape: tuple[int, ...], source: torch.Generator) -> tuple[int, int, int]:
    """Rows to draw, the first to keep, and how many."""
    if not isinstance(source, PartGenerator):
        return shape[0], 0, shape[0]
    assert shape[0] == len(source.part), "one row a pair of the part"
    return source.part.total, source.part.first, len(source.part)


def drawn_seed(source: torch.Generator | None) -> int:
    """A seed that `source` draws; 0 without one."""
    if source is None:
        return 0
    return int(torch.randint(2**31, (), generator=source, device=source.device))
