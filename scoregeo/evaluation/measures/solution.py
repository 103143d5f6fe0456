"""What solvers and extrapolations report of their own paths."""

from typing import TYPE_CHECKING

from scoregeo.evaluation.registry import Column, measure

if TYPE_CHECKING:
    from scoregeo.evaluation.path_batch import PathBatch, Values


@measure(
    {
        "stationarity": Column("stationarity"),
        "tunnelled": Column("share of pairs that tunnel"),
        "reached": Column("share of the asked length reached"),
        "energy_drift": Column("drift of the energy"),
    },
    needs=("reported",),
)
def solution(batch: "PathBatch") -> "Values":
    """As reported."""
    return dict(batch.reported)
