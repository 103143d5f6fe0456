"""The folder of results as sections of the page, and what is kept there of the runs behind them.

Everything the page shows lies in the folder itself: `NAME.md` and `NAME.csv` (tables), `figures/`,
and, of each run, frame sheets and `NAME.json` (comparisons, the run's folder). So a fresh clone,
without runs, gives the same page.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import read_json, write_json
from scoregeo._utils.results import FORMAT
from scoregeo.report.markdown import read_markdown
from scoregeo.report.measure_table import comparison_table, dots
from scoregeo.report.page import Block, Failure, Figure, Prose, Section, Table
from scoregeo.report.picture import figure, relative
from scoregeo.report.questions import Question, read_questions
from scoregeo.report.run import DONE, FAILED, Run, read_run
from scoregeo.report.run_section import run_links
from scoregeo.report.sheet import read_sheet, run_sheets

_COLUMNS = ("measure", "mean", "low", "high", "n", "left_out", "reason")
_SHEET = "frames-"
_REST = "Further pages"
_OUTPUT = re.compile(r"\soutput=\S+")
_KEPT = 1  # format of NAME.json


def result_names(results: Path) -> list[str]:
    """The names of the results in a folder: those with both a page, `NAME.md`, and numbers,
    `NAME.csv`.
    """
    return sorted(path.stem for path in results.glob("*.md") if path.with_suffix(".csv").is_file())


def results_sections(results: Path, runs: Path | None = None) -> list[Section]:
    """A section for each result. `runs`: where runs lie, as OUTPUT/NAME/HASH, for links to those
    that are there.

    Raises DataError for a folder without results and for a CSV or JSON file of another version.
    """
    names = result_names(results)
    if not names:
        raise DataError(
            f"{results} holds no results: at least one NAME.md with its NAME.csv is expected there."
        )
    told = {
        name: question
        for question in read_questions(results.resolve().parent / "experiments")
        for name in question.pages
    }
    order = {
        name: place for place, name in enumerate(told)
    }  # as the experiments are told, then the rest
    names.sort(key=lambda name: (order.get(name, len(order)), name))
    return [_section(results, name, told.get(name), runs) for name in names]


def keep_runs(results: Path, runs: Path) -> list[str]:
    """Keep in `results` what the page needs of the runs its tables were made from; gives the names
    of those found.

    A table's run is the newest one under `runs`/EXPERIMENT that is done, has the command of its
    page and the format read here. Raises DataError for one that is damaged.
    """
    kept = []
    for name in result_names(results):
        command = read_markdown(
            (results / f"{name}.md").read_text(encoding="utf-8"), _no_picture
        ).command
        folder = _run_of(runs, command)
        if folder is not None:
            _keep(results, name, read_run(folder))
            kept.append(name)
    return kept


def failed_runs(runs: Path, base: Path) -> tuple[Failure, ...]:
    """Experiments whose newest run under `runs` has failed, with the reason; links relative to the
    folder `base`.
    """
    found = []
    for experiment in sorted(path for path in runs.glob("*") if path.is_dir()):
        newest = max(
            _manifests(experiment), key=lambda item: str(item[1].get("started")), default=None
        )
        if newest is not None and newest[1].get("status") == FAILED:
            reason = str(newest[1].get("error") or "no reason was recorded")
            found.append(Failure(experiment.name, reason, relative(newest[0], base)))
    return tuple(found)


def _section(results: Path, name: str, question: Question | None, runs: Path | None) -> Section:
    entries = _numbers(results / f"{name}.csv")
    sheets = [
        read_sheet(path)
        for path in sorted((results / "figures").glob(f"{name}-{_SHEET}*.webp"), key=_by_number)
    ]
    scrubbed = {f"{name}-strip_{sheet.pair}" for sheet in sheets}

    def picture(source: str, alt: str) -> Figure | None:
        path = results / source
        if path.stem in scrubbed:
            return None  # the sheet shows the same frames, and more of them
        if not path.is_file():
            raise DataError(f"{name}.md shows {source}, which is not there.")
        return figure(path, "" if alt == source else alt, name, results)

    document = read_markdown((results / f"{name}.md").read_text(encoding="utf-8"), picture)
    kept = _kept(results / f"{name}.json")
    blocks: list[Block] = [*(dots(entries) if entries else []), *_without_empty(document.blocks)]
    blocks = [
        replace(block, folded=True) if isinstance(block, Table) and _compares(block) else block
        for block in blocks
    ]
    # The Markdown page has those over all pairs itself.
    there = (
        {"all"} if any(isinstance(block, Table) and _compares(block) for block in blocks) else set()
    )
    compared = comparison_table(
        [entry for entry in kept.get("comparisons", ()) if entry["group"] not in there]
    )
    blocks += [compared] if compared else []
    blocks += [sheet.scrub(name, opened=number == 0) for number, sheet in enumerate(sheets)]
    links = [(file, file) for file in (f"{name}.md", f"{name}.csv")]
    runs_here = _folder_of(runs, document.command) if runs is not None and kept.get("run") else None
    folder = runs_here / str(kept["run"]) if runs_here is not None else None
    links += run_links(folder, results) if folder is not None and folder.is_dir() else []
    said = Section(
        name,
        document.title or name,
        (),
        document.command,
        tuple(document.facts),
        tuple(blocks),
        tuple(links),
    )
    if question is None:
        return replace(said, part=_REST)
    found = ("what was found", relative(question.readme, results))
    return replace(said, claim=(question.asked,), links=(found, *said.links), part=question.title)


def _without_empty(blocks: list[Block]) -> list[Block]:
    """Without headings that nothing follows, such as "Figures" where sheets replaced them all."""
    empty = re.compile(r"<h\d>[^<]*</h\d>\n")
    following = [*blocks[1:], None]
    return [
        block
        for block, after in zip(blocks, following, strict=True)
        if not (
            isinstance(block, Prose)
            and empty.fullmatch(block.html)
            and (after is None or _is_heading(after))
        )
    ]


def _compares(table: Table) -> bool:
    """Whether the table is one of comparisons, which only those who doubt a winner unfold."""
    return "against" in table.head


def _is_heading(block: Block) -> bool:
    return isinstance(block, Prose) and block.html.startswith("<h")


def _numbers(path: Path) -> list[dict[str, Any]]:
    """Rows of a table's CSV in the form of summary.json's; none where its rows are not of methods
    and groups.
    """
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle)
        missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise DataError(
                f"{path} lacks the column(s) {', '.join(missing)}: it was written by another"
                " version."
            )
        if not {"method", "group"} <= set(reader.fieldnames or ()):
            return []
        try:
            return [_entry(line) for line in reader]
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{path}, line {reader.line_num}, holds what is no number: {error}."
            ) from error


def _entry(line: Mapping[str, str]) -> dict[str, Any]:
    numbers = {key: float(line[key]) if line[key] else None for key in ("mean", "low", "high")}
    counts = {key: int(line[key] or 0) for key in ("n", "left_out")}
    words = {key: line[key] for key in ("method", "group", "measure")} | {
        "detail": line.get("detail") or ""
    }
    return words | numbers | counts | {"reason": line["reason"] or None}


def _keep(results: Path, name: str, run: Run) -> None:
    """Sheets of the run's frames, and NAME.json."""
    figures = results / "figures"
    for old in figures.glob(f"{name}-{_SHEET}*.webp"):
        old.unlink()
    for sheet in run_sheets(
        run.folder, run.groups, [str(method) for method in run.manifest.get("methods", ())]
    ):
        sheet.save(figures / f"{name}-{_SHEET}{sheet.pair}.webp")
    write_json(
        results / f"{name}.json",
        {"format": _KEPT, "run": run.folder.name, "comparisons": list(run.comparisons)},
    )


