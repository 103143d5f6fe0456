"""How many points a network is given at once: a number, or what a limit of memory allows."""

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch

from scoregeo._utils.errors import check_number
from scoregeo._utils.memory import limit_bytes
from scoregeo.score.allocated import Allocated
from scoregeo.score.memory import free_cached, is_out_of_memory, too_large

log = logging.getLogger(__name__)

MOST = 64  # points at once where memory is there for more: larger batches are no faster
GRAPH = 16  # times an evaluation's memory, about, that a graph for a backward pass keeps
TANGENT = 3  # the same for a forward-mode derivative


@dataclass
class _Known:
    """Of one network: `cost`, bytes that one input takes, by its kind; `most`, the largest batch
    after memory ran out, by the derivative taken.
    """

    cost: dict[Hashable, int] = field(default_factory=dict)
    most: dict[int, int] = field(default_factory=dict)


_KNOWN: WeakKeyDictionary[torch.nn.Module, _Known] = WeakKeyDictionary()


def check_chunk(chunk: int | None, key: str = "score.chunk") -> None:
    """Raise ConfigError unless `chunk` is a whole number above 0, or None."""
    if chunk is not None:
        check_number(key, chunk, at_least=1, integer=True)


def in_batches(
    network: torch.nn.Module,
    count: int,
    chunk: int | None,
    work: Callable[[slice, int], torch.Tensor],
    *,
    kind: Hashable,
    inputs: int = 1,
    derivative: int = 0,
) -> torch.Tensor:
    """`work` on `count` points, batch after batch, concatenated.

    The largest batch is `chunk`; where that is None, as many inputs as the memory limit
    (`memory_gib`, `scoregeo.memory_limit`) holds, by what the first one takes (`Allocated`), at
    most 64. Where memory runs out, the batch is halved, for this network and what takes as much
    memory (values, or a derivative) from then on, and the work goes on; this is said in a warning.

    Args:
        work: of a slice of the points, and the largest batch for the network.
        kind: inputs of one kind take the same memory. inputs: of the network to a point.
        derivative: `GRAPH` or `TANGENT` where one is taken, for None: else 0.

    Raises ScoreError where memory runs out with a batch of one.
    """
    known = _KNOWN.setdefault(network, _Known())
    found: list[torch.Tensor] = []
    done = 0
    while done < count or not found:  # of no points once, for the shape
        measured = chunk is not None or kind in known.cost
        largest = _largest(known, chunk, kind, derivative)
        part = slice(done, min(done + max(1, largest // inputs), count))
        try:
            if measured or derivative or not count:
                found.append(work(part, largest))
            else:
                with Allocated(next(network.parameters()).device) as memory:
                    found.append(work(part, largest))
                known.cost[kind] = max(memory.peak, 1)
            done = part.stop
            continue
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            _lower(known, min(largest, inputs * (part.stop - part.start)), derivative, error)
        free_cached()
    return torch.cat(found)


def halve(
    network: torch.nn.Module,
    count: int,
    chunk: int | None,
    error: BaseException,
    *,
    kind: Hashable,
    inputs: int = 1,
) -> None:
    """Halve the batches of `network` with a graph from then on, after memory ran out, by `error`,
    in a backward pass through `in_batches` of `count` points. Arguments and errors as there.
    """
    known = _KNOWN.setdefault(network, _Known())
    _lower(known, min(_largest(known, chunk, kind, GRAPH), inputs * count), GRAPH, error)


def _lower(known: _Known, failed: int, derivative: int, error: BaseException) -> None:
    if failed <= 1:
        raise too_large(error) from error
    known.most[derivative] = (failed + 1) // 2  # rounded up: of 3, 2 are tried before 1
    log.warning(
        "the model ran out of memory at a batch of %d%s: %d from here on (score.chunk).",
        failed,
        " with a derivative" if derivative else "",
        known.most[derivative],
    )


def _largest(known: _Known, chunk: int | None, kind: Hashable, derivative: int) -> int:
    if chunk is None:
        cost = known.cost.get(kind)
        room = 1 if cost is None else limit_bytes() // (cost * max(1, derivative))
        chunk = max(1, min(MOST, room))
    # What does not fit does not either with what takes more.
    return min([chunk, *(most for kept, most in known.most.items() if kept <= derivative)])
