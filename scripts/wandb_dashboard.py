"""The project's dashboard in Weights & Biases: a saved view with panels for lambda, steps and
methods, made of what runs logged.

    python scripts/wandb_dashboard.py outputs/sphere/sweep_HASH --entity ENTITY
    python scripts/wandb_dashboard.py outputs/sphere/HASH outputs/torus/HASH --dry-run view.json

The folders, of runs or sweeps with `tracker=[jsonl,wandb]`, say which methods and measures there
are: no panel is of a name that none of them logged. The view shows all runs of the project that
have these names. Each call saves a new view; with --dry-run nothing is sent, and what would be is
written as JSON. Needs `pip install "scoregeo[dashboard]"`.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scoregeo._utils.errors import ConfigError, DataError, ScoregeoError
from scoregeo._utils.files import read_json, write_text
from scoregeo._utils.jobs import read_jobs
from scoregeo.evaluation.columns import TITLES, headlines, iterated, present
from scoregeo.report.model import is_page
from scoregeo.tracker.naming import (
    ENERGY,
    EVALUATIONS,
    GREATEST_ENERGY,
    MOST_PICTURES,
    PAIRS,
    STEP_LENGTH,
    SUMMARY,
    curve_key,
    picture_key,
    value_key,
)
from scoregeo.tracker.wandb import has_key
from scoregeo.tracker.wandb_memory import Memory
from scoregeo.tracker.wandb_results import values

log = logging.getLogger("dashboard")

SWEPT = {"Lambda": "metric.lam", "Steps": "solver.num_points"}
CURVES = {
    ENERGY: "mean energy of the pairs",
    GREATEST_ENERGY: "greatest energy of the pairs",
    STEP_LENGTH: "length of the step",
}
_LOGARITHMIC = (
    "energy",
    "metric_length",
    "truth_distance_max",
    "score_evaluations",
    "evaluations_per_point",
    "seconds",
)
_COMPARED = 16  # measures in the section of methods


@dataclass(frozen=True)
class Logged:
    """What runs logged: rows of their summaries, names of values, of curves by method, of figures,
    and settings with a number.
    """

    rows: tuple[dict[str, Any], ...]
    values: frozenset[str]
    curves: dict[str, frozenset[str]]
    figures: tuple[str, ...]
    settings: frozenset[str]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="of a run, or of a sweep"
    )
    parser.add_argument("--project", default="scoregeo")
    parser.add_argument("--entity", default=None, help="user or team; by default the key's own")
    parser.add_argument("--name", default="scoregeo", help="of the view")
    parser.add_argument(
        "--dry-run",
        nargs="?",
        const=Path("-"),
        type=Path,
        metavar="FILE",
        help="write JSON there, or print it",
    )
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        logged = read(given.folders)
        entity = "ENTITY" if given.dry_run else _entity(given.entity)
        view = workspace(logged, entity, given.project, given.name)
    except ScoregeoError as error:
        print(f"wandb_dashboard: error: {error}", file=sys.stderr)
        return 1
    if given.dry_run is None:
        log.info("saved: %s", view.save().url)
        return 0
    text = json.dumps(spec(view), indent=2) + "\n"
    if given.dry_run == Path("-"):
        print(text, end="")
    else:
        write_text(given.dry_run, text)
    return 0


def read(folders: Sequence[Path]) -> Logged:
    """What the runs in these folders logged. Raises DataError where one holds no finished run, or
    an untracked one, naming it.
    """
    runs: list[Path] = []
    for folder in folders:
        jobs = [job.run for job in read_jobs(folder)] or sorted(
            path for path in folder.glob("*") if not path.is_symlink()
        )
        places = (one for one in (folder, *jobs) if (one / "summary.json").is_file())
        found = [one for one in places if not is_page(one)]  # such as a sweep's own
        if not found:
            raise DataError(
                f"{folder} holds no summary.json: the folder of a finished run, or of a sweep with"
                " one, is expected."
            )
        runs += found
    rows = [row for run in runs for row in read_json(run / "summary.json")["rows"]]
    curves: dict[str, frozenset[str]] = {}
    for run in runs:
        for method, names in _memory(run).curves.items():
            curves[method] = curves.get(method, frozenset()) | frozenset(names)
    configs = [yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8")) for run in runs]
    figures = [sorted(path.stem for path in (run / "figures").glob("*.png")) for run in runs]
    return Logged(
        rows=tuple(rows),
        values=frozenset(values(rows)),
        curves=curves,
        # Of more than are logged one does not know which were.
        figures=tuple(
            dict.fromkeys(
                name for names in figures if len(names) <= MOST_PICTURES for name in names
            )
        ),
        settings=frozenset(
            key for key in SWEPT.values() if any(_number_at(config, key) for config in configs)
        ),
    )


def workspace(logged: Logged, entity: str, project: str, name: str) -> Any:
    """The view, a `wandb_workspaces.workspaces.Workspace`. Raises ConfigError where that package is
    not installed.
    """
    try:
        import wandb_workspaces.workspaces as ws
    except ImportError:
        raise ConfigError(
            "The dashboard needs the package wandb-workspaces, which is not installed: pip install"
            " 'scoregeo[dashboard]'."
        ) from None
    sections = {"Methods": _methods(logged), "Energy against score evaluations": _curves(logged)}
    sections |= {title: _swept(logged, key) for title, key in SWEPT.items()}
    sections |= {"Pairs, tables and figures": _tables(logged)}
    return ws.Workspace(
        entity=entity,
        project=project,
        name=name,
        sections=[
            ws.Section(name=title, panels=panels, is_open=True)
            for title, panels in sections.items()
            if panels
        ],
    )


def spec(view: Any) -> dict[str, Any]:
    """What saving the view sends, as plain JSON."""
    return json.loads(view._to_model().spec.model_dump_json(by_alias=True, exclude_none=True))


def _methods(logged: Logged) -> list[Any]:
    """A bar a method, for each measure."""
    import wandb_workspaces.reports.v2 as wr

    panels = []
    for measure in present(logged.rows)[:_COMPARED]:
        methods = dict.fromkeys(row["method"] for row in logged.rows if row["measure"] == measure)
        keys = [
            key
            for key in (value_key(method, measure) for method in methods)
            if key in logged.values
        ]
        if keys:
            panels.append(wr.BarPlot(title=TITLES[measure], metrics=keys))
    return panels


def _curves(logged: Logged) -> list[Any]:
    """Each quantity of the iterations against score evaluations a point, a line a method."""
    import wandb_workspaces.reports.v2 as wr

    panels = []
    for quantity, words in CURVES.items():
        keys = [
            curve_key(method, quantity)
            for method, names in logged.curves.items()
            if curve_key(method, quantity) in names
        ]
        if keys:
            title = TITLES["evaluations_per_point"]
            panels.append(
                wr.LinePlot(title=words, x=EVALUATIONS, y=keys, title_x=title, log_y=True)
            )
    return panels


def _swept(logged: Logged, setting: str) -> list[Any]:
    """Each headline of each iterating method against a setting, a point a run."""
    import wandb_workspaces.reports.v2 as wr

    if setting not in logged.settings:
        return []
    wanted = [
        (measure, method) for measure in headlines(logged.rows) for method in iterated(logged.rows)
    ]
    return [
        wr.ScatterPlot(
            title=f"{TITLES[measure]}, {method}",
            x=wr.Config(setting),
            y=wr.SummaryMetric(value_key(method, measure)),
            log_x=True,
            log_y=measure in _LOGARITHMIC,
        )
        for measure, method in wanted
        if value_key(method, measure) in logged.values
    ]


def _tables(logged: Logged) -> list[Any]:
    import wandb_workspaces.reports.v2 as wr

    wide = wr.Layout(w=24, h=14)
    panels: list[Any] = [
        wr.WeavePanelSummaryTable(table_name=name, layout=wide) for name in (PAIRS, SUMMARY)
    ]
    if logged.figures:
        panels.append(
            wr.MediaBrowser(
                title="figures",
                media_keys=[picture_key(name) for name in logged.figures],
                layout=wide,
            )
        )
    return panels


def _memory(run: Path) -> Memory:
    try:
        return Memory.read(run)
    except DataError:
        raise DataError(
            f"{run} was not tracked by Weights & Biases: run it with 'tracker=[jsonl,wandb]'."
        ) from None


def _number_at(config: Any, key: str) -> bool:
    for part in key.split("."):
        config = config.get(part) if isinstance(config, dict) else None
    return isinstance(config, (int, float)) and not isinstance(config, bool)


def _entity(given: str | None) -> str:
    """The one given, or the key's own. Raises ConfigError where there is no key, without which
    nothing can be saved.
    """
    if not has_key():
        raise ConfigError(
            "No key for Weights & Biases: run `wandb login`, or set WANDB_API_KEY; --dry-run needs"
            " none."
        )
    import wandb

    return given or str(wandb.Api().default_entity)


if __name__ == "__main__":
    sys.exit(main())