def _kept(path: Path) -> dict[str, Any]:
    """What `_keep` wrote, or nothing where no run was found."""
    if not path.is_file():
        return {}
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError(f"{path} is not what the report keeps of a run: an object is expected.")
    if content.get("format") != _KEPT:
        raise DataError(
            f"{path}: its format is {content.get('format')!r}, and {_KEPT} is read here: `make"
            " report` writes it anew."
        )
    return content


def _run_of(runs: Path, command: str) -> Path | None:
    """The newest run of the same experiment and arguments, but for the one that says where runs
    lie.
    """
    folder = _folder_of(runs, command)
    if folder is None:
        return None
    wanted = {"status": DONE, "format": FORMAT}
    found = [
        (path, manifest) for path, manifest in _manifests(folder) if manifest | wanted == manifest
    ]
    same = [
        (p, m)
        for p, m in found
        if _OUTPUT.sub("", str(m.get("command"))) == _OUTPUT.sub("", command)
    ]
    return max(same, key=lambda item: str(item[1].get("started")), default=(None, {}))[0]


def _folder_of(runs: Path, command: str) -> Path | None:
    """Where runs of a command's experiment lie; several pages may share one. None for a script's
    command.
    """
    found = re.search(r"\sexperiment=(\w+)", command)
    return runs / found[1] if found else None


def _manifests(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The manifests of an experiment's runs; damaged ones are passed over."""
    found = []
    for path in sorted(folder.glob("*/manifest.json")):
        try:
            manifest = read_json(path)
        except DataError:
            continue
        if isinstance(manifest, dict):
            found.append((path.parent, manifest))
    return found


def _by_number(path: Path) -> list[tuple[int, str]]:
    """Numbers in names by size: 60 before 120."""
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.stem)
    ]


def _no_picture(source: str, alt: str) -> None:
    return None
