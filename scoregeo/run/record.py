"""A method's record, `methods/NAME.json`, of all pairs: made of what was computed of them in one
part or in several.

A part has what does not depend on the other parts: lines of pairs, features of frames, and counts
that pairs have shares of. An ordinary run is one part, a sharded one as many as it has shards; both
become a record by `whole_record`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.evaluate import SetComparison
from scoregeo.evaluation.path_batch import Values
from scoregeo.evaluation.set_measures import FrameFeatures
from scoregeo.evaluation.statistics import NotAvailable
from scoregeo.report.table import summary_entry
from scoregeo.run.problem.base import AbstractProblem
from scoregeo.run.problem.outcome import Outcome
from scoregeo.run.summary import ALL

FRAMES, POINTS, FEATURES, CONFIDENCE = "frames", "points", "features", "confidence"

Record = dict[str, Any]


def part_record(
    problem: AbstractProblem,
    name: str,
    outcome: Outcome,
    frames: torch.Tensor | None,
    values: Values,
    sets: FrameFeatures | None,
) -> Record:
    """What one part's pairs gave: JSON values, and tensors under "tensors".

    `frames` [rows, points, *frame]: the decoded paths; `values`: measures of rows; `sets`: the
    features of frames."""
    pairs = problem.pairs
    known = {key: value for key, value in values.items() if isinstance(value, torch.Tensor)}
    lines = [
        {
            "method": name,
            "pair": pairs.names[i],
            "group": pairs.groups[i],
            "unit": problem.units[i],
            "status": outcome.status[i],
            "measures": {key: float(value[i]) for key, value in known.items()},
            "score_evaluations": int(outcome.score_evaluations[i]),
            "seconds": outcome.seconds / len(pairs),
        }
        | ({"start": outcome.start[i]} if outcome.start else {})
        | ({"reason": outcome.reason[i]} if outcome.reason and outcome.reason[i] else {})
        for i in range(len(pairs))
    ]
    tensors = {POINTS: outcome.path} | (
        {} if frames is None or frames is outcome.path else {FRAMES: frames}
    )
    if sets is not None and isinstance(sets.features, torch.Tensor):
        tensors |= {FEATURES: sets.features} | (
            {} if sets.confidence is None else {CONFIDENCE: sets.confidence}
        )
    return {
        "method": name,
        "role": problem.role(name),
        "decoded": frames is not None,
        "pairs": lines,
        "not_available": {
            key: value.reason for key, value in values.items() if isinstance(value, NotAvailable)
        },
        "sets": None if sets is None else _sets(sets),
        "shared": _shared(outcome),
        "history": _history(outcome),
        "tensors": tensors,
    }


def whole_record(parts: Sequence[Record], comparison: SetComparison) -> Record:
    """The record of all pairs, with its tensors under "tensors": rows in the order of a run that is
    not sharded.

    What pairs share is divided among all of them, what was spent once for all counted once. A
    measure that one part could not have, for want of a network's weights, is not available.
    Raises DataError for parts with other rows a pair.
    """
    first, order = parts[0], _order(parts)
    missing = {key: reason for part in parts for key, reason in part["not_available"].items()}
    every = [line for part in parts for line in part["pairs"]]
    lines = [{**every[i], "measures": dict(every[i]["measures"])} for i in order]
    for line in lines:
        for key in missing:
            line["measures"].pop(key, None)
    _share(
        lines,
        [own for part in parts for own in (part["shared"] or {}).get("own", ())],
        order,
        parts,
    )
    kept = [key for key in first["tensors"] if all(key in part["tensors"] for part in parts)]
    tensors = {key: _cat([part["tensors"][key] for part in parts], order) for key in kept}
    together = comparison.of(_features(parts, tensors), [line["unit"] for line in lines])
    for key, found in together.rows.items():
        if isinstance(found, NotAvailable):
            missing[key] = found.reason
            continue
        for line, value in zip(lines, found.tolist(), strict=True):
            line["measures"][key] = value
    name = first["method"]
    return {
        "method": name,
        "role": first["role"],
        "decoded": first["decoded"],
        "pairs": lines,
        "points": tensors[POINTS].shape[1],
        "not_available": missing,
        "distribution": [
            summary_entry(name, ALL, key, cell) for key, cell in together.cells.items()
        ],
        "jackknife": {key: values.tolist() for key, values in together.jackknife.items()},
        "whole": dict(together.whole),
        "history": _merged_histories([part["history"] for part in parts], order),
        "tensors": {key: tensors[key] for key in (POINTS, FRAMES) if key in tensors},
    }


def frames_of(record: Mapping[str, Any]) -> torch.Tensor:
    """A decoded method's clean paths, on the CPU."""
    tensors: dict[str, torch.Tensor] = record["tensors"]
    return tensors.get(FRAMES, tensors[POINTS]).cpu()


