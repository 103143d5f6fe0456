"""What a run writes: the format and the fields of its files, checked where they are written and
where they are read.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import read_json
from scoregeo._utils.schema import (
    COUNT,
    NAMES,
    NUMBER,
    NUMBERS,
    OBJECT,
    OBJECTS,
    TEXT,
    TEXTS,
    VERDICT,
    Schema,
    check_all,
    check_fields,
    nullable,
)

FORMAT = 3  # 1 had no comparisons and no units, 2 had bootstrap intervals


def check_format(content: Any, where: str) -> Mapping[str, Any]:
    """`content` itself. Raises DataError, naming `where`, the format found and the one expected,
    for any other than `FORMAT`.
    """
    if not isinstance(content, Mapping):
        raise DataError(
            f"{where} holds {type(content).__name__}, not an object with a format: it was written"
            " by another version."
        )
    found = content.get("format")
    if found != FORMAT:
        raise DataError(
            f"{where} has format {found!r}, this version reads format {FORMAT}: run its command"
            " again, with overwrite=true."
        )
    return content


# A line of results.jsonl, as are the "pairs" of a method's record
LINE: Schema = {
    "method": TEXT,
    "pair": TEXT,
    "group": TEXT,
    "status": TEXT,
    "unit": TEXT.optional,
    "measures": NUMBERS.optional,
    "score_evaluations": COUNT.optional,
    "seconds": NUMBER.optional,
    "start": TEXT.optional,
    "reason": TEXT.optional,
}
# A value of summary.json, and what is said of it
CELL: Schema = {
    "mean": NUMBER.optional,
    "low": NUMBER.optional,
    "high": NUMBER.optional,
    "n": COUNT.optional,
    "left_out": nullable(COUNT).optional,
    "detail": nullable(TEXT).optional,
    "reason": nullable(TEXT).optional,
}
ENTRY: Schema = {
    "method": TEXT,
    "group": TEXT,
    "measure": TEXT,
    **CELL,
    "mean": NUMBER,
    "low": NUMBER,
    "high": NUMBER,
    "n": COUNT,
}
COMPARISON: Schema = {
    "group": TEXT,
    "measure": TEXT,
    "method": TEXT,
    "reference": TEXT,
    "difference": NUMBER,
    "low": NUMBER,
    "high": NUMBER,
    "p": NUMBER,
    "p_corrected": NUMBER,
    "effect": NUMBER,
    "n": COUNT,
    "better": VERDICT,
}
MANIFEST: Schema = {
    "status": TEXT,
    "seconds": NUMBER.optional,
    "command": TEXT.optional,
    "error": TEXT.optional,
    "methods": TEXTS.optional,
    "notes": TEXTS.optional,
    "pairs": COUNT.optional,
    "weights": OBJECTS.optional,
    "inputs": NAMES.optional,
}
# The page that is rendered of a run, a sweep or a study, and a row of its tables
PAGE: Schema = {
    "name": TEXT,
    "title": TEXT,
    "command": TEXT,
    "tables": OBJECTS,
    "question": TEXT.optional,
    "finding": TEXT.optional,
    "seed": nullable(COUNT).optional,
    "settings": OBJECT.optional,
    "titles": NAMES.optional,
    "comparisons": OBJECTS.optional,
    "pairwise": OBJECTS.optional,
    "figures": OBJECTS.optional,
    "failures": OBJECTS.optional,
    "configuration": TEXT.optional,
    "intervals": TEXT.optional,
    **dict.fromkeys(("about", "measures", "notes", "sheets", "swept"), TEXTS.optional),
}
ROW: Schema = {"labels": NAMES, "cells": OBJECT}
# Of a finished method, methods/NAME.json
RECORD: Schema = {
    "method": TEXT,
    "role": TEXT,
    "pairs": OBJECTS,
    "not_available": NAMES,
    "history": OBJECT,
}


def check_summary(rows: Iterable[Any], comparisons: Iterable[Any], where: str) -> None:
    """Raise DataError where an entry of a summary is not of its schema."""
    check_all(rows, ENTRY, f"{where}: rows")
    check_all(comparisons, COMPARISON, f"{where}: comparisons")


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """A run's manifest. Raises DataError, naming the file and the field, where it is missing,
    damaged or of another format; Absent where it is not there.
    """
    path = folder / "manifest.json"
    return check_fields(check_format(read_json(path), str(path)), MANIFEST, str(path))
