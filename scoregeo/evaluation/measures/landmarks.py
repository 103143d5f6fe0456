"""Which landmarks of the data paths pass, and in which order."""

from typing import TYPE_CHECKING

from scoregeo.evaluation.registry import HIGHER, LOWER, Column, measure

if TYPE_CHECKING:
    from scoregeo.evaluation.path_batch import PathBatch, Values


@measure(
    {
        "landmarks_met": Column("share of the true ones met", HIGHER),
        "landmarks_outside": Column("share of the path nearest to others", LOWER),
        "landmark_order": Column("order (Kendall's tau)", HIGHER),
    },
    needs=("frames", "landmarks", "end_given"),
    note=(
        "A path is read by the nearest landmark (sentence) to each of its points. Met: of those"
        " strictly between the ends. Others: those not between the ends. Order: of those passed,"
        " none for a path that passes the two ends alone. The distance to the manifold is that to"
        " the nearest landmark."
    ),
)
def landmarks(batch: "PathBatch") -> "Values":
    """Nearest landmarks against those between the ends."""
    from scoregeo.evaluation.landmarks import passage

    assert batch.frames is not None and batch.landmarks is not None
    found = passage(batch.frames, batch.ends, batch.landmarks)
    return {
        "landmarks_met": found.met,
        "landmarks_outside": found.outside,
        "landmark_order": found.order,
    }
