"""Run the experiments of the README's tables and write `results/`: a page, a CSV and figures for each.

    python scripts/reproduce.py [--profile quick|full] [--experiment FOLDER ...] [--only NAME ...]

An experiment is a folder of `experiments/`, with one page in `results/` or several. A page that takes too long for all of them
together is made only where --only names it: stable_diffusion_twenty, the experiment with its 20 pairs, and
rotated_mnist_unet_ten_exact_gradient, whose solver takes a backward pass through the network with every evaluation.

What is done is not computed again unless its configuration changed: runs lie under `outputs/reproduce`, in folders named
by a hash of their configuration.
"""

import argparse
import json
import logging
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from reproduce_items import APART, EXPERIMENTS, ITEMS, PROPERTIES, STUDIES, Item, Study
from reproduce_jobs import Pool, Run, run_of, set_logging

from scoregeo.baseline.base import CLOSED_FORM
from scoregeo.columns import TITLES, present
from scoregeo.core.files import read_json, write_text, write_whole
from scoregeo.core.results import check_format
from scoregeo.evaluation.comparison import RULE
from scoregeo.evaluation.networks import weights_line
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.comparison import comparison_table, read_summary
from scoregeo.report.curves import Line, sweep_lines
from scoregeo.report.sweep import line_of
from scoregeo.report.table import Row, csv_table, page, rows_from_summary, write_page
from scoregeo.score.model_folder import MODELS, model_digest
from scoregeo.settings import digest

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments/ is not installed

from experiments.properties import FULL, LEARNED, write_properties

log = logging.getLogger("reproduce")

PROFILES = ("quick", "full")
_STRIPS = 4  # pictures of frames on a page


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=PROFILES, default="quick")
    parser.add_argument("--experiment", nargs="+", choices=list(EXPERIMENTS), default=[], metavar="FOLDER")
    pages = [page for found in EXPERIMENTS.values() for page in found]
    parser.add_argument("--only", nargs="+", choices=pages, default=[], metavar="NAME")
    parser.add_argument("--output", type=Path, default=Path("outputs/reproduce"))
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="runs at a time (default: %(default)s)")
    parser.add_argument("overrides", nargs="*", help="further key=value for every experiment")
    given = parser.parse_args(arguments)
    if given.jobs < 1:
        parser.error(f"argument --jobs: {given.jobs} is not allowed: 1 or more runs at once.")
    set_logging()
    began = time.monotonic()
    asked = {page for name in given.experiment for page in EXPERIMENTS[name]}
    wanted = {*given.only, *(asked - APART)} or {*pages} - APART
    entries = [entry for entry in (*ITEMS, *STUDIES) if entry.name in wanted]
    runs = {entry.name: _runs(entry, given.profile, given.overrides, given.output) for entry in entries}
    properties = _properties(given.output) if PROPERTIES in wanted else None
    pool = Pool(given.jobs)
    lines, failures, spent = [], {}, dict[Path, float]()
    try:
        # The properties are one long run: last, it would go on alone.
        pool.submit([*([properties] if properties else []), *(run for found in runs.values() for run in found.values())])
        for entry in entries:
            done: dict[str, tuple[Path, list[str]]] = {}
            for value, run in runs[entry.name].items():
                reason = pool.reason(run)
                if reason is None:
                    done[value] = run.folder, list(run.overrides)
                else:
                    log.error("%s failed: %s", " ".join(run.overrides), reason)
                    failures[f"{entry.name} {value}".strip()] = reason
            if isinstance(entry, Study):
                write_study(entry, done, [value for value in runs[entry.name] if value not in done], given.results)
            elif done:
                write_results(entry, *done[""], given.results)
            found = {folder: read_json(folder / "manifest.json").get("seconds", 0.0) for folder, _ in done.values()}
            spent |= found
            lines.append(f"{entry.name:32s} {sum(found.values()):7.1f} s   {given.results / entry.name}.md")
            log.info("page: %s", lines[-1])
        if properties:
            reason = pool.reason(properties)
            failures |= {PROPERTIES: reason} if reason else {}
            for suffix in (".md", ".csv") if reason is None else ():
                kept = (properties.folder / PROPERTIES).with_suffix(suffix)
                write_whole(given.results / f"{PROPERTIES}{suffix}", partial(_copy, kept))
            lines.append(f"{PROPERTIES:32s}             {given.results / PROPERTIES}.md")
    finally:
        pool.close()
    log.info("results, with the seconds of their runs:\n%s", "\n".join(lines))
    log.info("all runs: %s of work; this command: %s", duration(sum(spent.values())), duration(time.monotonic() - began))
    for name, reason in failures.items():
        log.error("failed: %s: %s", name, reason)
    return 1 if failures else 0


