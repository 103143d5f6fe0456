"""Weights & Biases: offline without a key, one run there for one here, sweeps in groups, and never
the run's trouble.
"""

import logging
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from scoregeo._utils.configuration import config_hash
from scoregeo._utils.errors import ConfigError
from scoregeo._utils.files import read_json
from scoregeo._utils.jobs import read_jobs
from scoregeo.solver.base import Step
from scoregeo.tracker.wandb import WandbTracker, has_key
from tests.commands import PLAIN, command

STEP = Step(1, torch.tensor([2.0, 4.0]), torch.tensor([8, 8]))
ROW = {"method": "lerp", "group": "all", "measure": "psnr", "mean": 3.0}
LINE = {"method": "lerp", "pair": "pair000", "measures": {"psnr": 3.0}}
HISTORY = {
    "iteration": [0, 1],
    "energy": [[4.0, 6.0], [2.0, 4.0]],
    "score_evaluations": [[8, 8], [16, 32]],
    "points": 8,
}
CONFIG = {"name": "sphere", "metric": {"_target_": "scoregeo.metric.stein.SteinMetric", "lam": 1.0}}


class FakeRun:
    def __init__(self, folder: str) -> None:
        self.logged: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}
        self.axes: dict[str, Any] = {}
        self.url, self.dir, self.code = (
            "https://example.org/run",
            f"{folder}/wandb/offline-run/files",
            -1,
        )

    def define_metric(
        self, name: str, step_metric: str | None = None, hidden: bool = False
    ) -> None:
        self.axes[name] = step_metric

    def log(self, values: dict[str, Any]) -> None:
        self.logged.append(values)

    def finish(self, exit_code: int) -> None:
        self.code = exit_code


class FakeWandb(types.ModuleType):
    """Stands in for the library: `bad` modes raise when a run starts."""

    def __init__(self, bad: tuple[str, ...] = ()) -> None:
        super().__init__("wandb")
        self.bad, self.begun, self.run = bad, list[dict[str, Any]](), FakeRun("")
        self.torn = 0
        self.settings = types.SimpleNamespace(base_url="https://api.wandb.ai", api_key=None)

    def teardown(self) -> None:
        self.torn += 1

    def setup(self) -> Any:
        return types.SimpleNamespace(settings=self.settings)

    @property
    def modes(self) -> list[str]:
        return [given["mode"] for given in self.begun]

    def Settings(self, **given: Any) -> dict[str, Any]:
        return given

    def Table(self, columns: list[str], data: list[Any]) -> tuple[list[str], list[Any]]:
        return columns, data

    def Image(self, path: str) -> str:
        return path

    def init(self, **given: Any) -> FakeRun:
        self.begun.append(given)
        if given["mode"] in self.bad:
            raise ConnectionError("no network")
        self.run = FakeRun(given["dir"])
        return self.run


pytestmark = pytest.mark.usefixtures("no_key")


def use(monkeypatch: pytest.MonkeyPatch, fake: FakeWandb) -> FakeWandb:
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


def test_a_key_is_found_in_every_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = use(monkeypatch, FakeWandb())
    assert not has_key()
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password example\n")
    assert has_key()
    fake.settings.base_url = "https://api.forge.coreweave.com"  # the same server
    assert has_key()
    fake.settings.base_url = "https://wandb.example.org"
    assert not has_key()
    monkeypatch.setenv("WANDB_BASE_URL", "https://api.wandb.ai")
    assert has_key()
    (tmp_path / "netrc").write_bytes(b"machine \xff")  # no text
    assert not has_key()
    (tmp_path / "netrc").unlink()
    assert not has_key()
    fake.settings.api_key = "example"
    assert has_key()
    fake.settings.api_key = None
    monkeypatch.setenv("WANDB_API_KEY", "example")
    assert has_key()


