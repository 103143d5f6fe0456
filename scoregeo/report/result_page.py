"""The pages of `results/`: one of an experiment's run, and one of a study's, each `NAME.md`,
`NAME.csv` and figures.
"""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from scoregeo._utils.files import read_json, write_text, write_whole
from scoregeo._utils.results import check_format
from scoregeo.baseline.base import CLOSED_FORM
from scoregeo.evaluation.columns import TITLES, present
from scoregeo.evaluation.comparison import RULE
from scoregeo.evaluation.networks import weights_line
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.comparison import comparison_table, read_summary
from scoregeo.report.curves import Line, sweep_lines
from scoregeo.report.page_settings import PageSettings
from scoregeo.report.sweep import line_of
from scoregeo.report.table import Row, csv_table, page, rows_from_summary, write_page

_STRIPS = 4  # pictures of frames on a page
# Columns of every study's table, after the study's own. All measures are in the CSV.
_ALWAYS = (
    "length_error",
    "truth_distance_max",
    "manifold_distance_max",
    "psnr",
    "ssim",
    "lpips",
    "fid",
    "kid",
    "energy",
    "tunnelled",
    "evaluations_per_point",
    "seconds",
)


@dataclass(frozen=True)
class Study:
    """A study's page: its settings, the column that names the rows, and each row's run; `failed`:
    those without one.
    """

    name: str
    page: PageSettings
    key: str
    done: Mapping[str, Path]
    failed: Sequence[str]
    command: str


def write_study(study: Study, results: Path) -> None:
    """`NAME.md` and `.csv`, a row for each case and method, and its measures drawn against the
    cases.
    """
    rows: list[Row] = []
    notes = [f"Not in the table, it failed: {study.key} = {value}." for value in study.failed]
    seed, seconds, settings = None, 0.0, dict[str, object]()
    for value, run in study.done.items():
        summary, comparisons = read_summary(run / "summary.json")
        manifest = check_format(read_json(run / "manifest.json"), f"{run.name}/manifest.json")
        seconds += manifest["seconds"]
        seed = manifest["seed"]
        settings = {
            "pairs": manifest["pairs"],
            "device": manifest["device"],
            "all runs": duration(seconds),
        }
        entries = [entry for entry in summary if entry["group"] == "all"]
        for row in rows_from_summary(entries, {study.key: value}, comparisons=comparisons):
            rows.append(_without_group(row))
        notes += [
            note
            for note in (*manifest["notes"], *([RULE] if comparisons else []))
            if note not in notes
        ]
        notes += [f"{study.key} = {value}: {line}" for line in _statuses(run)]
    if not rows:
        return
    entries = [
        {"method": row.labels["method"], "measure": name} for row in rows for name in row.cells
    ]
    shown = present(entries, tuple(dict.fromkeys((*study.page.measures, *_ALWAYS))))
    details = {
        "seed": seed,
        "settings": settings,
        "measures": shown,
        "titles": TITLES,
        "notes": notes,
    }
    write_page(
        results / study.name,
        study.page.title or study.name,
        {"": rows},
        command=study.command,
        **details,
    )
    for old in results.glob(f"figures/{study.name}.*"):
        old.unlink()
    if study.page.figure and _study_figure(study, rows, results / "figures" / study.name):
        text = (results / f"{study.name}.md").read_text(encoding="utf-8")
        figure = f"\n## Figures\n\n![{study.page.title or study.name}](figures/{study.name}.png)\n"
        write_text(results / f"{study.name}.md", text + figure)


