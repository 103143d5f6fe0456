"""The shape of paths by itself, and how well they keep their given ends."""

from typing import TYPE_CHECKING

from scoregeo.evaluation.registry import LOWER, Column, measure

if TYPE_CHECKING:
    from scoregeo.evaluation.path_batch import Context, PathBatch, Values


@measure(
    {"end_error": Column("greatest distance of an end", LOWER)},
    needs=("frames", "end_given", "inverted"),
)
def end_error(batch: "PathBatch") -> "Values":
    """Distance of the decoded ends to the given ones."""
    from scoregeo.evaluation import regularity

    assert batch.frames is not None
    return {"end_error": regularity.end_error(batch.frames, batch.ends)}


def _note(context: "Context") -> str:
    points = context.num_points
    counts = f"{points[0]}" if len(points) == 1 else f"{points[0]} to {points[-1]}"
    return (
        "Straightness is chord over length of the clean path, variation of speed the standard"
        f" deviation of its segments' lengths over their mean: Euclidean, of {counts} points."
    )


@measure(
    {
        "straightness": Column("straightness"),  # a geodesic need not be straight
        "speed_variation": Column("variation of speed", LOWER, True),
    },
    needs=("frames",),
    note=_note,
)
def shape(batch: "PathBatch") -> "Values":
    """Chord over length, and how constant the speed is."""
    from scoregeo.evaluation.regularity import speed_variation, straightness

    assert batch.frames is not None
    return {
        "straightness": straightness(batch.frames),
        "speed_variation": speed_variation(batch.frames),
    }
