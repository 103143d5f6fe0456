"""What came of each start: how many pairs it led to their best known geodesic, and at what cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from experiments.starts.cells import Cell, numbers_of

REACHED = 1.05  # of the best known energy


@dataclass(frozen=True)
class Share:
    """What came of one start on one case in one group of pairs (None: all of them): medians over
    `pairs` pairs.

    `reached`: pairs within 5 % of the best known energy. `ratio`: geodesic's energy over the best
    known; `start_ratio`: the start's own.
    """

    case: str
    start: str
    group: str | None
    pairs: int
    reached: int
    ratio: float
    start_ratio: float
    start_evaluations: float
    solver_evaluations: float


def shares(cells: Sequence[Cell]) -> list[Share]:
    """Every start in every group and in all of them, from the cells of one case."""
    best = torch.stack([cell.finite_energy for cell in cells]).amin(0)
    found = []
    for cell in cells:
        for group in [*dict.fromkeys(cell.groups), None]:
            chosen = torch.tensor([group in (None, own) for own in cell.groups])
            found.append(_share(cell, group, chosen, best))
    return found


def _share(cell: Cell, group: str | None, chosen: torch.Tensor, best: torch.Tensor) -> Share:
    ratio = (cell.finite_energy / best)[chosen].nan_to_num(
        torch.inf, torch.inf
    )  # infinite over infinite: no start has an energy
    own = (numbers_of(cell.start_energy) / best)[chosen].nan_to_num(torch.inf, torch.inf)
    return Share(
        case=cell.case,
        start=cell.start,
        group=group,
        pairs=int(chosen.sum()),
        reached=int((ratio <= REACHED).sum()),
        ratio=_median(ratio),
        start_ratio=_median(own),
        start_evaluations=_median(numbers_of(cell.start_evaluations)[chosen]),
        solver_evaluations=_median(numbers_of(cell.solver_evaluations)[chosen]),
    )


def _median(values: torch.Tensor) -> float:
    """The lower of the two in the middle, so that one infinity of two does not hide the other."""
    return float(values.median())
