"""Weights & Biases: offline without a key, and never the run's trouble."""

import logging
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from scoregeo.core.errors import ConfigError
from scoregeo.core.files import read_json
from scoregeo.solver.base import Step
from scoregeo.tracker.wandb import WandbTracker, has_key
from tests.commands import QUICK, run_here

STEP = Step(1, torch.tensor([2.0, 4.0]), torch.tensor([8, 8]))
ROW = {"method": "lerp", "group": "all", "measure": "psnr", "mean": 3.0}


class FakeRun:
    def __init__(self, folder: str) -> None:
        self.logged: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}
        self.url, self.dir, self.code = "https://example.org/run", f"{folder}/wandb/offline-run/files", -1

    def log(self, values: dict[str, Any]) -> None:
        self.logged.append(values)

    def finish(self, exit_code: int) -> None:
        self.code = exit_code


class FakeWandb(types.ModuleType):
    """Stands in for the library: `bad` modes raise when a run starts."""

    def __init__(self, bad: tuple[str, ...] = ()) -> None:
        super().__init__("wandb")
        self.bad, self.modes, self.run = bad, list[str](), FakeRun("")

    def Settings(self, **given: Any) -> dict[str, Any]:
        return given

    def Table(self, columns: list[str], data: list[Any]) -> tuple[list[str], list[Any]]:
        return columns, data

    def Image(self, path: str) -> str:
        return path

    def init(self, mode: str, dir: str, **given: Any) -> FakeRun:
        self.modes.append(mode)
        if mode in self.bad:
            raise ConnectionError("no network")
        self.run = FakeRun(dir)
        return self.run


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def use(monkeypatch: pytest.MonkeyPatch, fake: FakeWandb) -> FakeWandb:
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


def test_a_key_is_found_in_both_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not has_key()
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password example\n")
    assert has_key()
    (tmp_path / "netrc").unlink()
    monkeypatch.setenv("WANDB_API_KEY", "example")
    assert has_key()


def test_offline_without_a_key_names_the_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake = use(monkeypatch, FakeWandb())
    tracker = WandbTracker()
    with caplog.at_level(logging.INFO):
        tracker.start(tmp_path, {"name": "sphere"})
    assert fake.modes == ["offline"] and str(tmp_path / "wandb" / "offline-run") in caplog.text
    tracker.step("stein_adam", STEP)
    tracker.finish([ROW], [tmp_path / "energy.png"])
    assert fake.run.logged[0]["stein_adam/energy"] == 3.0
    assert fake.run.logged[1]["results"] == (list(ROW), [list(ROW.values())])
    assert fake.run.logged[1]["pictures/energy"].endswith("energy.png")
    assert fake.run.summary == {"lerp/psnr": 3.0} and fake.run.code == 0


def test_online_with_a_key_and_offline_where_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
    assert "no network" in caplog.text and caplog.text.count("the run goes on") == 1


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="tracker.wandb.mode"):
        WandbTracker(mode="sometimes")


@pytest.mark.slow
def test_a_run_is_tracked_offline_by_the_library_itself(tmp_path: Path) -> None:
    wandb = pytest.importorskip("wandb")
    small = ("dataset.num_pairs=2", "solver.num_points=8", *QUICK)
    folder, reason = run_here([*small, "tracker=[jsonl,wandb]", "tracker.wandb.project=tested"], tmp_path)
    assert reason is None and read_json(folder / "manifest.json")["status"] == "done"
    (log,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    words = (b"tested", b"stein_gauss_newton/energy", b"pictures/energy", b"GaussNewton")
    # The library's own process writes the file, on a busy machine some time after `finish` has returned:
    # its end is asked for and waited for.
    wandb.teardown()
    for _ in range(120):
        if all(word in log.read_bytes() for word in words):
            break
        time.sleep(0.5)
    content = log.read_bytes()
    for word in words:
        assert word in content, word