def test_offline_without_a_key_names_the_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake = use(monkeypatch, FakeWandb())
    tracker = WandbTracker()
    with caplog.at_level(logging.INFO):
        tracker.start(tmp_path, CONFIG)
    assert fake.modes == ["offline"] and str(tmp_path / "wandb" / "offline-run") in caplog.text
    assert fake.run.axes["curve/*"] == "evaluations_per_point"
    tracker.step("stein_adam", STEP)
    tracker.method("stein_adam", [], HISTORY)
    tracker.method("lerp", [LINE], {})
    tracker.finish([ROW], [tmp_path / "energy.png"])
    progress, *curve, results = fake.run.logged
    assert progress == {"progress/iteration": 1, "progress/energy": 3.0}
    assert [(row["evaluations_per_point"], row["curve/stein_adam/energy"]) for row in curve] == [
        (1.0, 5.0),
        (3.0, 3.0),
    ]
    assert results["tables/summary"] == (list(ROW), [list(ROW.values())])
    assert results["tables/pairs"] == (["method", "pair", "psnr"], [["lerp", "pair000", 3.0]])
    assert results["pictures/energy"].endswith("energy.png")
    assert fake.run.summary == {"lerp/psnr": 3.0} and fake.run.code == 0


def test_a_run_that_goes_on_is_the_same_run_and_has_each_curve_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = use(monkeypatch, FakeWandb())
    tracker = WandbTracker()
    tracker.start(tmp_path, CONFIG)
    tracker.method("stein_adam", [], HISTORY)
    tracker.fail("interrupted")
    assert fake.run.summary == {"error": "interrupted"} and fake.run.code == 1
    tracker.start(tmp_path, CONFIG)
    tracker.method("stein_adam", [], HISTORY)
    tracker.method("stein_lbfgs", [], HISTORY)
    tracker.finish([ROW], [])
    first, second = fake.begun
    assert (
        first["id"] == second["id"]
        and first["id"].startswith(config_hash(CONFIG))
        and second["resume"] == "allow"
    )
    names = {key for row in fake.run.logged for key in row if key.startswith("curve/")}
    assert {name.split("/")[1] for name in names} == {"stein_lbfgs"}
    assert fake.run.summary["error"] is None
    # Elsewhere, or anew, it is another run.
    tracker.start(tmp_path / "other", CONFIG)
    (tmp_path / "wandb.json").write_text("[")
    tracker.start(tmp_path, CONFIG)
    assert len({given["id"] for given in fake.begun}) == 3


def test_jobs_of_a_sweep_are_a_group(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("scoregeo.report.sweep_page.sweep_lines", lambda *args, **settings: [])
    fake = use(monkeypatch, FakeWandb())
    small = (
        "dataset.num_pairs=2",
        "solver.num_points=8",
        *PLAIN,
        "tracker=[jsonl,wandb]",
        f"output={tmp_path}",
    )
    assert command("-m", "metric.lam=1,10", *small) is None
    assert command(*small) is None
    (sweep,) = tmp_path.glob("custom/sweep_*")
    assert [given["group"] for given in fake.begun] == [sweep.name, sweep.name, None]
    runs = [job.run.resolve().name for job in read_jobs(sweep)]
    assert [given["name"] for given in fake.begun[:2]] == [f"custom/{run}" for run in runs]
    assert [given["config"]["metric"]["lam"] for given in fake.begun] == [1, 10, 1000]
    tags = ["dataset:sphere", "score:sphere", "metric:stein", "solver:gauss_newton"]
    assert all(
        given["tags"] == tags and given["job_type"] == "interpolation" for given in fake.begun
    )
    for given in fake.begun:
        assert read_json(Path(given["dir"]) / "manifest.json")["status"] == "done"


def test_online_with_a_key_and_offline_where_that_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "example")
    fake = use(monkeypatch, FakeWandb(bad=("online",)))
    WandbTracker().start(tmp_path, {})
    assert fake.modes == ["online", "offline"]


def test_trouble_is_logged_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    use(monkeypatch, FakeWandb(bad=("online", "offline")))
    tracker = WandbTracker()
    tracker.start(tmp_path, {})
    tracker.step("stein_adam", STEP)
    tracker.finish([ROW], [])
    tracker.fail("reason")
    assert "no network" in caplog.text and caplog.text.count("the run continues") == 1


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="tracker.wandb.mode"):
        WandbTracker(mode="sometimes")
