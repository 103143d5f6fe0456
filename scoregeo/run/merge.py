"""The folder of a whole run from those of its shards: concatenated, measured over all pairs, and
written as an ordinary run is.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scoregeo._utils.results import read_manifest
from scoregeo.dataset.base import AbstractDataset
from scoregeo.evaluation.evaluate import SetComparison
from scoregeo.run.artifacts import Pictured
from scoregeo.run.folder_state import KEPT, read_method
from scoregeo.run.record import Record, whole_record
from scoregeo.run.run_folder import RunFolder
from scoregeo.run.runner import begin, conclude
from scoregeo.run.settings import RunSettings
from scoregeo.tracker.base import AbstractTracker


def merge(
    dataset: AbstractDataset,
    settings: RunSettings,
    trackers: Sequence[AbstractTracker],
    folder: RunFolder,
    parts: Sequence[Path],
    group: str | None = None,
) -> None:
    """Write `folder` from the folders of all shards, `parts`, in order. No network is evaluated.

    `group`: the sweep this is a job of, for the trackers.
    Raises DataError where a shard's file is missing or damaged, or the shards are not of one run.
    """
    manifests = [read_manifest(part) for part in parts]
    begin(settings, trackers, folder, group)
    comparison = SetComparison.load(parts[0] / KEPT, settings.evaluation, settings.seed)
    records: list[Record] = []
    prepared = 0
    for name in manifests[0]["methods"]:
        found = [read_method(part, name) for part in parts]
        prepared = max(prepared, *((one["shared"] or {}).get("prepared", 0) for one in found))
        record = whole_record(found, comparison)
        folder.save_method(name, record)
        for tracker in trackers:
            tracker.method(name, record["pairs"], record["history"])
        records.append(
            {**record, "tensors": {}}
        )  # those of all methods together may be larger than memory
    pictured = (
        Pictured.load([part / KEPT for part in parts]) if settings.evaluation.figures else None
    )
    facts = merged_facts(manifests, prepared)
    # Of all jobs together, as if one had done their work.
    seconds = folder.seconds + sum(float(manifest["seconds"]) for manifest in manifests)
    conclude(dataset, settings, trackers, folder, records, pictured, facts | {"seconds": seconds})


def merged_facts(manifests: Sequence[Mapping[str, Any]], prepared: int) -> dict[str, Any]:
    """What the whole run's manifest says, from those of its shards.

    `prepared`: score evaluations that every shard spent on what all pairs share.
    """
    count = len(manifests)
    notes = _without_repetition(note for manifest in manifests for note in manifest["notes"])
    if prepared:
        notes.append(
            f"What the starts prepare for all pairs, {prepared:,} score evaluations, was built by"
            f" each of {count} shards; the tables count it once."
        )
    for key in ("git_revision", "versions", "device"):
        if len(_without_repetition(manifest.get(key) for manifest in manifests)) > 1:
            notes.append(f"The shards differ in {key.replace('_', ' ')}: see their manifests.")
    return {
        "methods": manifests[0]["methods"],
        "pairs": sum(manifest["pairs"] for manifest in manifests),
        "weights": _without_repetition(
            record for manifest in manifests for record in manifest["weights"]
        ),
        "notes": notes,
        "shards": count,
    }


def _without_repetition(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found
