"""What paths cost: iterations, score evaluations, seconds."""

from typing import TYPE_CHECKING

from scoregeo.evaluation.registry import Column, measure

if TYPE_CHECKING:
    import torch

    from scoregeo.evaluation.path_batch import PathBatch, Values


@measure(
    {
        "iterations": Column("iterations"),
        "score_evaluations": Column("score evaluations"),
        "evaluations_per_point": Column("score evaluations a point"),
        "start_evaluations": Column("evaluations for the start"),
        "other_evaluations": Column("evaluations to invert and decode"),
    },
    needs=("costs",),
)
def evaluations(batch: "PathBatch") -> "Values":
    """Counts of each pair."""
    costs = batch.costs
    assert costs is not None
    spent = costs.score_evaluations.double()
    found: Values = {
        "score_evaluations": spent,
        "evaluations_per_point": spent / batch.path.shape[1],
        "start_evaluations": costs.start_evaluations.double(),
        "other_evaluations": _each(batch, costs.other_evaluations),
    }
    if costs.iterations is not None:
        found["iterations"] = costs.iterations.double()
    return found


@measure(
    {"metrics_evaluations": Column("evaluations to measure in the metrics")},
    needs=("met", "metrics"),
)
def metrics_evaluations(batch: "PathBatch") -> "Values":
    """Each path's share of what `evaluation.metrics` cost, which no other count holds."""
    spent = batch.energy.further(batch.path).score_evaluations
    return {"metrics_evaluations": _each(batch, spent / max(1, len(batch.path)))}


@measure(
    {"seconds": Column("seconds a pair")},
    needs=("costs",),
    note="Seconds a pair are the time of all pairs of a run, or of one of its shards, over their"
    " number: the same for each of them.",
)
def seconds(batch: "PathBatch") -> "Values":
    """Of the batch, divided by its pairs."""
    assert batch.costs is not None
    return {"seconds": _each(batch, batch.costs.seconds / max(1, batch.costs.pairs))}


def _each(batch: "PathBatch", value: float) -> "torch.Tensor":
    """The same value for every pair."""
    import torch

    return torch.full((len(batch.path),), float(value), dtype=torch.float64)
