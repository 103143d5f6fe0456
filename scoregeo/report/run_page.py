"""The page of a run: in its own folder, and in a folder of results."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from scoregeo._utils.configuration import identity
from scoregeo._utils.files import load_yaml, write_text, write_whole
from scoregeo._utils.yaml_text import yaml_text
from scoregeo.evaluation.comparison import RULE
from scoregeo.evaluation.networks import weights_line
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.model import FIGURES, Failure, Page, Picture, Table
from scoregeo.report.page_settings import PageSettings
from scoregeo.report.passages import passages_table
from scoregeo.report.picture import describe
from scoregeo.report.render import HTML, MARKDOWN, Card, markdown, page_view, write_html, write_page
from scoregeo.report.run import Run, read_run
from scoregeo.report.sheet import MOST, Sheet, run_sheets
from scoregeo.report.sound import SOUNDS
from scoregeo.report.table import rows_from_summary

CONFIG = "config.yaml"
_STRIPS = 4  # pictures of frames on a page
_SETS = ("fid", "kid")
_OF_PAIRS = ("strip_", "sound_", "spectra_")
_INTRO = "Means over pairs with 95 % intervals."
_FEW_FRAMES = "FID and KID are of few frames and do not compare with other papers' numbers."


def write_run_page(folder: Path) -> tuple[Path, Path]:
    """Write `table.md` and `report.html` into the folder of a run; gives both.

    Raises DataError for a folder that is no run's, or that holds what cannot be read.
    """
    page = run_page(read_run(folder))
    write_text(folder / MARKDOWN, markdown(page, with_csv=False))
    card = run_card(folder, "run")
    report = write_html(folder / HTML, page.title, intro([card]), [card])
    return folder / MARKDOWN, report


def intro(cards: Sequence[Card]) -> str:
    """What stands above a report of these cards."""
    rows = (row for card in cards for view in card.pages for row in view.page.numbers())
    of_sets = any(isinstance(row.cells.get(one), Estimate) for row in rows for one in _SETS)
    return f"{_INTRO} {_FEW_FRAMES}" if of_sets else _INTRO


def run_card(folder: Path, prefix: str) -> Card:
    """A run's page in full; `prefix` makes its ids unique in a report."""
    run = read_run(folder)
    page = run_page(run)
    view = page_view(page, folder, prefix=prefix, sheets=sheets_of(run))
    return Card(prefix, page.title, page.question, page.finding, [view], folded=False)


def run_page(run: Run) -> Page:
    """A run's page; of one that failed or did not finish, what is known of it and the reason."""
    manifest, settings = run.manifest, run.page
    page = Page(
        name=run.name,
        title=settings.title or run.name,
        command=str(manifest.get("command", "")),
        tables=(),
        question=settings.question,
        measures=tuple(settings.measures),
        seed=manifest.get("seed"),
        settings=_settings(manifest),
    )
    if run.failure is not None:
        return replace(page, failures=(Failure(run.name, run.failure),))
    weights = weights_line(manifest.get("weights") or [])
    notes = [
        *([RULE] if run.comparisons else []),
        *map(str, manifest.get("notes") or []),
        *run.endings(),
        *([weights] if weights else []),
    ]
    return replace(
        page,
        tables=_tables(run),
        comparisons=run.comparisons,
        pairwise=tuple(one for one in run.pairwise if one["measure"] in settings.measures),
        notes=tuple(notes),
        figures=tuple(Picture(path.name, describe(path.stem)) for path in _figures(run.folder)),
    )


def result_page(name: str, settings: PageSettings, run: Path, command: str, results: Path) -> Page:
    """Write the page of an experiment's run, its figures and frame sheets to `results`/NAME."""
    found = read_run(run)
    folder = results / name
    clear_figures(folder)
    for figure in _figures(run):
        for path in (figure, figure.with_suffix(".pdf")):
            if path.is_file() and not (path.suffix == ".pdf" and path.stem.startswith(_OF_PAIRS)):
                write_whole(folder / FIGURES / path.name, partial(_copy, path))
    shutil.rmtree(folder / SOUNDS, ignore_errors=True)
    for sounds in _one_a_group(sorted((run / SOUNDS).glob("*")), found.groups):
        shutil.copytree(sounds, folder / SOUNDS / sounds.name)
    sheets = {f"frames_{sheet.pair}.webp": sheet for sheet in sheets_of(found)}
    for file, sheet in sheets.items():
        sheet.save(folder / FIGURES / file)
    page = replace(
        run_page(found),
        name=name,
        title=settings.title or name,
        question=settings.question,
        measures=tuple(settings.measures),
        command=command,
        sheets=tuple(sheets),
        configuration=CONFIG,
    )
    config = load_yaml(run / CONFIG)
    write_text(folder / CONFIG, yaml_text(identity(config)))
    write_page(page, folder)
    return page


def sheets_of(run: Run, most: int = MOST) -> list[Sheet]:
    """Frame sheets of at most so many of a run's pairs; none of a run that kept no frames."""
    methods = [str(one) for one in run.manifest.get("methods", ())]
    return run_sheets(run.folder, run.groups, methods, most=most)


def clear_figures(folder: Path) -> None:
    """Remove what an earlier page of this name drew."""
    if (folder / FIGURES).is_dir():
        shutil.rmtree(folder / FIGURES)


def duration(seconds: float) -> str:
    """For a reader: seconds below ten minutes, minutes below five hours, else hours."""
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 18000 else f"{seconds / 3600:.1f} h"


def _tables(run: Run) -> tuple[Table, ...]:
    groups = list(dict.fromkeys(str(entry["group"]) for entry in run.entries))
    tables = []
    for group in groups:
        own = (entry for entry in run.entries if entry["group"] == group)
        rows = rows_from_summary(own, comparisons=run.comparisons)
        whole = "All pairs" if len(groups) > 1 else ""
        tables.append(Table(tuple(rows), whole if group in ("all", "") else group))
    if (passages := passages_table(run.folder)) is not None:
        tables.append(passages)
    return tuple(tables)


def _settings(manifest: Mapping[str, object]) -> dict[str, object]:
    given = manifest.get("versions")
    versions = given if isinstance(given, Mapping) else {}
    seconds = manifest.get("seconds")
    known = {
        "pairs": manifest.get("pairs"),
        "device": manifest.get("device"),
        "scoregeo": versions.get("scoregeo"),
        "torch": versions.get("torch"),
        "whole run": duration(seconds) if isinstance(seconds, (int, float)) else None,
    }
    return {key: value for key, value in known.items() if value is not None}


def _figures(run: Path) -> Sequence[Path]:
    """A run's figures, the main one first: its paths, the strip of one pair of each group, its
    energies.
    """
    found = sorted(run.glob(f"{FIGURES}/*.png"))
    strips = [path for path in found if path.name.startswith(_OF_PAIRS)]
    one_a_group = {path.stem.split("_")[1]: path for path in reversed(strips)}
    energies = [path for path in found if path.stem == "energy"]
    plots = [path for path in found if path not in (*strips, *energies)]
    return [*plots, *sorted(one_a_group.values())[:_STRIPS], *energies]


def _one_a_group(folders: Sequence[Path], groups: Mapping[str, str]) -> list[Path]:
    """Of folders named by pairs, the first of each group."""
    first = {groups.get(folder.name, ""): folder for folder in reversed(folders)}
    return sorted(first.values())


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