def _runs(entry: Item | Study, profile: str, overrides: Sequence[str], output: Path) -> dict[str, Run]:
    """Each case's run by its value; an item's one under the empty value."""
    jobs = [("", entry.overrides(profile))] if isinstance(entry, Item) else entry.jobs(profile)
    return {value: run_of(f"{entry.name} {value}".strip(), [*first, *overrides], output) for value, first in jobs}


def _properties(output: Path) -> Run:
    """The script's own page and table, made in a folder named by its settings and weights where they are not there yet."""
    facts = [repr(FULL), *(model_digest(MODELS / name) for name in LEARNED)]
    folder = output / PROPERTIES / digest(" ".join(facts))
    return Run(PROPERTIES, (), folder, partial(_make_properties, folder / PROPERTIES))


def _make_properties(kept: Path) -> None:
    if not all(kept.with_suffix(suffix).is_file() for suffix in (".md", ".csv")):
        write_properties(kept, FULL, "python -m experiments.properties", log.info)


def write_study(study: Study, done: Mapping[str, tuple[Path, list[str]]], failed: Sequence[str], results: Path) -> None:
    """`results/NAME.md` and `.csv`, a row for each case and method, and its measures drawn against the cases."""
    rows: list[Row] = []
    notes = [f"Not in the table, it failed: {study.key} = {value}." for value in failed]
    seed, seconds, settings = None, 0.0, dict[str, object]()
    for value, (run, _) in done.items():
        summary, comparisons = read_summary(run / "summary.json")
        manifest = check_format(read_json(run / "manifest.json"), f"{run.name}/manifest.json")
        seconds += manifest["seconds"]
        seed = manifest["seed"]
        settings = {"pairs": manifest["pairs"], "device": manifest["device"], "all runs": duration(seconds)}
        entries = [entry for entry in summary if entry["group"] == "all"]
        for row in rows_from_summary(entries, {study.key: value}, comparisons=comparisons):
            rows.append(Row({k: v for k, v in row.labels.items() if k != "group"}, row.cells, row.marked))
        notes += [note for note in (*manifest["notes"], *([RULE] if comparisons else [])) if note not in notes]
        notes += [f"{study.key} = {value}: {line}" for line in _statuses(run)]
    if not rows:
        return
    commands = [" ".join(["scoregeo", *overrides]) for _, overrides in done.values()]
    entries = [{"method": row.labels["method"], "measure": name} for row in rows for name in row.cells]
    shown = present(entries, study.columns)
    details = {"seed": seed, "settings": settings, "measures": shown, "titles": TITLES, "notes": notes}
    write_page(results / study.name, study.title, {"": rows}, command="\n".join(commands), **details)
    for old in results.glob(f"figures/{study.name}.*"):
        old.unlink()
    if study.drawn and _study_figure(study, rows, results / "figures" / study.name):
        text = (results / f"{study.name}.md").read_text(encoding="utf-8")
        write_text(results / f"{study.name}.md", text + f"\n## Figures\n\n![{study.title}](figures/{study.name}.png)\n")


