"""Pictures in the page: smallest form, sizes, words; damaged files refused."""

import base64
import io
import struct
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from scoregeo._utils.errors import DataError
from scoregeo.report.picture import PLOT_COLOURS, describe, embed
from scoregeo.report.sheet import read_sheet, run_sheets
from tests.report.folders import plot


def test_a_plot_goes_in_without_loss(tmp_path: Path) -> None:
    plot(tmp_path / "energy.png")
    found = embed(tmp_path / "energy.png")
    assert found.width == 400 and found.caption.startswith("Energy against score evaluations")
    kind, _, content = found.source.partition(",")
    assert kind == "data:image/webp;base64"
    with (
        Image.open(io.BytesIO(base64.b64decode(content))) as inside,
        Image.open(tmp_path / "energy.png") as before,
    ):
        assert np.array_equal(np.asarray(inside), np.asarray(before))


def test_a_strip_of_photographs_loses_a_little(tmp_path: Path) -> None:
    """A smooth picture of very many colours: a tenth of the bytes, 1 part in 50 off on average."""
    side = np.linspace(0, 255, 256)
    ramps = np.stack([*np.meshgrid(side, side), 255 - np.add.outer(side, side) / 2], axis=-1)
    before = ramps.round().astype(np.uint8)
    assert len(np.unique(before.reshape(-1, 3), axis=0)) > PLOT_COLOURS
    Image.fromarray(before).save(tmp_path / "strip_a.png")
    content = base64.b64decode(embed(tmp_path / "strip_a.png").source.partition(",")[2])
    with Image.open(io.BytesIO(content)) as inside:
        error = np.abs(np.asarray(inside.convert("RGB"), float) - before)
    assert len(content) < before.size / 10 and error.max() > 0 and error.mean() < 255 / 50


def test_a_small_vector_figure_is_taken_instead(tmp_path: Path) -> None:
    plot(tmp_path / "sweep.png")
    (tmp_path / "sweep.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert embed(tmp_path / "sweep.png").source.startswith("data:image/svg+xml;base64,")


def test_transparent_figures_lie_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "a.png")
    content = embed(tmp_path / "a.png").source.partition(",")[2]
    with Image.open(io.BytesIO(base64.b64decode(content))) as inside:
        assert inside.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(DataError, match=r"a\.png is not a picture"):
        embed(tmp_path / "a.png")


def test_a_picture_too_large_for_memory_is_named(tmp_path: Path) -> None:
    """A header that claims 40,000 x 40,000 pixels: nothing of it is read."""
    bomb(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png is not a picture .*at most 500 megapixels"):
        embed(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png is not a frame sheet: .*at most 500 megapixels"):
        read_sheet(tmp_path / "a.png")
    place = tmp_path / "frames" / "lerp" / "a"
    place.mkdir(parents=True)
    bomb(place / "000.png")
    with pytest.raises(DataError, match=r"a/000\.png is not a frame .*at most 500 megapixels"):
        run_sheets(tmp_path, {})


def bomb(path: Path) -> None:
    head = struct.pack(">II5B", 40_000, 40_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head + struct.pack(">I", crc32(b"IHDR" + head))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 10) + b"IDAT")


def test_figures_in_words() -> None:
    assert "pair 60deg_000" in describe("strip_60deg_000")
    assert "on torus at lambda 30" in describe("race-torus-lam30")
    assert describe("some-thing_new") == "Figure: some, thing new."
