"""How far paths depart from the chord of their ends, where the metric is met, and along what."""

from typing import TYPE_CHECKING

from scoregeo.evaluation.registry import Column, measure

if TYPE_CHECKING:
    from scoregeo.evaluation.path_batch import Context, PathBatch, Values


def _note(context: "Context") -> str | None:
    if not context.settings.departure:
        return None
    return (
        "The greatest departure is the part of a path's way across the chord of its ends, where"
        " the metric is met, over the chord; the shares are of its square, summed over inner"
        " points, along the score at the chord and along the true path's departure. A direction"
        " without relation to it has a share of one in the number of pixels."
    )


@measure(
    {
        "departure": Column("greatest departure / chord"),
        "departure_score": Column("share of it along the score"),
        "departure_truth": Column("share of it along the truth's"),
    },
    needs=("end_given", "met"),
    note=_note,
)
def departure(batch: "PathBatch") -> "Values":
    """`evaluation.departure`; shares are NaN, empty cells, for straight lines."""
    import torch

    from scoregeo.evaluation.departure import chord_feet
    from scoregeo.evaluation.departure import departure as departure_of

    if not batch.settings.departure:
        return {}
    path = batch.path.cpu()
    with torch.no_grad():
        scores = batch.scores(chord_feet(path).to(batch.path))
    found = departure_of(path, scores.cpu(), batch.truth_near(path))
    values: Values = {"departure": found.greatest, "departure_score": found.along_score}
    if found.along_truth is not None:
        values["departure_truth"] = found.along_truth
    return values
