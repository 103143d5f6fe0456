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
from pathlib import Path
from typing import Any

from wandb_logged import SWEPT, Logged, read

from scoregeo._utils.errors import ConfigError, ScoregeoError
from scoregeo._utils.files import write_text
from scoregeo.evaluation.columns import TITLES, headlines, iterated, present
from scoregeo.tracker.naming import (
    ENERGY,
    EVALUATIONS,
    GREATEST_ENERGY,
    PAIRS,
    STEP_LENGTH,
    SUMMARY,
    curve_key,
    picture_key,
    value_key,
)
from scoregeo.tracker.wandb import has_key

log = logging.getLogger("dashboard")

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
        log.info("written: %s", given.dry_run)
    return 0


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
