"""A morph of the app is the pipeline's; it tells how far it is, waits its turn, and stops."""

import errno
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scoregeo.app.events import Happening, Order, Progress, Refused, Result
from scoregeo.app.jobs import Jobs
from scoregeo.app.models import Models


@pytest.fixture
def jobs(models: Models, tmp_path: Path) -> Jobs:
    return Jobs(models, tmp_path / "jobs")


def last(events: Iterator[Happening]) -> Happening:
    return list(events)[-1]


def test_a_morph_is_the_pipeline_s_and_leaves_no_file(
    jobs: Jobs, models: Models, order: Order, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    for event in jobs.run("me", order):
        if isinstance(event, Progress):
            seen.append(event)
            continue
        assert isinstance(event, Result)
        own = models.get()(
            order.image_a,
            order.image_b,
            "cat",
            "dog",
            num_frames=5,
            timestep=100,
            num_inference_steps=2,
            generator=torch.Generator().manual_seed(0),
        )
        assert len(event.frames) == 5
        for path, frame in zip(event.frames, own.frames, strict=True):
            with Image.open(path) as opened:
                assert np.array_equal(np.asarray(opened), np.asarray(frame))
        with Image.open(event.gif) as gif:
            assert getattr(gif, "n_frames", 1) == 8  # there and back
        with Image.open(event.strip) as strip:
            assert strip.size == (5 * event.side, event.side)
        assert event.mp4.stat().st_size > 0
        facts = dict(event.words.facts)
        assert facts["Energy"] == f"{own.energy[0]:.4g}"
        assert facts["Energy on a finer quadrature (certificate)"] == (
            f"{own.certified_energy[0]:.4g}"
        )
        assert facts["Score evaluations"] == str(own.score_evaluations)
        assert float(facts["Energy of the start, the straight line"]) >= own.energy[0]
        assert any("Picture A comes back at" in warning for warning in event.words.warnings)
        assert "image_a" not in "".join(event.words.warnings)
    assert not list((tmp_path / "jobs").iterdir())
    shares = [event.share for event in seen]
    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] == 1
    shown = [event.ends for event in seen if event.ends]
    assert len(shown) == 1
    for end, frame in zip(shown[0], (own.frames[0], own.frames[-1]), strict=True):
        assert np.array_equal(np.asarray(end), np.asarray(frame))


