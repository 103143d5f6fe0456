"""Reading the npm package's folder."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from scoregeo._utils.errors import DataError
from scoregeo.dataset.emoji_source import EmojiPicture, load_emoji_folder, spoken_names, to_points
from tests.dataset.emoji_folder import small_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_folder(tmp_path / "package")


def picture(base: str, name: str = "x", category: str = "Objects") -> EmojiPicture:
    return EmojiPicture(base, base, name, (name,), category)


def test_every_picture_that_is_there_with_its_names(folder: Path) -> None:
    source = load_emoji_folder(folder)
    assert [p.code for p in source.pictures] == [
        "AAAA",
        "AAAA-1F3FF",
        "AAAA-1F3FC-1F3FD",
        "BBBB",
        "DDDD",
    ]
    assert [p.base for p in source.pictures] == ["AAAA"] * 3 + ["BBBB", "DDDD"]
    assert source.pictures[0].prompts == ("runner", "on the run")
    assert source.pictures[1].name == "runner: dark skin tone"
    assert source.pictures[2].prompts[1] == "on the run: medium-light skin tone, medium skin tone"
    assert source.pictures[3].prompts == ("black dot",)
    assert source.images.shape == (5, 3, 64, 64) and source.images.dtype == torch.uint8


def test_pictures_are_put_on_white(folder: Path) -> None:
    """`out = alpha c + (1 - alpha) 255` for alpha 1, 0 and 128/255, to the one level that rounding
    may cost.
    """
    middle = load_emoji_folder(folder).images[:, :, 30, 30].int()
    assert middle[[0, 1, 3]].tolist() == [[255, 0, 0], [255, 255, 255], [0, 0, 255]]
    assert (middle[2] - 255 * (1 - 128 / 255)).abs().max() <= 1


def test_points_run_from_minus_one_to_one() -> None:
    assert to_points(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1, 1]


def test_some_emoji_are_held_out_with_all_their_variants(folder: Path) -> None:
    pictures = [picture(f"{code:X}") for code in range(20_000)]
    assert sum(p.held_out for p in pictures) / 20_000 == pytest.approx(
        13 / 256, abs=0.005
    )  # of 256 bytes 13 are 0 modulo 20
    reserved = 13 / 256 + (1 - 13 / 256) * 86 / 256  # and 86 are 0 modulo 3
    assert sum(p.reserved for p in pictures) / 20_000 == pytest.approx(
        reserved, abs=0.015
    )  # four standard errors
    assert all(p.reserved for p in pictures if p.held_out)
    source = load_emoji_folder(folder)
    assert len({p.held_out for p in source.pictures[:3]}) == 1
    both = torch.cat([source.indices(True), source.indices(False)])
    assert both.sort().values.tolist() == list(range(5))


def test_what_a_mirror_does_not_change(folder: Path) -> None:
    assert [p.mirrors for p in load_emoji_folder(folder).pictures] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_spoken_names() -> None:
    assert spoken_names("CAT FACE", ["cat", "cat_face", "face-of_a_cat"]) == (
        "cat face",
        "cat",
        "face of a cat",
    )
    assert spoken_names("X", ["_"]) == ("x",)


def test_a_part_of_the_pictures(folder: Path) -> None:
    source = load_emoji_folder(folder)
    part = source.only([3, 0])
    assert part.pictures == (source.pictures[3], source.pictures[0])
    assert torch.equal(part.images, source.images[[3, 0]])


def test_a_missing_folder_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="npm pack emoji-datasource-google@16.0.0"):
        load_emoji_folder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "damage",
    ["no picture", "half a picture", "wrong size", "no name", "no list", "not JSON", "empty"],
)
def test_a_damaged_folder_names_the_file(folder: Path, damage: str) -> None:
    image, listed = folder / "img" / "google" / "64" / "bbbb.png", folder / "emoji.json"
    if damage == "no picture":
        image.unlink()
    elif damage == "half a picture":
        image.write_bytes(image.read_bytes()[:60])
    elif damage == "wrong size":
        Image.new("RGBA", (32, 64)).save(image)
    elif damage == "no name":
        listed.write_text(json.dumps([{"has_img_google": True, "unified": "AAAA"}]))
    elif damage == "no list":
        listed.write_text("3")
    elif damage == "not JSON":
        listed.write_text("{")
    else:
        listed.write_text("[]")
    with pytest.raises(
        DataError, match="bbbb.png" if "picture" in damage or "size" in damage else "emoji.json"
    ):
        load_emoji_folder(folder)
    shutil.rmtree(folder / "img")
    with pytest.raises(DataError, match="not the unpacked emoji package"):
        load_emoji_folder(folder)
