"""What `make reproduce-paper` runs: every experiment has its folder, its pages and its settings."""

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from scoregeo._utils.configuration import config_dir, identity
from tests.sweeps import composed_anew, in_profiles, points_in_profiles

ROOT = Path(__file__).parents[1]
# Folders that no run answers: their command and page.
OWN_COMMANDS = {
    "benchmark": ("python -m experiments.benchmark", "bench_solver"),
    "memory": ("python -m experiments.memory", "memory"),
    "large_data": ("python -m experiments.large_data", "large_data"),
}
STUDIES = sorted(path.stem for path in (config_dir() / "study").glob("*.yaml"))


@pytest.fixture(scope="module")
def reproduce() -> Any:
    sys.path.insert(0, str(ROOT / "scripts"))
    return importlib.import_module("reproduce")


def test_every_folder_of_experiments_has_a_readme_and_its_pages(reproduce: Any) -> None:
    folders = {path.parent.name for path in (ROOT / "experiments").glob("*/README.md")}
    assert folders == {*reproduce.EXPERIMENTS, *OWN_COMMANDS}
    assert {path.name for path in (ROOT / "experiments").iterdir() if path.is_dir()} <= folders | {
        "__pycache__"
    }
    for folder, pages in reproduce.EXPERIMENTS.items():
        text = (ROOT / "experiments" / folder / "README.md").read_text(encoding="utf-8")
        assert f"make experiment-{folder}" in text
        for page in pages:
            assert f"results/{page}/table.md" in text, (
                f"experiments/{folder}/README.md does not link results/{page}/table.md"
            )

    for folder, (command, page) in OWN_COMMANDS.items():
        text = (ROOT / "experiments" / folder / "README.md").read_text(encoding="utf-8")
        assert command in text and f"results/{page}/table.md" in text, (
            f"experiments/{folder}/README.md"
        )


def test_every_link_in_the_readmes_leads_somewhere() -> None:
    for readme in (ROOT / "README.md", *(ROOT / "experiments").rglob("README.md")):
        for target in re.findall(r"\]\(([^)#]+)", readme.read_text(encoding="utf-8")):
            assert target.startswith("http") or (readme.parent / target).exists(), (
                f"{readme}: {target}"
            )


def test_every_study_and_page_is_asked_for_once_and_full_is_another_size(reproduce: Any) -> None:
    pages = [page for found in reproduce.EXPERIMENTS.values() for page in found]
    assert len(set(pages)) == len(pages) and set(STUDIES) | set(reproduce.APART) <= set(pages)
    experiments = [page for page in pages if reproduce._group(page) == "experiment"]
    assert set(pages) - set(experiments) == set(STUDIES)  # whose jobs are looked at below
    for page in experiments:
        found = in_profiles(f"experiment={page}")
        check_page(found)
        quick, full = (identity(found[profile][0]) for profile in ("quick", "full"))
        assert (quick == full) == (page in reproduce.APART), page
    assert found["full"] == composed_anew(f"experiment={experiments[-1]}", "profile=full")


def check_page(found: dict[str, tuple[dict[str, Any], Path]]) -> None:
    for config, _ in found.values():
        assert config["page"]["title"] and config["page"]["question"]


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_s_jobs_are_different_runs_in_both_sizes(
    study: str, tmp_path: Path, reproduce: Any
) -> None:
    jobs = points_in_profiles(f"study={study}")
    assert all(job in jobs["full"] for job in jobs["quick"]), "quick sweeps what full does, or less"
    cases = [in_profiles(*job, f"output={tmp_path}") for job in jobs["full"]]
    check_page(cases[0])
    asked = {name: [job in jobs[name] for job in jobs["full"]] for name in jobs}
    folders = {
        name: [case[name][1] for case, wanted in zip(cases, asked[name], strict=True) if wanted]
        for name in jobs
    }
    for found in folders.values():
        assert len(found) > 1 and len(set(found)) == len(found), "two cases are the same run"
        assert all(folder.is_relative_to(tmp_path) for folder in found)
    last = composed_anew(*jobs["full"][-1], f"output={tmp_path}", "profile=full")
    assert cases[-1]["full"] == last, "a profile is more than its values"
    if study in reproduce.APART:
        assert folders["quick"] == folders["full"]
    else:
        assert not set(folders["quick"]) & set(folders["full"]), "full is another size than quick"


def test_pages_apart_are_made_where_they_are_named(reproduce: Any) -> None:
    whole = reproduce.wanted_pages(list(reproduce.EXPERIMENTS))
    assert not set(whole) & set(reproduce.APART)
    assert reproduce.wanted_pages(["noise_level"]) == ["noise_level"]
    assert reproduce.wanted_pages(["starts"]) == ["starts"]
    assert reproduce.wanted_pages([], ["starts", "sigma_auto"]) == ["sigma_auto", "starts"]
    for folder in reproduce.EXPERIMENTS:
        assert reproduce.wanted_pages([folder]), folder


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed=range(1,1000000)", "too many jobs: seed=range(1,1000000)"),
        ("seed=é", "seed = 'é' is not allowed"),
    ],
)
def test_overrides_are_read_as_on_the_command_line(
    reproduce: Any, override: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # a command sets it for itself
    with pytest.raises(SystemExit) as stopped:
        reproduce.main(["--only", "sphere", "--launcher", "basic", override])
    assert words in str(stopped.value.code), stopped.value.code
