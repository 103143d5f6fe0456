"""A tracker that fails is left out, and the run goes on."""

from pathlib import Path
from typing import Any

import pytest
import torch

from scoregeo.solver.base import Step
from scoregeo.tracker.guarded import GuardedTracker
from scoregeo.tracker.jsonl import JsonlTracker
from scoregeo.tracker.wandb import wanted_mode


class Fails(JsonlTracker):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def step(self, method: str, step: Step) -> None:
        self.calls += 1
        raise OSError(28, "No space left on device")


def test_trouble_is_logged_once_and_the_tracker_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inner = Fails()
    tracker = GuardedTracker(inner)
    step = Step(1, torch.ones(1), torch.ones(1, dtype=torch.int64))
    tracker.start(tmp_path, {})
    for _ in range(3):
        tracker.step("a", step)
    tracker.finish([], [])
    assert inner.calls == 1 and caplog.text.count("No space left on device") == 1
    tracker.start(tmp_path, {})  # another run is another try
    tracker.step("a", step)
    assert inner.calls == 2


def test_a_log_that_cannot_be_opened_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").mkdir()
    tracker = GuardedTracker(JsonlTracker())
    tracker.start(tmp_path, {})
    tracker.fail("reason")


@pytest.mark.usefixtures("no_key")
@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, "offline"),
        ("", "offline"),
        ("online", "online"),
        ("OFFLINE", "offline"),
        ("dryrun", "offline"),
        ("disabled", "disabled"),
        ("nonsense", "offline"),
    ],
)
def test_the_library_s_own_variable_is_obeyed(
    given: Any, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given is not None:
        monkeypatch.setenv("WANDB_MODE", given)
    assert wanted_mode() == wanted
    if given != "online":
        monkeypatch.setenv("WANDB_API_KEY", "example")
        expected = {"offline": wanted if given in ("OFFLINE", "dryrun") else "online"}
        assert wanted_mode() == expected.get(wanted, wanted)