def _order(parts: Sequence[Record]) -> list[int]:
    """Which of the parts' rows, one part after the other, each row of the run is.

    A pair may have several rows: all pairs once, then all again (`AbstractProblem.units`).
    """
    counts = [len(part["pairs"]) for part in parts]
    pairs = [len({line["unit"] for line in part["pairs"]}) for part in parts]
    times = {count // own for count, own in zip(counts, pairs, strict=True)}
    if len(times) > 1:
        raise DataError(
            f"the shards of {parts[0]['method']} have {sorted(times)} rows a pair: they are not of"
            " one run."
        )
    starts = [sum(counts[:k]) for k in range(len(parts))]
    return [
        start + block * own + i
        for block in range(times.pop())
        for start, own in zip(starts, pairs, strict=True)
        for i in range(own)
    ]


def _share(
    lines: Sequence[dict[str, Any]],
    own: Sequence[float],
    order: Sequence[int],
    parts: Sequence[Record],
) -> None:
    """Write each line's share of the evaluations that all pairs share (`Shared`)."""
    shared = [part["shared"] for part in parts]
    if shared[0] is None:
        return
    of, pairs = shared[0]["of"], sum(one["pairs"] for one in shared)
    share = (shared[0]["prepared"] + sum(one["spent"] for one in shared)) / pairs
    for line, i in zip(lines, order, strict=True):
        value = own[i] + share
        line["measures"][of] = value
        if of == "score_evaluations":
            line[of] = int(value)
            line["measures"]["evaluations_per_point"] = value / shared[0]["points"]


def _shared(outcome: Outcome) -> Record | None:
    shared = outcome.shared
    if shared is None:
        return None
    return {
        "of": shared.of,
        "own": shared.own.tolist(),
        "prepared": shared.prepared,
        "spent": shared.spent,
        "pairs": shared.pairs,
        "points": outcome.path.shape[1],
    }


def _sets(sets: FrameFeatures) -> Record:
    reason = sets.features.reason if isinstance(sets.features, NotAvailable) else None
    return {"network": sets.network, "reason": reason}


def _features(parts: Sequence[Record], tensors: Mapping[str, torch.Tensor]) -> FrameFeatures | None:
    sets = parts[0]["sets"]
    if sets is None:
        return None
    reason = next(
        (part["sets"]["reason"] for part in parts if part["sets"]["reason"] is not None), None
    )
    found = tensors[FEATURES] if reason is None else NotAvailable(reason)
    return FrameFeatures(found, sets["network"], tensors.get(CONFIDENCE))


def _cat(values: Sequence[torch.Tensor], order: Sequence[int]) -> torch.Tensor:
    """The parts' rows in the run's order; one part's as they are."""
    return values[0] if len(values) == 1 else torch.cat(list(values))[torch.tensor(order)]


def _history(outcome: Outcome) -> Record:
    """Energy and evaluations [steps, pairs] as lists, and the points of a path; or nothing for a
    method without iterations.
    """
    if not outcome.history:
        return {}
    return {
        "iteration": [step.iteration for step in outcome.history],
        "energy": [step.energy.tolist() for step in outcome.history],
        "score_evaluations": [step.score_evaluations.tolist() for step in outcome.history],
        "points": outcome.path.shape[1],
    }


def _merged_histories(histories: Sequence[Record], order: Sequence[int]) -> Record:
    """As one; that of a part whose pairs have stopped repeats its last step, as a pair's does in
    one run.
    """
    if len(histories) == 1 or not histories[0]:
        return histories[0]
    iterations = max((history["iteration"] for history in histories), key=len)

    def columns(key: str) -> list[list[Any]]:
        rows = []
        for step in range(len(iterations)):
            row = [
                value
                for history in histories
                for value in history[key][min(step, len(history[key]) - 1)]
            ]
            rows.append([row[i] for i in order])
        return rows

    return {
        "iteration": iterations,
        "energy": columns("energy"),
        "score_evaluations": columns("score_evaluations"),
        "points": histories[0]["points"],
    }
