"""The tutorials run as they stand, in this process; tests/docs/test_site.py executes one of them as
a notebook, as `make docs` does all.
"""

import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import pytest

from scoregeo import GeodesicPipeline
from scoregeo.pipeline.output import GeodesicOutput
from tests.commands import command
from tests.docs import ROOT, named
from tests.docs.test_site import EXECUTED

pytestmark = pytest.mark.slow

TUTORIALS = [
    path for path in sorted((ROOT / "docs" / "tutorials").glob("*.py")) if path.name != EXECUTED
]


START = subprocess.run
CALL = GeodesicPipeline.__call__


def in_this_process(line: Sequence[str], **settings: Any) -> "subprocess.CompletedProcess[str]":
    """For `subprocess.run`: the command line within this process, at fewer points and steps."""
    if list(line[:3]) != [sys.executable, "-m", "scoregeo.run.cli"]:
        return START(line, **settings)
    said = command(*line[3:], "solver.num_points=4", "inversion.decode_steps=2", "threads=1")
    return subprocess.CompletedProcess(line, int(said is not None), "", str(said))


def with_few_steps(pipe: GeodesicPipeline, *ends: Any, **settings: Any) -> GeodesicOutput:
    """For `GeodesicPipeline.__call__`: fewer frames and steps."""
    few = {"num_frames": 3, "num_inference_steps": 2, "painting_steps": 3}
    less = {name: min(most, settings[name]) for name, most in few.items() if name in settings}
    assert less.keys() >= {"num_frames", "num_inference_steps"}
    return CALL(pipe, *ends, **(settings | less))


@pytest.mark.parametrize("path", TUTORIALS, ids=named)
def test_a_tutorial_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", in_this_process)
    monkeypatch.setattr(GeodesicPipeline, "__call__", with_few_steps)
    monkeypatch.setattr(plt, "show", lambda: None)
    before = matplotlib.get_backend()
    matplotlib.use("agg")
    try:
        runpy.run_path(str(path))
    finally:
        plt.close("all")
        matplotlib.use(before)
    assert capsys.readouterr().out.strip()
