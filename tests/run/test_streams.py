"""Standard streams that are closed, pipes whose reader leaves, storage and caches that cannot be
written: work goes on, or one clear line ends it.
"""

import io
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scoregeo._utils.streams import say, tolerant_streams
from scoregeo.dataset.digits import EMBEDDED_COUNT, load_digits
from scoregeo.initializer.graph_cache import keep, recall
from tests.commands import PLAIN, command

SMALL = (*PLAIN, "dataset.num_pairs=1", "solver.num_points=5", "baseline=[lerp]")
ENTRY = "import sys; sys.argv[0] = 'scoregeo'; from scoregeo.run.cli import main; main()"


class _Pipe(io.StringIO):
    """Whose reader has left after some writes."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self.left = writes

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left < 0:
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)


@pytest.mark.parametrize("writes", [0, 3])
def test_a_run_outlives_the_reader_of_its_output(
    writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", _Pipe(writes))
    assert command(*SMALL, f"output={tmp_path}") is None
    assert [*tmp_path.glob("custom/[0-9a-f]*/report.html")]


def test_a_command_begins_without_standard_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    with tolerant_streams():
        say("lost")
        print("lost", file=sys.stderr)


def test_closed_streams_and_a_reader_that_leaves(tmp_path: Path) -> None:
    """As a shell closes them: `scoregeo --version 2>&- | head -1`."""
    line = f'{sys.executable} -c "{ENTRY}" --version 2>&- | head -1'
    done = subprocess.run(
        line, shell=True, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0 and "scoregeo" in done.stdout and done.stderr == ""


def test_a_done_run_is_shown_where_its_log_cannot_be_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = (*SMALL, f"output={tmp_path}")
    assert command(*line) is None
    (log,) = tmp_path.glob("custom/[0-9a-f]*/scoregeo.log")
    log.unlink()
    log.mkdir()  # cannot be opened by anybody
    before = capsys.readouterr().out.splitlines()
    assert command(*line) in (None, 0)
    after = capsys.readouterr().out
    assert all(row in after for row in before if row.startswith("stein"))
    assert "holds this configuration's results already" in after
    said = command(*line, "overwrite=true")
    assert isinstance(said, str) and "output: " in said and "cannot be written" in said


def test_a_cache_that_cannot_be_written_costs_a_line_of_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SCOREGEO_CACHE", str(tmp_path / "file"))
    keep("key", {"lengths": torch.ones(2)})
    assert "cannot be written" in caplog.text and "\n" not in caplog.messages[-1]
    assert recall("key", ["lengths"], lambda tensors: True) is None


def test_garbage_in_the_cache_of_digits_leads_to_the_shipped_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SCOREGEO_CACHE", str(tmp_path))
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for split in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (folder / f"{split}-{kind}-ubyte").write_bytes(b"\0\0\x08\x03 garbage")
    assert len(load_digits("test").images) == EMBEDDED_COUNT["test"]
    assert "could not be downloaded" in caplog.text
