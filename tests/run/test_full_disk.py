"""A disk that is full at any write: one line that says so, and the same command once more."""

import errno
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from scoregeo._utils.errors import StorageError
from scoregeo._utils.files import read_json, save_tensors, write_json
from scoregeo.report.animation import write_gif, write_mp4
from scoregeo.report.style import drawing, new_figure, save_figure
from scoregeo.run.artifacts import write_png
from scoregeo.run.command import compose, execute
from tests.commands import PLAIN, command

SMALL = ("dataset.num_pairs=2", "solver.num_points=4", "rivals=null", "baseline=[]", *PLAIN)
NOT_SAME = ("seconds", "started", "command")


class Full:
    """In place of `os.fsync`, which every file that a run writes passes once: the disk is full
    from the `first` of these calls on.
    """

    def __init__(self, first: int) -> None:
        self.first, self.calls = first, 0

    def __call__(self, file: int) -> None:
        self.calls += 1
        if self.calls >= self.first:
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return compose(SMALL)[0]


def tables(folder: Path) -> tuple[Any, list[str]]:
    """What a run found, without its times, and the names of its files."""

    def same(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: same(v) for k, v in value.items() if k not in NOT_SAME}
        return [same(one) for one in value] if isinstance(value, list) else value

    rows = [
        one for one in read_json(folder / "summary.json")["rows"] if one["measure"] != "seconds"
    ]
    files = (path.relative_to(folder) for path in folder.rglob("*"))
    return same(rows), sorted(str(path) for path in files if path.name != "error.txt")


def test_a_full_disk_loses_nothing(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = Full(sys.maxsize)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", count)
        assert execute(config, tmp_path / "whole", SMALL) is None
    wanted = tables(tmp_path / "whole")
    last = count.calls
    # The folder, manifest, configuration, a path, a record, results, summary, the manifest, pages
    for first in (1, 2, 3, 4, last - 4, last - 3, last - 2, last - 1, last):
        folder = tmp_path / str(first)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", Full(first))
            reason = execute(config, folder, SMALL)
        if first < last - 1:  # the two pages are no results
            assert reason is not None and "cannot be written (No space left on device)" in reason
            assert "\n" not in reason and "traceback" not in reason
        assert execute(config, folder, SMALL) is None
        assert tables(folder) == wanted, first


def test_a_sweep_on_a_full_disk_ends_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("-m", "metric.lam=10", *SMALL, f"output={tmp_path}")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Full(2))  # the record of the first job
        said = str(command(*given))
    assert "No space left on device" in said and "Traceback" not in said
    assert command(*given) is None


def _figure(path: Path) -> None:
    with drawing():
        figure = new_figure(2, 2)
        figure.subplots().plot([0, 1])
        save_figure(figure, path.with_suffix(""), (path.suffix[1:],))


FRAMES = torch.zeros(3, 1, 8, 8)
WRITERS: dict[str, Callable[[Path], object]] = {
    "a.pdf": _figure,
    "a.svg": _figure,
    "a.mp4": lambda path: write_mp4(path, torch.rand(9, 3, 256, 256) * 2 - 1, 12, False),
    "a.gif": lambda path: write_gif(path, FRAMES, 5, False),
    "a.json": lambda path: write_json(path, {"a": "b" * 100_000}),
    "a.png": lambda path: write_png(path, np.zeros((9, 9, 3), np.uint8)),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device is Linux's")
@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_names_the_file_and_the_reason(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    partial = tmp_path / f".a.{os.getpid()}.partial{path.suffix}"
    partial.symlink_to("/dev/full")
    with pytest.raises(StorageError, match=f"{name} cannot be written .*No space left") as found:
        WRITERS[name](path)
    assert not list(tmp_path.iterdir())
    assert str(pickle.loads(pickle.dumps(found.value))) == str(found.value)
    assert "No space left" in str(found.value.strerror)


def test_so_does_the_writer_of_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: Any) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", fails)
    with pytest.raises(StorageError, match="a.safetensors cannot be written .*No space left"):
        save_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(1)})
