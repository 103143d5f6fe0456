"""The local log."""

import json
from pathlib import Path

import torch

from scoregeo.solver.base import Step
from scoregeo.tracker.jsonl import JsonlTracker


def test_events_come_one_a_line_and_survive_a_half_line(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text('{"event": "start"}\n{"event": "st')
    tracker = JsonlTracker()
    tracker.start(tmp_path, {"seed": 0, "metric": {"lam": float("nan")}})
    tracker.step("stein_adam", Step(1, torch.tensor([1.0, torch.inf]), torch.tensor([8, 8])))
    tracker.method("stein_adam", [{"pair": "pair000"}], {})
    tracker.finish([{"method": "stein_adam", "mean": 1.0}], [])
    tracker.fail("no reason")
    lines = (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines if line != '{"event": "st']
    assert [event["event"] for event in events] == [
        "start",
        "start",
        "step",
        "method",
        "finish",
        "fail",
    ]
    assert events[2]["energy"] == [1.0, None] and events[2]["score_evaluations"] == [8, 8]
