"""A key and no network, with the library itself: the run is tracked offline."""

import logging
from pathlib import Path

import pytest

from scoregeo.tracker import wandb as module
from scoregeo.tracker.wandb import WandbTracker
from tests.tracker.test_wandb import CONFIG, HISTORY, LINE, ROW
from tests.tracker.wandb_file import offline_runs

pytestmark = pytest.mark.usefixtures("no_key")


def test_an_unreachable_server_leaves_a_tracked_offline_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef" * 2 + "01234567")
    monkeypatch.setattr(module, "_PATIENCE", 3)
    tracker = WandbTracker()
    with caplog.at_level(logging.INFO):
        tracker.start(tmp_path, CONFIG)
        tracker.method("stein_adam", [LINE], HISTORY)
        tracker.finish([ROW], [])
    assert "wandb could not start online" in caplog.text
    assert "wandb: offline" in caplog.text
    run = offline_runs(tmp_path)[-1]
    assert run.summary["lerp/psnr"] == 3.0 and run.exit_code == 0
    assert [row for row in run.history if "curve/stein_adam/energy" in row]
