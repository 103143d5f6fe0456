"""What `make reproduce-paper` runs: every experiment has its folder, its pages and its settings."""

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from scoregeo.cli import compose
from scoregeo.settings import config_dir

ROOT = Path(__file__).parents[1]
# Folders of experiments/ with a command of their own, and their pages.
OWN_COMMANDS = {"benchmark": ("make bench", "bench_solver"), "memory": ("make memory", "memory")}


@pytest.fixture(scope="module")
def items() -> Any:
    sys.path.insert(0, str(ROOT / "scripts"))
    return importlib.import_module("reproduce_items")


def test_every_folder_of_experiments_has_a_readme_and_its_pages(items: Any) -> None:
    folders = {path.parent.name for path in (ROOT / "experiments").glob("*/README.md")}
    assert folders == {*items.EXPERIMENTS, *OWN_COMMANDS}
    assert not [path for path in (ROOT / "experiments").iterdir() if path.is_dir() and path.name not in folders | {"__pycache__"}]
    for folder, pages in items.EXPERIMENTS.items():
        text = (ROOT / "experiments" / folder / "README.md").read_text(encoding="utf-8")
        assert f"make experiment-{folder}" in text
        for page in pages:
            assert f"results/{page}.md" in text, f"experiments/{folder}/README.md does not link results/{page}.md"
    for folder, (command, page) in OWN_COMMANDS.items():
        text = (ROOT / "experiments" / folder / "README.md").read_text(encoding="utf-8")
        assert command in text and f"results/{page}.md" in text, f"experiments/{folder}/README.md"


def test_every_link_in_the_readmes_leads_somewhere() -> None:
    for readme in (ROOT / "README.md", *(ROOT / "experiments").rglob("README.md")):
        for target in re.findall(r"\]\(([^)#]+)", readme.read_text(encoding="utf-8")):
            assert target.startswith("http") or (readme.parent / target).exists(), f"{readme}: {target}"


def test_no_page_belongs_to_two_experiments_or_to_none(items: Any) -> None:
    pages = [page for found in items.EXPERIMENTS.values() for page in found]
    made = [entry.name for entry in (*items.ITEMS, *items.STUDIES)] + [items.PROPERTIES]
    assert sorted(pages) == sorted(made) and len(set(made)) == len(made)


@pytest.mark.parametrize("profile", ["quick", "full"])
def test_every_command_composes_into_a_folder_of_its_own(items: Any, profile: str, tmp_path: Path) -> None:
    for entry in items.ITEMS:
        assert compose([*entry.overrides(profile), f"output={tmp_path}"])[1].is_relative_to(tmp_path)
    for study in items.STUDIES:
        own = [compose([*job, f"output={tmp_path}"])[1] for _, job in study.jobs(profile)]
        assert len(set(own)) == len(own), f"two cases of {study.name} are the same run"


def test_full_is_another_size_than_quick(items: Any) -> None:
    for entry in (*items.ITEMS, *items.STUDIES):
        if entry.name in items.APART:
            continue
        quick = entry.overrides("quick") if isinstance(entry, items.Item) else entry.jobs("quick")
        full = entry.overrides("full") if isinstance(entry, items.Item) else entry.jobs("full")
        assert quick != full, entry.name


def test_what_runs_took_is_told_in_a_fitting_unit(items: Any) -> None:
    duration = importlib.import_module("reproduce").duration
    told = {0.4: "0 s", 599.4: "599 s", 600: "10 min", 17_999: "300 min", 18_000: "5.0 h", 30_600: "8.5 h"}
    assert {seconds: duration(seconds) for seconds in told} == told


def test_every_experiment_of_the_configs_is_run_or_is_for_the_users_own_pictures(items: Any) -> None:
    named = {path.stem for path in (config_dir() / "experiment").glob("*.yaml")}
    used = {entry.experiment for entry in (*items.ITEMS, *items.STUDIES)}
    assert named - used == {"morph"}
