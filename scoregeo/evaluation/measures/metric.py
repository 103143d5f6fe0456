"""Energy and length of paths in the run's metric and in further ones, where the metric is met."""

from typing import TYPE_CHECKING

from scoregeo.evaluation.registry import LOWER, Column, measure
from scoregeo.evaluation.settings import METRICS

if TYPE_CHECKING:
    from scoregeo.evaluation.path_batch import Context, PathBatch, Values


@measure(
    {
        "energy": Column("energy", LOWER),
        "energy_excess": Column("energy above bound"),  # the energy less what no path can avoid
        "metric_length": Column("length in metric"),
    },
    needs=("met",),
)
def energy(batch: "PathBatch") -> "Values":
    """In the run's metric. Energies only between given ends: elsewhere they do not compare."""
    measured = batch.energy.own(batch.path)
    found: Values = {"metric_length": measured.length}
    if batch.end_given:
        found |= {"energy": measured.energy, "energy_excess": measured.excess}
    return found


def _note(context: "Context") -> str | None:
    if not context.metrics:
        return None
    return (
        f"Energy and length in further metrics: {'; '.join(context.metrics)}, on"
        f" {context.settings.certify_subnodes} parts a segment."
    )


@measure(
    {
        **{f"energy_{name}": Column(f"energy, {name}") for name in METRICS},
        **{f"length_{name}": Column(f"length, {name}") for name in METRICS},
    },
    needs=("met", "metrics"),
    note=_note,
)
def further_metrics(batch: "PathBatch") -> "Values":
    """In the metrics of `evaluation.metrics`."""
    found: Values = {}
    for name, measured in batch.energy.further(batch.path).measures.items():
        found[f"length_{name}"] = measured.length
        if batch.end_given:
            found[f"energy_{name}"] = measured.energy
    return found
