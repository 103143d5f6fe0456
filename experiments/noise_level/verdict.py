"""How the level that a rule chose compares with the best of the grid."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.noise_level.levels import STRAIGHT, Cell


@dataclass(frozen=True)
class Verdict:
    """One case and metric: the rule's cell, the grid's of least distance and of least length error,
    and the straight line's.
    """

    auto: Cell
    best: Cell
    best_length: Cell
    straight: Cell

    @property
    def ratio(self) -> float:
        """The rule's greatest distance to the truth over the best of the grid; below 1 where it
        lies between levels.
        """
        return self.auto.greatest / self.best.greatest

    @property
    def length_ratio(self) -> float:
        """The same of the length error."""
        return self.auto.length / self.best_length.length


def verdict(cells: Sequence[Cell], metric: str) -> Verdict:
    """Of one case's cells."""
    mine = [cell for cell in cells if cell.metric == metric]
    levels = [cell for cell in mine if not cell.rule]
    (auto,) = (cell for cell in mine if cell.rule)
    (straight,) = (cell for cell in cells if cell.metric == STRAIGHT)
    return Verdict(
        auto,
        min(levels, key=lambda cell: cell.greatest),
        min(levels, key=lambda cell: cell.length),
        straight,
    )
