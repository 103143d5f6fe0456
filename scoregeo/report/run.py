"""One run's folder as the report reads it: manifest, rows, comparisons, how pairs ended. Files of
another format are refused.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import load_yaml, read_text
from scoregeo._utils.results import LINE, check_format, read_manifest
from scoregeo._utils.schema import check_fields
from scoregeo.evaluation.comparison import RULE
from scoregeo.evaluation.networks import weights_line
from scoregeo.report.comparison import read_summary
from scoregeo.report.names import method_name
from scoregeo.report.page_settings import PageSettings, read_settings

log = logging.getLogger(__name__)

DONE, FAILED = "done", "failed"
CLOSED_FORM = "closed_form"


@dataclass(frozen=True)
class Run:
    """A run's folder. `page`: what its configuration says of its page; `entries`: the rows of
    summary.json; `lines`: those of results.jsonl; both empty unless it is done.
    """

    folder: Path
    manifest: Mapping[str, Any]
    page: PageSettings = field(default_factory=PageSettings)
    entries: tuple[Mapping[str, Any], ...] = ()
    comparisons: tuple[Mapping[str, Any], ...] = ()
    pairwise: tuple[Mapping[str, Any], ...] = ()
    lines: tuple[Mapping[str, Any], ...] = ()

    @property
    def failure(self) -> str | None:
        """Why there are no results, or None."""
        status = self.manifest.get("status")
        if status == DONE:
            return None
        return (
            str(self.manifest.get("error") or "no reason was recorded")
            if status == FAILED
            else unfinished()
        )

    @property
    def name(self) -> str:
        """The experiment's name, from the folder OUTPUT/NAME/HASH."""
        return self.folder.resolve().parent.name

    @property
    def groups(self) -> dict[str, str]:
        """The group of each pair, in order."""
        return {str(line["pair"]): str(line["group"]) for line in self.lines}

    def endings(self) -> list[str]:
        """How each solver's pairs ended, such as "Geodesic (Stein, Adam): 8 out_of_budget"."""
        ended: dict[str, Counter[str]] = {}
        for line in self.lines:
            if line["status"] != CLOSED_FORM:
                ended.setdefault(str(line["method"]), Counter())[str(line["status"])] += 1
        return [
            f"{method_name(method)}: " + ", ".join(f"{n} {status}" for status, n in counts.items())
            for method, counts in ended.items()
        ]


def notes_of(runs: Iterable[tuple[str, Run]], *, rule: bool = False) -> list[str]:
    """What the named runs of one page note of their columns and networks, each line once, and how
    the paths of each ended. `rule`: with that of the comparisons, where a run has any.
    """
    notes: list[str] = []
    for name, run in runs:
        weights = weights_line(run.manifest.get("weights") or [])
        compared = [RULE] if rule and run.comparisons else []
        shown = (*map(str, run.manifest.get("notes") or []), *compared, weights)
        notes += [note for note in shown if note and note not in notes]
        notes += [f"{name}: {line}" for line in run.endings()]
    return notes


def read_run(folder: Path) -> Run:
    """Read a run's folder.

    Raises DataError for a folder that is none, for files that are damaged or lack what is expected,
    and for those of another format, naming the file, what it says and what is read here.
    """
    manifest = read_manifest(folder)
    page = read_settings(_config(folder).get("page"))
    if manifest["status"] != DONE:
        return Run(folder, manifest, page)
    summary = read_summary(folder / "summary.json")
    lines = tuple(_lines(folder / "results.jsonl"))
    rows, comparisons, pairwise = map(tuple, summary)
    return Run(folder, manifest, page, rows, comparisons, pairwise, lines)


def unfinished() -> str:
    """What is said of a run that is marked neither done nor failed."""
    return "it has not finished: it still runs, or was killed; the same command resumes it"


def _config(folder: Path) -> Mapping[str, Any]:
    """The run's configuration; empty, with a warning, where it cannot be read."""
    try:
        found = load_yaml(folder / "config.yaml")
    except DataError as error:
        log.warning("%s The page has none of its settings.", error)
        return {}
    return found if isinstance(found, dict) else {}


def _lines(path: Path) -> Iterable[Mapping[str, Any]]:
    """Rows of results.jsonl."""
    for number, line in enumerate(read_text(path).rstrip("\n").split("\n"), 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}, is not JSON: {error}.") from error
        where = f"{path}, line {number},"
        yield check_fields(check_format(row, where), LINE, where)
