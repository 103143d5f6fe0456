"""The data model behind every page: a `Page`, kept as `summary.json` in a folder of its own.

Markdown, CSV and HTML are rendered from it (`scoregeo.report.render`). Figures and frame sheets lie
beside it in `figures/`. Nothing in it depends on the machine or the day.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import finite_or_null, read_json, write_text
from scoregeo._utils.results import COMPARISON, PAGE, ROW
from scoregeo._utils.schema import check_all, check_fields
from scoregeo.evaluation.statistics import NotAvailable
from scoregeo.report.table import Cell, Row, read_cell

SUMMARY = "summary.json"
FIGURES = "figures"
FORMAT = "scoregeo page 1"


@dataclass(frozen=True)
class Table:
    """Rows under a caption.

    Attributes:
        rows: a label column is shown where it says something; "table" and "group" not where all
            rows have the same, which the caption then names.
        measures: the columns shown first; by default those of the page.
        notes: lines that belong under this table.
        numbers: the rows of the CSV, where the shown ones are made for reading.
    """

    rows: tuple[Row, ...]
    caption: str = ""
    measures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    numbers: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A figure: its file's name in `figures/`, and what it shows in words."""

    file: str
    caption: str


@dataclass(frozen=True)
class Failure:
    """A job or case without results: its name, why, and the values of its swept keys."""

    name: str
    reason: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """Everything that a page says.

    Attributes:
        name: of its folder. title: its heading. command: what makes it, a line a command.
        tables: the first is the page's main one.
        question, finding: a sentence each; the finding, where there is one, stands first.
        seed, settings: what else is needed to make it again.
        about: paragraphs under the first sentence.
        measures: the columns that answer the question, shown first.
        titles: of columns that `scoregeo.evaluation.columns` does not know.
        comparisons: entries as of `scoregeo.report.comparison.comparison_entry`. pairwise: those of
            each geodesic against every other method, by the page's measures.
        notes: on methods, measures and how solvers ended.
        figures: the main one first. sheets: names of frame sheets in `figures/`.
        failures: what is not in the tables. swept: the label columns that a sweep varied.
        configuration: the file beside it with every setting of its run, resolved; "" where it has
            none.
        intervals: their kind, "t"; "bootstrap" on pages made before it was recorded.
    """

    name: str
    title: str
    command: str
    tables: tuple[Table, ...]
    question: str = ""
    finding: str = ""
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    about: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    comparisons: tuple[Mapping[str, Any], ...] = ()
    pairwise: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    figures: tuple[Picture, ...] = ()
    sheets: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    swept: tuple[str, ...] = ()
    configuration: str = ""
    intervals: str = "t"

    def numbers(self) -> list[Row]:
        """The rows of the CSV, table after table."""
        return [row for table in self.tables for row in table.numbers or table.rows]

    def cell(self, measure: str, **labels: str) -> Cell:
        """The cell of a measure in the first row that has these labels, such as `method="lerp"`.

        Raises DataError where there is none.
        """
        for row in self.numbers():
            if labels.items() <= row.labels.items() and measure in row.cells:
                return row.cells[measure]
        raise DataError(f"{self.name}: no row has {measure} and {labels}.")

    def to_json(self) -> dict[str, Any]:
        """Plain values, of which `from_json` makes an equal page."""
        parts = {
            "settings": {key: _scalar(value) for key, value in self.settings.items()},
            "tables": [_table_to_json(table) for table in self.tables],
            "figures": [vars(picture) for picture in self.figures],
            "failures": [vars(failure) for failure in self.failures],
        }
        kept = (item.name for item in _FIELDS if item.name != "pairwise" or self.pairwise)
        return {"format": FORMAT, **{name: getattr(self, name) for name in kept}} | parts

    @classmethod
    def from_json(cls, content: Any, where: str) -> "Page":
        """Raises DataError, naming `where`, for what is no page of this format."""
        found = content.get("format") if isinstance(content, Mapping) else None
        if found != FORMAT:
            raise DataError(f"{where} has format {found!r}; {FORMAT!r} is read here.")
        check_fields(content, PAGE, where)
        for key in _COMPARED:
            check_all(content.get(key, ()), COMPARISON, f"{where}: {key}")
        try:
            given = {item.name: content[item.name] for item in _FIELDS if item.name in content}
            made = {
                "tables": tuple(_table_from_json(table) for table in given["tables"]),
                "figures": tuple(Picture(**picture) for picture in given.get("figures", ())),
                "failures": tuple(Failure(**failure) for failure in given.get("failures", ())),
                "intervals": given.get("intervals", "bootstrap"),
            }
            made |= {key: tuple(given[key]) for key in _LISTS if key in given}
            return cls(**given | made)
        except (KeyError, TypeError, ValueError, AttributeError) as error:  # a DataError, too
            raise DataError(f"{where} is no page: {type(error).__name__}: {error}") from error

    def save(self, folder: Path) -> Path:
        """Write `summary.json` into `folder`, a line a cell; gives its path."""
        text = json.dumps(finite_or_null(self.to_json()), indent=1, allow_nan=False)
        write_text(folder / SUMMARY, _INNERMOST.sub(_one_line, text) + "\n")
        return folder / SUMMARY

    @classmethod
    def load(cls, folder: Path) -> "Page":
        """The page of a folder. Raises DataError where it is missing, damaged or of another
        format.
        """
        return cls.from_json(read_json(folder / SUMMARY), str(folder / SUMMARY))


