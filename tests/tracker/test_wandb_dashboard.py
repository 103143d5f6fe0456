"""The dashboard: built without a network, and every panel of names that a run really logged."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scoregeo._utils.files import read_json
from tests.tracker.wandb_file import offline_runs

pytestmark = pytest.mark.slow  # the run they all read is
SCRIPTS = Path(__file__).parent.parent.parent / "scripts"


@pytest.fixture
def dashboard(monkeypatch: pytest.MonkeyPatch, no_key: None) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import wandb_dashboard

    return wandb_dashboard


@pytest.fixture
def view(dashboard: Any, tracked: Path, tmp_path: Path) -> dict[str, Any]:
    pytest.importorskip("wandb_workspaces")
    assert dashboard.main([str(tracked), "--dry-run", str(tmp_path / "view.json")]) == 0
    return read_json(tmp_path / "view.json")


def panels(view: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {
        section["name"]: section["panels"]
        for section in view["section"]["panelBankConfig"]["sections"]
        if section["panels"]
    }


def names(panel: dict[str, Any]) -> Iterator[str]:
    """What a panel shows, by the names runs log: history and summary as they are, settings as
    "config:KEY".
    """
    config = panel["config"]
    if panel["viewType"] == "Weave":
        found = json.dumps(config)
        yield from (name for name in ("tables/pairs", "tables/summary") if f'"{name}"' in found)
        return
    axes = [config[key] for key in ("xAxis", "yAxis") if key in config]
    for name in [*config.get("metrics", []), *config.get("mediaKeys", []), *axes]:
        yield (
            name.replace(".value.", ".")
            if name.startswith("config:")
            else name.removeprefix("summary:")
        )


def test_every_name_in_a_panel_is_one_that_the_run_logged(
    view: dict[str, Any], tracked: Path
) -> None:
    (run,) = offline_runs(tracked)
    settings = {
        f"config:{group}.{key}" for group in ("metric", "solver") for key in run.config[group]
    }
    logged = run.names | settings
    shown = [
        name for section in panels(view).values() for panel in section for name in names(panel)
    ]
    assert len(shown) > 40 and set(shown) <= logged
    assert all(list(names(panel)) for section in panels(view).values() for panel in section)


def test_the_view_has_panels_for_lambda_steps_and_methods(view: dict[str, Any]) -> None:
    sections = panels(view)
    assert list(sections) == [
        "Methods",
        "Energy against score evaluations",
        "Lambda",
        "Steps",
        "Pairs, tables and figures",
    ]
    bars = {
        panel["config"]["chartTitle"]: panel["config"]["metrics"] for panel in sections["Methods"]
    }
    methods = ["lerp", "slerp", "graph_euclidean", "graph_power", "start_graph"]
    methods += ["stein_gauss_newton", "stein_lbfgs"]
    assert bars["PSNR (dB)"] == [f"{method}/psnr" for method in methods]
    energy = sections["Energy against score evaluations"][0]["config"]
    assert energy["xAxis"] == "evaluations_per_point" and energy["yLogScale"]
    assert energy["metrics"] == ["curve/stein_gauss_newton/energy", "curve/stein_lbfgs/energy"]
    for title, setting in (("Lambda", "config:metric.lam"), ("Steps", "config:solver.num_points")):
        assert {
            next(n for n in names(panel) if n.startswith("config:")) for panel in sections[title]
        } == {setting}
        shown = {name for panel in sections[title] for name in names(panel)}
        assert {"stein_gauss_newton/psnr", "stein_lbfgs/psnr", "stein_lbfgs/metric_length"} <= shown
    assert {name for panel in sections["Pairs, tables and figures"] for name in names(panel)} >= {
        "tables/pairs",
        "tables/summary",
    }


def test_a_sweep_is_read_job_by_job(dashboard: Any, tracked: Path, tmp_path: Path) -> None:
    for number in range(2):
        job = tmp_path / "sweep" / str(number)
        shutil.copytree(tracked, job, ignore=shutil.ignore_patterns("paths", "frames", "wandb"))
    (tmp_path / "sweep" / "2").mkdir()  # one that failed
    one, sweep = dashboard.read([tracked]), dashboard.read([tmp_path / "sweep"])
    assert sweep.rows == one.rows * 2 and len(one.rows) > 100
    for name in ("values", "curves", "figures", "settings"):
        assert getattr(sweep, name) == getattr(one, name) and getattr(one, name)


def test_saving_sends_what_a_dry_run_writes(
    dashboard: Any, view: dict[str, Any], tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb
    from wandb_workspaces.workspaces import interface, internal

    sent: list[Any] = []

    def upsert(given: Any) -> dict[str, Any]:
        sent.append(given)
        return {"upsertView": {"view": {"name": given.name, "id": "1"}}}

    monkeypatch.setattr(internal, "upsert_view2", upsert)
    monkeypatch.setattr(
        wandb, "Api", lambda: None
    )  # it would ask the server whether the key is good
    monkeypatch.setattr(interface, "get_app_url", lambda api: "https://example.org")
    monkeypatch.setenv("WANDB_API_KEY", "example")
    assert (
        dashboard.main(
            [str(tracked), "--entity", "team", "--project", "geodesics", "--name", "all"]
        )
        == 0
    )
    (saved,) = sent
    assert (saved.entity, saved.project, saved.display_name) == ("team", "geodesics", "all")
    spec = json.loads(saved.spec.model_dump_json(by_alias=True, exclude_none=True))
    shown = [
        [list(map(list, map(names, section))) for section in panels(found).values()]
        for found in (spec, view)
    ]
    assert shown[0] == shown[1]


def test_what_is_missing_is_told(
    dashboard: Any,
    tracked: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def told(*arguments: str) -> str:
        assert dashboard.main(list(arguments)) == 1
        return capsys.readouterr().err

    assert "holds no summary.json" in told(str(tmp_path), "--dry-run")
    assert "wandb login" in told(str(tracked))
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    monkeypatch.setitem(sys.modules, "wandb_workspaces.workspaces", None)
    assert "pip install 'scoregeo[dashboard]'" in told(str(tracked), "--dry-run")
    untracked = tmp_path / "run"
    untracked.mkdir()
    for name in ("summary.json", "config.yaml"):
        (untracked / name).write_bytes((tracked / name).read_bytes())
    assert "tracker=[jsonl,wandb]" in told(str(untracked), "--dry-run")