def test_prompts_alone_and_a_picture_with_prompts(
    jobs: Jobs, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoregeo.app.jobs.PAINTING", 3)
    few = replace(order, num_frames=2, steps=1)
    for one in (replace(few, image_a=None, image_b=None), replace(few, image_b=None)):
        found = last(jobs.run("me", one))
        assert isinstance(found, Result) and len(found.frames) == 2
    said = dict(found.words.facts)["Ends after inversion and decoding (PSNR)"]
    assert said.startswith("A ") and ", B" not in said
    same = last(jobs.run("me", replace(few, prompt_b=" ")))  # what A shows
    assert isinstance(same, Result) and dict(same.words.facts)["Morph"] == "“cat” to “cat”"


def test_stop_ends_it_at_the_next_call_of_a_network(
    jobs: Jobs, models: Models, order: Order
) -> None:
    calls = []
    network = models.get().model.network
    hook = network.register_forward_hook(lambda *_: calls.append(stopped.is_set()))
    stopped = threading.Event()
    jobs.begin("me")
    events = jobs.run("me", replace(order, num_frames=129, steps=50))
    assert isinstance(next(events), Progress)
    while not calls:
        next(events)
    jobs.stop("me")
    stopped.set()
    end = last(events)
    hook.remove()
    assert end == Refused("Stopped.", stopped=True)
    assert sum(calls) <= 1  # the call that was under way
    assert not network._forward_pre_hooks


def test_stopped_before_its_turn_it_does_not_begin(jobs: Jobs, order: Order) -> None:
    jobs.begin("me")
    jobs.stop("me")
    assert list(jobs.run("me", order)) == [Refused("Stopped.", stopped=True)]
    jobs.begin("me")  # the next one runs
    assert isinstance(last(jobs.run("me", replace(order, num_frames=2, steps=1))), Result)
    jobs.forget("me")


def test_a_page_that_is_closed_stops_its_morph(jobs: Jobs, order: Order, tmp_path: Path) -> None:
    before = threading.active_count()
    events = jobs.run("me", replace(order, num_frames=129, steps=50))
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
    assert not list((tmp_path / "jobs").iterdir())


def test_one_at_a_time(jobs: Jobs, order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits until the first has ended, and says so."""
    running, most, lock = [0], [0], threading.Lock()
    gate, own = threading.Event(), jobs._morph

    def morph(*arguments: Any) -> Result:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        gate.wait(20)
        try:
            return own(*arguments)
        finally:
            running[0] -= 1

    monkeypatch.setattr(jobs, "_morph", morph)
    monkeypatch.setattr("scoregeo.app.jobs._WAIT", 0.05)
    few = replace(order, num_frames=2, steps=1)
    ends: dict[str, Happening] = {}
    first = threading.Thread(target=lambda: ends.update(a=last(jobs.run("a", few))))
    first.start()
    while not running[0]:
        gate.wait(0.01)
    second = jobs.run("b", few)
    assert next(second) == Progress("Waiting for another morph to end.", 0.0)
    gate.set()
    ends["b"] = last(second)
    first.join()
    assert isinstance(ends["a"], Result) and isinstance(ends["b"], Result)
    assert most[0] == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_frames": 1000}, "Frames = 1000 .*at most 129"),
        ({"num_frames": 2.5}, "Frames = 2.5 .*whole number"),
        ({"steps": 0}, "Steps = 0 .*at least 1"),
        ({"seed": -1}, "Seed = -1"),
        ({"seed": None}, "Seed = None"),
        ({"fps": 0}, "Frames per second = 0"),
        ({"lam": -1.0}, "Weight of the score = -1.0 .*above 0"),
        ({"timestep": 5000}, "Noise level = 5000 .*at most 999"),
        ({"metric": "fisher"}, "Metric = 'fisher' .*stein"),
        ({"model": "nowhere"}, "'nowhere' is neither a folder"),
        ({"prompt_a": "c" * 40}, "Prompt A = 'ccc.*the model takes 12"),
        ({"image_b": None, "prompt_b": ""}, "Picture B = None and prompt A, prompt B"),
        ({"image_a": None, "prompt_a": ""}, "Picture A = None with prompt A = ''"),
        ({"image_a": ["a.png"]}, "Picture A = .'a.png'. .*a picture's file"),
        ({"prompt_b": 5}, "Prompt B = 5 .*a text"),
        ({"model": None}, "(?i)model = None .*a text"),
    ],
)
def test_what_cannot_be_used_is_said(
    jobs: Jobs, order: Order, changes: dict[str, Any], words: str
) -> None:
    end = last(jobs.run("me", replace(order, **changes)))
    assert isinstance(end, Refused) and not end.stopped
    assert re.search(words, end.reason), end.reason


def test_a_fault_is_said_and_the_next_morph_runs(
    jobs: Jobs, models: Models, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(order, num_frames=2, steps=1)
    with monkeypatch.context() as patch:

        def broken(*_: Any, **__: Any) -> None:
            raise RuntimeError("broken\nmore")

        patch.setattr(models.get().model.network, "forward", broken)
        assert last(jobs.run("me", few)) == Refused("RuntimeError: broken")
    jobs.begin("me")
    assert isinstance(last(jobs.run("me", few)), Result)


def test_a_full_disk_is_said_without_the_server_s_paths(
    jobs: Jobs, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    said = Refused("The result cannot be written on the server (No space left on device).")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert last(jobs.run("me", replace(order, num_frames=2, steps=1))) == said
    jobs.begin("me")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", full)
        assert list(jobs.run("me", order)) == [said]