def write_experiment(name: str, title: str, run: Path, command: str, results: Path) -> None:
    """`NAME.md`, `NAME.csv`, and the figures the page shows, of one run."""
    summary, comparisons = read_summary(run / "summary.json")
    manifest = check_format(read_json(run / "manifest.json"), f"{run.name}/manifest.json")
    groups = list(dict.fromkeys(row["group"] for row in summary))
    tables = {
        (
            "All pairs" if group == "all" and len(groups) > 1 else "" if group == "all" else group
        ): rows_from_summary(
            (row for row in summary if row["group"] == group), comparisons=comparisons
        )
        for group in groups
    }
    weights = weights_line(manifest["weights"])
    text = page(
        title or name,
        {
            caption: [_without_group(row) for row in rows] for caption, rows in tables.items()
        },  # the caption names the group
        command=command,
        seed=manifest["seed"],
        settings={
            "pairs": manifest["pairs"],
            "device": manifest["device"],
            "torch": manifest["versions"]["torch"],
            "whole run": duration(manifest["seconds"]),
        },
        measures=present(summary),
        titles=TITLES,
        table_notes=[weights] if weights else [],
        notes=[*([RULE] if comparisons else []), *manifest["notes"], *_statuses(run)],
    )
    text += _comparisons(comparisons)
    pictures = _copy_figures(name, run, results)
    text += (
        "\n## Figures\n\n" + "\n\n".join(f"![{one}]({one})" for one in pictures) + "\n"
        if pictures
        else ""
    )
    write_text(results / f"{name}.md", text)
    write_text(
        results / f"{name}.csv", csv_table([row for rows in tables.values() for row in rows])
    )


def copy_page(name: str, run: Path, results: Path) -> None:
    """The page of a run that wrote its own `NAME.md` and `NAME.csv`."""
    for suffix in (".md", ".csv"):
        write_whole(results / f"{name}{suffix}", partial(_copy, run / f"{name}{suffix}"))


def duration(seconds: float) -> str:
    """For a reader: seconds below ten minutes, minutes below five hours, else hours."""
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 18000 else f"{seconds / 3600:.1f} h"


def _without_group(row: Row) -> Row:
    return Row({k: v for k, v in row.labels.items() if k != "group"}, row.cells, row.marked)


def _study_figure(study: Study, rows: Sequence[Row], out: Path) -> list[Path]:
    """A panel for each measure, a line for each method."""
    panels: dict[str, dict[str, Line]] = {}
    for measure in study.page.measures:
        points: dict[str, list[tuple[Any, Estimate]]] = {}
        for row in rows:
            cell, method = row.cells.get(measure), row.labels["method"]
            if isinstance(cell, Estimate) and not method.startswith("start_"):
                points.setdefault(method, []).append((_number(row.labels[study.key]), cell))
        lines = {method: line_of(found) for method, found in points.items()}
        if lines:
            panels[TITLES.get(measure, measure)] = lines
    return sweep_lines(out, panels, xlabel=study.key, ylabels=list(panels)) if panels else []


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _comparisons(entries: Sequence[Mapping[str, Any]]) -> str:
    """The section of all methods against the best baseline, over all pairs; those of single groups
    are in summary.json.
    """
    table = comparison_table(
        [entry for entry in entries if entry["group"] == "all"], TITLES, list(TITLES)
    )
    if not table:
        return ""
    return (
        "\n## Against the best baseline\n\nMethod less reference on the same pairs (length error:"
        " of absolute values). p: two-sided, before and after Holm's correction over the methods"
        f" of a measure. Effect: matched-pairs rank-biserial correlation.\n\n{table}"
    )


def _statuses(run: Path) -> list[str]:
    """How each solver's pairs ended, for example "stein_adam: 8 out_of_budget"."""
    ended: dict[str, Counter[str]] = {}
    for line in (run / "results.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["status"] != CLOSED_FORM:
            ended.setdefault(row["method"], Counter())[row["status"]] += 1
    return [
        f"{method}: " + ", ".join(f"{n} {status}" for status, n in counts.items())
        for method, counts in ended.items()
    ]


def _copy_figures(page_name: str, run: Path, results: Path) -> list[str]:
    """Energy, paths, and the strip of one pair of each group, as PNG, plots as PDF too; the PNGs'
    names relative to `results`.
    """
    found = sorted(run.glob("figures/*.png"))
    strips = [path for path in found if path.name.startswith("strip_")]
    one_a_group = {path.stem.split("_")[1]: path for path in reversed(strips)}
    chosen = [path for path in found if path not in strips] + sorted(one_a_group.values())[:_STRIPS]
    names = []
    for old in (
        *results.glob(f"figures/{page_name}-*.png"),
        *results.glob(f"figures/{page_name}-*.pdf"),
    ):
        old.unlink()
    for path in chosen:
        name = f"figures/{page_name}-{path.name}"
        write_whole(results / name, partial(_copy, path))
        vector = path.with_suffix(".pdf")
        if path not in strips and vector.is_file():
            write_whole((results / name).with_suffix(".pdf"), partial(_copy, vector))
        names.append(name)
    return names


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
