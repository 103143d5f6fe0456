"""The measures of one method, by the registry: of each pair, and of all frames together; and what a
reader must know of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

import scoregeo.evaluation.measures  # noqa: F401  declares them
from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import load_tensors, save_tensors
from scoregeo.evaluation.path_batch import Context, PathBatch, Values
from scoregeo.evaluation.registry import COLUMNS, MEASURES, Measure
from scoregeo.evaluation.set_measures import FrameFeatures, FrameSets, SetMeasures
from scoregeo.evaluation.settings import EvaluationSettings
from scoregeo.evaluation.statistics import NotAvailable

T = TypeVar("T")

_REFERENCE = "reference.safetensors"


def values_of(batch: PathBatch) -> Values:
    """Every measure of pairs whose needs the batch meets, by name, in the order of the tables.

    Raises ConfigError for a need that is no field of `PathBatch`, and for a value under a name that
    its measure does not declare; DataError for one that is not [pairs].
    """
    found: Values = {}
    for one in MEASURES:
        if one.of_pairs is None or not all(_given(batch, one, need) for need in one.needs):
            continue
        values = one.of_pairs(batch)
        _check(one, values, len(batch.path))
        found |= values
    return {name: found[name] for name in COLUMNS if name in found}


def notes_of(context: Context) -> list[str]:
    """The notes of the measures that a run asks for, in the order of the tables."""
    return [note for one in MEASURES if (note := _note(context, one))]


@dataclass(frozen=True)
class SetComparison:
    """Compares features of frames with those of the references, `reference` [count, d], as the
    settings ask.
    """

    reference: torch.Tensor | None
    settings: EvaluationSettings
    seed: int

    def save(self, folder: Path) -> None:
        """Keep the references' features in `folder`, where there are any."""
        if self.reference is not None:
            save_tensors(folder / _REFERENCE, {"features": self.reference})

    @classmethod
    def load(cls, folder: Path, settings: EvaluationSettings, seed: int) -> "SetComparison":
        """With the features kept in `folder`. Raises DataError where the file is damaged."""
        path = folder / _REFERENCE
        return cls(load_tensors(path)["features"] if path.exists() else None, settings, seed)

    def of(self, found: FrameFeatures | None, units: Sequence[str]) -> SetMeasures:
        """Measures of the frames of all rows, `units` naming each row's pair; nothing where nothing
        is asked for. Raises ConfigError for a name that its measure does not declare.
        """
        if found is None:
            return SetMeasures()
        sets = FrameSets(found, self.reference, tuple(units), self.settings, self.seed)
        parts = []
        for one in MEASURES:
            if one.of_sets is not None:
                parts.append(one.of_sets(sets))
                _check_names(one, (*parts[-1].cells, *parts[-1].rows))
        return SetMeasures(
            cells=_merged(part.cells for part in parts),
            rows=_merged(part.rows for part in parts),
            jackknife=_merged(part.jackknife for part in parts),
            whole=_merged(part.whole for part in parts),
        )


def _note(context: Context, one: Measure) -> str | None:
    if not isinstance(one.note, str):
        return None if one.note is None else one.note(context)
    if one.of_sets is not None and context.networks.features is None:
        return None
    of_run = [need for need in one.needs if hasattr(context, need)]
    return one.note if all(_given(context, one, need) for need in of_run) else None


def _given(context: Context, one: Measure, need: str) -> bool:
    """Whether a field is there: not None, False or empty."""
    if not hasattr(context, need):
        raise ConfigError(f"measure {_named(one)} needs {need!r}, which is no field of PathBatch.")
    value = getattr(context, need)
    return isinstance(value, torch.Tensor) or bool(value)


def _check_names(one: Measure, names: Iterable[str]) -> None:
    for name in names:
        if name not in one.columns:
            raise ConfigError(f"measure {_named(one)} gave {name!r}, which it does not declare.")


def _check(one: Measure, values: Values, pairs: int) -> None:
    _check_names(one, values)
    for name, value in values.items():
        if not isinstance(value, NotAvailable) and value.shape != (pairs,):
            raise DataError(
                f"measure {name!r} gave shape {list(value.shape)}; one value a pair is expected,"
                f" [{pairs}]."
            )


def _merged(parts: Iterable[Mapping[str, T]]) -> dict[str, T]:
    return {name: value for part in parts for name, value in part.items()}


def _named(one: Measure) -> str:
    return ", ".join(one.columns)