def _study_figure(study: Study, rows: Sequence[Row], out: Path) -> list[Path]:
    """A panel for each measure, a line for each method."""
    panels: dict[str, dict[str, Line]] = {}
    for measure in study.measures:
        points: dict[str, list[tuple[float, Estimate]]] = {}
        for row in rows:
            cell, method = row.cells.get(measure), row.labels["method"]
            if isinstance(cell, Estimate) and not method.startswith("start_"):
                points.setdefault(method, []).append((_number(row.labels[study.key]), cell))
        lines = {method: line_of(found) for method, found in points.items()}
        if lines:
            panels[TITLES.get(measure, measure)] = lines
    return sweep_lines(out, panels, xlabel=study.key, ylabels=list(panels)) if panels else []


def duration(seconds: float) -> str:
    """For a reader: seconds below ten minutes, minutes below five hours, else hours."""
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 18000 else f"{seconds / 3600:.1f} h"


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def write_results(item: Item, run: Path, overrides: Sequence[str], results: Path) -> None:
    """`results/NAME.md`, `results/NAME.csv`, and the figures the page shows."""
    summary, comparisons = read_summary(run / "summary.json")
    manifest = check_format(read_json(run / "manifest.json"), f"{run.name}/manifest.json")
    groups = list(dict.fromkeys(row["group"] for row in summary))
    tables = {
        "All pairs" if group == "all" and len(groups) > 1 else "" if group == "all" else group: rows_from_summary(
            (row for row in summary if row["group"] == group), comparisons=comparisons
        )
        for group in groups
    }
    # The caption names the group.
    shown = {
        caption: [Row({k: v for k, v in row.labels.items() if k != "group"}, row.cells, row.marked) for row in rows]
        for caption, rows in tables.items()
    }
    weights = weights_line(manifest["weights"])
    text = page(
        item.title,
        shown,
        command=" ".join(["scoregeo", *overrides]),
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
    pictures = _copy_figures(item.name, run, results)
    text += "\n## Figures\n\n" + "\n\n".join(f"![{name}]({name})" for name in pictures) + "\n"
    write_text(results / f"{item.name}.md", text)
    write_text(results / f"{item.name}.csv", csv_table([row for rows in tables.values() for row in rows]))


def _comparisons(entries: Sequence[Mapping[str, Any]]) -> str:
    """The section of all methods against the best baseline, over all pairs; those of single groups are in summary.json."""
    table = comparison_table([entry for entry in entries if entry["group"] == "all"], TITLES, list(TITLES))
    if not table:
        return ""
    return (
        "\n## Against the best baseline\n\nMethod less reference on the same pairs (length error: of absolute values). "
        "p: two-sided, before and after Holm's correction over the methods of a measure. Effect: matched-pairs rank-biserial "
        f"correlation.\n\n{table}"
    )


def _statuses(run: Path) -> list[str]:
    """How each solver's pairs ended, for example "stein_adam: 8 out_of_budget"."""
    ended: dict[str, Counter[str]] = {}
    for line in (run / "results.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["status"] != CLOSED_FORM:
            ended.setdefault(row["method"], Counter())[row["status"]] += 1
    return [f"{method}: " + ", ".join(f"{n} {status}" for status, n in counts.items()) for method, counts in ended.items()]


def _copy_figures(page_name: str, run: Path, results: Path) -> list[str]:
    """Energy, paths, and the strip of one pair of each group, as PNG, plots as PDF too; the PNGs' names relative to `results`."""
    found = sorted(run.glob("figures/*.png"))
    strips = [path for path in found if path.name.startswith("strip_")]
    one_a_group = {path.stem.split("_")[1]: path for path in reversed(strips)}
    chosen = [path for path in found if path not in strips] + sorted(one_a_group.values())[:_STRIPS]
    names = []
    for old in (*results.glob(f"figures/{page_name}-*.png"), *results.glob(f"figures/{page_name}-*.pdf")):
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


if __name__ == "__main__":
    sys.exit(main())