_FIELDS = fields(Page)
_INNERMOST = re.compile(r"\{[^{}\[\]]*\}")
_COMPARED = "comparisons", "pairwise"
_LISTS = ("about", "measures", "notes", "sheets", "swept", *_COMPARED)


def table_of(caption: str, rows: Iterable[Row]) -> Table:
    """A table whose rows name it in the CSV, as those of a page with several tables must."""
    named = (Row({"table": caption, **row.labels}, row.cells, row.marked) for row in rows)
    return Table(tuple(named), caption)


def is_page(folder: Path) -> bool:
    """Whether a folder holds a page, of this format."""
    path = folder / SUMMARY
    if not path.is_file():
        return False
    content = read_json(path)
    return isinstance(content, Mapping) and content.get("format") == FORMAT


def read_pages(results: Path) -> dict[str, Page]:
    """The pages of a folder of results by name, one a folder."""
    folders = sorted(path for path in results.glob("*") if path.is_dir() and is_page(path))
    return {folder.name: Page.load(folder) for folder in folders}


def _one_line(match: re.Match[str]) -> str:
    """An object of plain values on one line; a line break inside a string is escaped already."""
    return re.sub(r"\n\s*", " ", match[0])


def _scalar(value: Any) -> Any:
    return value if isinstance(value, (int, float, bool, str)) else str(value)


def _table_to_json(table: Table) -> dict[str, Any]:
    rows = {"rows": _rows_to_json(table.rows), "numbers": _rows_to_json(table.numbers)}
    return {key: value for key, value in (vars(table) | rows).items() if value}


def _table_from_json(content: Mapping[str, Any]) -> Table:
    rows, numbers = (tuple(map(_row, content.get(key, ()))) for key in ("rows", "numbers"))
    measures, notes = (tuple(content.get(key, ())) for key in ("measures", "notes"))
    return Table(rows, str(content.get("caption", "")), measures, notes, numbers)


def _rows_to_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [
        {
            "labels": dict(row.labels),
            "cells": {
                name: _cell_to_json(cell) | ({"bold": True} if name in row.marked else {})
                for name, cell in row.cells.items()
            },
        }
        for row in rows
    ]


def _cell_to_json(cell: Cell) -> dict[str, Any]:
    if isinstance(cell, str):
        return {"text": cell}
    if isinstance(cell, NotAvailable):
        return {"reason": cell.reason}
    optional = {"left_out": cell.left_out, "detail": cell.detail}
    bounds = {key: getattr(cell, key) for key in ("low", "high")}
    return {
        "mean": cell.mean,
        **{key: value for key, value in bounds.items() if math.isfinite(value)},
        "n": cell.n,
        **{key: value for key, value in optional.items() if value},
    }


def _row(content: Mapping[str, Any]) -> Row:
    check_fields(content, ROW, "a row")
    cells: dict[str, Cell] = {
        name: str(cell["text"]) if "text" in check_fields(cell, {}, name) else read_cell(cell, name)
        for name, cell in content["cells"].items()
    }
    marked = frozenset(name for name, cell in content["cells"].items() if cell.get("bold"))
    return Row(dict(content["labels"]), cells, marked)
