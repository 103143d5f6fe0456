"""Sheets of pictures: what is written is read."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from scoregeo._utils.errors import DataError
from scoregeo.dataset.emoji_sheet import read_sheet, write_sheet
from scoregeo.dataset.emoji_source import EmojiPicture, EmojiSource


def source(count: int) -> EmojiSource:
    images = torch.randint(
        256, (count, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(count)
    )
    words = tuple(
        EmojiPicture(f"{i:X}", f"{i:X}", f"é {i}", (f"é {i}", "other"), "Objects")
        for i in range(count)
    )
    return EmojiSource(images, words)


@pytest.mark.parametrize("count", [1, 20, 21])
def test_a_sheet_gives_back_its_pictures(tmp_path: Path, count: int) -> None:
    written = source(count)
    size = write_sheet(tmp_path, "some", written)
    read = read_sheet(tmp_path, "some")
    assert torch.equal(read.images, written.images) and read.pictures == written.pictures
    assert size == sum(file.stat().st_size for file in tmp_path.iterdir())


def test_pictures_lie_in_rows_on_the_sheet(tmp_path: Path) -> None:
    written = source(21)
    write_sheet(tmp_path, "some", written)
    with Image.open(tmp_path / "some.png") as sheet:
        assert sheet.size == (20 * 64, 2 * 64)
        assert sheet.getpixel((2 * 64 + 5, 7)) == tuple(written.images[2, :, 7, 5].tolist())
        assert sheet.getpixel((3, 64 + 9)) == tuple(written.images[20, :, 9, 3].tolist())
        assert sheet.getpixel((64 + 3, 64 + 9)) == (255, 255, 255)


def test_damage_names_the_file(tmp_path: Path) -> None:
    write_sheet(tmp_path, "some", source(3))
    (tmp_path / "more.json").write_text((tmp_path / "some.json").read_text())
    with pytest.raises(DataError, match="more.png is not there"):
        read_sheet(tmp_path, "more")
    Image.new("RGB", (64, 64)).save(tmp_path / "more.png")
    with pytest.raises(
        DataError,
        match=r"more.png has shape \(64, 64, 3\), \(64, 1280, 3\) expected for 3 pictures",
    ):
        read_sheet(tmp_path, "more")
    (tmp_path / "more.json").write_text('[{"code": "A"}]')
    with pytest.raises(DataError, match="more.json has an entry without"):
        read_sheet(tmp_path, "more")
