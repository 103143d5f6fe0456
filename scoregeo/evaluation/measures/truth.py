"""How far paths are from the true ones and from the manifold, where these are known."""

from typing import TYPE_CHECKING

from scoregeo.evaluation.registry import HIGHER, LOWER, NEARER_ZERO, Column, measure

if TYPE_CHECKING:
    from scoregeo.evaluation.path_batch import PathBatch, Values


@measure(
    {"length": Column("length"), "length_error": Column("length error", NEARER_ZERO)},
    needs=("frames", "distance"),
)
def length(batch: "PathBatch") -> "Values":
    """Euclidean length, and its relative error."""
    from scoregeo.evaluation.manifold import relative_length_error
    from scoregeo.path.resampling import arc_length

    assert batch.frames is not None
    found: Values = {"length": arc_length(batch.frames)}
    if batch.true_length is not None:
        found["length_error"] = relative_length_error(batch.frames, batch.true_length)
    return found


@measure(
    {
        "truth_distance_max": Column("greatest distance to truth", LOWER),
        "truth_distance_mean": Column("mean distance to truth", LOWER),
        "truth_distance_share": Column("greatest distance to truth / length", LOWER),
    },
    needs=("frames", "distance", "fine_truth"),
)
def truth_distance(batch: "PathBatch") -> "Values":
    """Distance to the true path at equal fractions of the arc lengths."""
    from scoregeo.evaluation.manifold import distance_to_path

    assert batch.frames is not None and batch.fine_truth is not None
    gap = distance_to_path(batch.frames, batch.fine_truth)
    found: Values = {"truth_distance_max": gap.greatest, "truth_distance_mean": gap.mean}
    if batch.true_length is not None and batch.end_free:
        found["truth_distance_share"] = gap.greatest / batch.true_length
    return found


@measure(
    {
        "arrival_share": Column("share of the true path at the end", HIGHER),
        "arrival_distance": Column("distance to the true path at the end", LOWER),
    },
    needs=("frames", "fine_truth", "end_free"),
)
def arrival(batch: "PathBatch") -> "Values":
    """Where a path whose end is its own ends beside the true one."""
    from scoregeo.evaluation import manifold

    assert batch.frames is not None and batch.fine_truth is not None
    found = manifold.arrival(batch.frames, batch.fine_truth)
    return {"arrival_share": found.share, "arrival_distance": found.off}


@measure(
    {
        "manifold_distance_max": Column("greatest distance to manifold", LOWER),
        "manifold_distance_mean": Column("mean distance to manifold", LOWER),
    },
    needs=("frames", "distance"),
)
def manifold_distance(batch: "PathBatch") -> "Values":
    """Distance of a path's points to the manifold."""
    from scoregeo.evaluation.manifold import distance_to_manifold

    assert batch.frames is not None and batch.distance is not None
    found = distance_to_manifold(batch.frames, batch.distance)
    return {"manifold_distance_max": found.greatest, "manifold_distance_mean": found.mean}
