"""A run's folder as a section of the page."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scoregeo._utils.configuration import config_dir
from scoregeo.evaluation.networks import weights_line
from scoregeo.report.measure_table import comparison_table, dots, run_tables
from scoregeo.report.page import Block, Failure, Prose, Section
from scoregeo.report.picture import figure, relative
from scoregeo.report.run import Run
from scoregeo.report.sheet import run_sheets

_FACTS = ("seed", "pairs", "device", "seconds", "started")


def run_section(run: Run, base: Path, *, id: str = "run", title: str = "") -> Section:
    """Everything of one run: methods side by side, tables, comparisons, frames to scrub, figures.
    Links are relative to `base`.

    A run that failed or did not finish gives a section that names the reason.
    """
    facts = manifest_facts(run.manifest)
    name = title or run.name
    command = str(run.manifest.get("command", ""))
    links = run_links(run.folder, base)
    claim = experiment_claim(run.name)
    if run.failure is not None:
        failure = Failure(name, run.failure, links[0][1])
        return Section(id, name, claim, command, facts, (), links, (failure,))
    blocks: list[Block] = [*dots(run.entries), *run_tables(run.entries, run.comparisons)]
    compared = comparison_table(run.comparisons)
    blocks += [compared] if compared else []
    weights = weights_line(run.manifest.get("weights") or [])
    blocks += notes_block(
        [
            *map(str, run.manifest.get("notes") or []),
            *run.endings(),
            *([weights] if weights else []),
        ]
    )
    sheets = run_sheets(
        run.folder, run.groups, [str(name) for name in run.manifest.get("methods", ())]
    )
    blocks += [sheet.scrub(id, opened=number == 0) for number, sheet in enumerate(sheets)]
    shown = {f"strip_{sheet.pair}" for sheet in sheets}
    blocks += [
        figure(path, base=base)
        for path in sorted(run.folder.glob("figures/*.png"))
        if path.stem not in shown
    ]
    return Section(id, name, claim, command, facts, tuple(blocks), links)


def manifest_facts(manifest: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Seed, sizes, machine and versions, as far as the manifest has them."""
    facts = [(key, str(manifest[key])) for key in _FACTS if manifest.get(key) is not None]
    revision = str(manifest.get("git_revision") or "")
    facts += (
        [("code", revision[:12] + ("-dirty" if revision.endswith("-dirty") else ""))]
        if revision
        else []
    )
    versions = manifest.get("versions")
    return tuple(
        facts
        + [
            (key, str(value))
            for key, value in (versions if isinstance(versions, dict) else {}).items()
        ]
    )


def notes_block(lines: Sequence[str]) -> list[Prose]:
    """What is to be said under the tables, as a list; nothing for none."""
    from markupsafe import escape

    return (
        [Prose("<ul>\n" + "".join(f"<li>{escape(line)}</li>\n" for line in lines) + "</ul>\n")]
        if lines
        else []
    )


def run_links(folder: Path, base: Path) -> tuple[tuple[str, str], ...]:
    """The folder and its main files, those that are there, as text and link relative to the folder
    `base`.
    """
    found = [("run folder", folder)]
    found += [
        (name, folder / name)
        for name in ("config.yaml", "results.jsonl", "summary.json", "error.txt")
    ]
    return tuple((text, relative(path, base)) for text, path in found if path.exists())


def experiment_claim(name: str) -> tuple[str, ...]:
    """What the experiment's own file says of it in its first comment, or nothing for an experiment
    that has no file.
    """
    path = config_dir() / "experiment" / f"{name}.yaml"
    if not path.is_file():
        return ()
    comments = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        comments += [] if "@package" in line else [line.lstrip("# ").strip()]
    from markupsafe import escape

    return (str(escape(re.sub(r"\s+", " ", " ".join(comments)))),) if comments else ()
