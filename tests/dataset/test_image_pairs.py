"""Pictures from files: what every odd file becomes, how folders and lists are read, and what is
refused.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.seed import generator
from scoregeo.dataset.image_pairs import ImagePairs
from scoregeo.dataset.picture import read_picture


def save(
    path: Path,
    pixels: np.ndarray | None = None,
    colour: tuple[int, ...] = (255, 0, 0),
    size: int = 32,
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = (
        Image.new("RGB" if len(colour) == 3 else "RGBA", (size, size), colour)
        if pixels is None
        else Image.fromarray(pixels)
    )
    image.save(path)
    return path


def test_a_picture_keeps_its_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    read = read_picture(save(tmp_path / "a.png", pixels), 16)
    assert read.shape == (3, 16, 16) and read.dtype == torch.float32
    np.testing.assert_allclose((read.permute(1, 2, 0).numpy() + 1) * 127.5, pixels, atol=1e-4)


def test_the_middle_square_of_another_shape(tmp_path: Path) -> None:
    pixels = np.zeros((16, 48, 3), dtype=np.uint8)
    pixels[:, 16:32] = 255
    assert bool((read_picture(save(tmp_path / "wide.png", pixels), 16) == 1).all())


def test_other_sizes_are_resized_as_pillow_does(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    wanted = np.array(Image.fromarray(pixels).resize((24, 24), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(
        (read_picture(save(tmp_path / "a.png", pixels), 24).permute(1, 2, 0).numpy() + 1) * 127.5,
        wanted,
        atol=1e-4,
    )


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    clear = read_picture(save(tmp_path / "clear.png", colour=(0, 0, 0, 0)), 16)
    half = read_picture(save(tmp_path / "half.png", colour=(255, 0, 0, 128)), 16)
    assert bool((clear == 1).all())
    # Half red on white: red stays full, green and blue are 127.
    np.testing.assert_allclose(half.mean((1, 2)), [1, -1 / 255, -1 / 255], atol=1 / 127)


def test_grey_palette_and_turned_pictures(tmp_path: Path) -> None:
    grey = save(tmp_path / "grey.png", np.full((16, 16), 51, dtype=np.uint8))
    assert torch.allclose(read_picture(grey, 16), torch.tensor(51 / 127.5 - 1))
    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    pixels[:8] = 255  # white above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise to be shown
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    shown = read_picture(tmp_path / "turned.png", 16)
    assert bool((shown[:, :, 8:] == 1).all()) and bool((shown[:, :, :8] == -1).all())


def test_no_picture_is_refused_by_name(tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("no picture")
    cut = tmp_path / "cut.png"
    cut.write_bytes(save(tmp_path / "whole.png").read_bytes()[:60])
    for path, words in (
        (text, "text.png cannot be read"),
        (cut, "cut.png cannot be read"),
        (tmp_path / "none.png", "none.png is not there"),
        (tmp_path, "not a file"),
        (save(tmp_path / "dot.png", size=1), "dot.png has 1 x 1 pixels: at least 8 x 8"),
    ):
        with pytest.raises(DataError, match=words):
            read_picture(path, 16)


def test_two_files(tmp_path: Path) -> None:
    a, b = save(tmp_path / "a b.png"), save(tmp_path / "c.png", colour=(0, 0, 255))
    pairs = ImagePairs(str(a), str(b), first_prompt="red", size=16).pairs(0)
    assert (
        pairs.names == ("a_b-c",)
        and pairs.prompts == (("red", "red"),)
        and pairs.ends.shape == (1, 2, 3, 16, 16)
    )
    assert ImagePairs(str(a), str(b), first_prompt="red", second_prompt="blue").pairs(
        0
    ).prompts == (("red", "blue"),)


def test_a_size_of_two_sides_and_one_that_is_left_to_the_model(tmp_path: Path) -> None:
    # White left, black right: of twice the width the middle is kept.
    pixels = np.repeat([[255, 0, 0, 255]], 8, axis=0).repeat(8, axis=1).astype(np.uint8)
    wide = save(tmp_path / "wide.png", pixels)
    tall = ImagePairs(str(wide), str(wide), size=[16, 8])
    assert tall.shape == (3, 16, 8) and tall.pairs(0).first.shape == (1, 3, 16, 8)
    assert bool((tall.pairs(0).first[..., 1:-1] < -0.9).all())
    assert tall.sized((64, 64)).shape == (3, 16, 8)
    left = ImagePairs(str(wide), str(wide), size=None)
    with pytest.raises(ConfigError, match=r"dataset\.size = None"):
        left.pairs(0)
    assert left.sized((8, 32)).pairs(0).first.shape == (1, 3, 8, 32)


def test_a_folder_of_pairs_in_every_layout(tmp_path: Path) -> None:
    for name in (
        "Animation/smile/left.jpg",
        "Animation/smile/right.jpg",
        "Metamorphosis/cat_0.png",
        "Metamorphosis/cat_1.png",
    ):
        save(tmp_path / name)
    for name in ("Metamorphosis/lion_0.png", "Metamorphosis/lion_1.png", "Metamorphosis/alone.png"):
        save(tmp_path / name)
    (tmp_path / "Animation/smile/prompts.txt").write_text("a sad face\na glad face\n")
    pairs = ImagePairs(root=str(tmp_path), size=8).pairs(0)
    assert pairs.names == ("Animation-smile", "Metamorphosis-cat", "Metamorphosis-lion")
    assert pairs.groups == ("Animation", "Metamorphosis", "Metamorphosis")
    assert pairs.prompts == (("a sad face", "a glad face"), ("", ""), ("", ""))
    assert len(ImagePairs(root=str(tmp_path), size=8, pairs=2).pairs(0)) == 2


def numbered(folder: Path, names: list[str]) -> None:
    """A picture a name, its first pixel the picture's number, so that one knows it again."""
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        Image.new("RGB", (8, 8), (number, 0, ord(folder.name[0]))).save(folder / name)


def morphbench(root: Path) -> Path:
    """Its layout: NAME_0 beside NAME_1 in each of two folders."""
    numbered(root / "Animation", ["arm_0.png", "arm_1.png", "face_0.png", "face_1.png"])
    numbered(root / "Metamorphosis", ["castle_0.png", "castle_1.png", "leo_0.jpg", "leo_1.jpg"])
    return root


def afhq(root: Path) -> Path:
    """Its layout: a folder a class in train and val, numbered pictures, no pairs."""
    for part, count in (("train", 10), ("val", 6)):
        for kind in ("cat", "dog", "wild"):
            names = [f"flickr_{kind}_{i:06d}.png" for i in range(count)]
            numbered(root / part / kind, names)
    return root


def celeba_hq(root: Path) -> Path:
    """Its layout: one folder of numbered pictures."""
    numbered(root, [f"{i}.png" for i in range(12)])
    return root


def test_morphbench_as_it_is_unpacked(tmp_path: Path) -> None:
    pairs = ImagePairs(root=str(morphbench(tmp_path / "MorphBench")), size=8).pairs(0)
    assert pairs.groups == ("Animation",) * 2 + ("Metamorphosis",) * 2
    assert pairs.names[1:3] == ("Animation-face", "Metamorphosis-castle")


def test_afhq_pairs_are_drawn_within_a_class_or_across_two(tmp_path: Path) -> None:
    root = str(afhq(tmp_path / "afhq") / "val")
    with pytest.raises(DataError, match=r"holds no pairs.*dataset\.draw=within or across"):
        ImagePairs(root=root)
    within = ImagePairs(root=root, draw="within", pairs=9, size=8, first_prompt="a %folder face")
    found = within.pairs(0)
    assert found.groups == ("cat", "dog", "wild") * 3
    assert found.prompts is not None and found.prompts[1] == ("a dog face", "a dog face")
    assert len({tuple(p) for p in found.ends[:, :, ::2, 0, 0].reshape(-1, 2).tolist()}) == 18
    across = ImagePairs(root=root, draw="across", pairs=6, size=8, first_prompt="%folder").pairs(0)
    assert across.groups == ("cat-dog", "cat-wild", "dog-wild") * 2
    assert across.prompts is not None and across.prompts[2] == ("dog", "wild")
    for settings in ({"draw": "within", "pairs": 10}, {"draw": "across", "pairs": 10}):
        with pytest.raises(ConfigError, match=r"dataset\.pairs = 10 .*at most 9"):
            ImagePairs(root=root, **settings)  # type: ignore[arg-type]


def test_drawn_pairs_follow_from_their_seed_alone(tmp_path: Path) -> None:
    root = str(celeba_hq(tmp_path / "celeba_hq"))

    def names(pairs: int, seed: int = 0) -> tuple[str, ...]:
        drawn = ImagePairs(root=root, draw="within", pairs=pairs, draw_seed=seed, size=8)
        assert set(drawn.pairs(5).groups) == {"all"}
        return drawn.pairs(5).names

    order = torch.randperm(12, generator=generator(0, "pairs of .")).tolist()  # as documented
    wanted = [f"{i + 1:03d}_{order[2 * i]}-{order[2 * i + 1]}" for i in range(6)]
    assert list(names(6)) == wanted and (wanted[0], wanted[5]) == ("001_4-7", "006_2-5")
    assert names(3) == names(6)[:3] and names(6, seed=1) != names(6)


def test_references_of_drawn_pairs_are_the_other_pictures(tmp_path: Path) -> None:
    root = afhq(tmp_path / "afhq")
    drawn = ImagePairs(root=str(root / "val"), draw="within", pairs=7, size=8)
    used = {tuple(p) for p in drawn.pairs(0).ends[:, :, ::2, 0, 0].reshape(-1, 2).tolist()}
    others = {tuple(p) for p in drawn.sample(4, 0)[:, ::2, 0, 0].tolist()}
    assert len(used) == 14 and len(others) == 4 and not used & others
    with pytest.raises(DataError, match="5 reference pictures are wanted and 4 are in .*without"):
        drawn.sample(5, 0)
    train = ImagePairs(
        root=str(root / "val"), draw="within", pairs=7, references=str(root / "train"), size=8
    )
    assert len(train.sample(30, 0)) == 30


def test_numbers_that_end_in_0_and_1_are_no_pairs(tmp_path: Path) -> None:
    for name in ("00010.png", "00011.png", "cat_000000.png", "cat_000001.png"):
        save(tmp_path / "padded" / name)
    for root in (tmp_path / "padded", celeba_hq(tmp_path / "bare")):
        with pytest.raises(DataError, match="holds no pairs"):
            ImagePairs(root=str(root))
    for name in ("0.png", "1.png", "note.png"):
        save(tmp_path / "pair" / name)
    assert ImagePairs(root=str(tmp_path / "pair"), size=8).pairs(0).names == ("pair",)


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    """Pillow alone would clip them: 0x8000 would be white."""
    path = save(tmp_path / "deep.png", np.full((16, 16), 0x8000, dtype=np.uint16))
    assert torch.allclose(read_picture(path, 16), torch.tensor(128 / 127.5 - 1), atol=1e-6)


def test_a_list(tmp_path: Path) -> None:
    save(tmp_path / "in/a.png"), save(tmp_path / "in/b.png")
    listed = tmp_path / "pairs.csv"
    listed.write_text(
        "first,second,first_prompt,second_prompt,group\nin/a.png,in/b.png,one,two,toys\n"
    )
    pairs = ImagePairs(list=str(listed), size=8).pairs(0)
    assert (pairs.names, pairs.prompts, pairs.groups) == (
        ("001_a-b",),
        (("one", "two"),),
        ("toys",),
    )


def test_references(tmp_path: Path) -> None:
    a, b = save(tmp_path / "a.png"), save(tmp_path / "b.png", colour=(0, 0, 255))
    own = ImagePairs(str(a), str(b), size=8)
    assert own.sample(2, 0).shape == (2, 3, 8, 8)
    with pytest.raises(DataError, match="3 reference pictures are wanted and 2 are of the pairs"):
        own.sample(3, 0)
    for i in range(3):
        save(tmp_path / f"more/{i}.png", colour=(0, 80 * i, 0))
    more = ImagePairs(str(a), str(b), references=str(tmp_path / "more"), size=8).sample(3, 0)
    assert sorted(more[:, 1, 0, 0].tolist()) == pytest.approx(
        [80 * i / 127.5 - 1 for i in range(3)], abs=1e-5
    )


def test_what_cannot_be_pairs_is_refused(tmp_path: Path) -> None:
    a = str(save(tmp_path / "a.png"))
    empty = tmp_path / "empty"
    empty.mkdir()
    listed = tmp_path / "pairs.csv"
    for settings, words in (
        ({}, "give both first and second, or root, or list"),
        ({"first": a}, "give both"),
        ({"first": a, "second": a, "root": a}, "only one"),
        ({"first": a, "second": str(tmp_path / "b.png")}, "b.png is not there"),
        ({"first": a, "second": __file__}, "test_image_pairs.py cannot be read as a picture"),
        ({"root": str(empty)}, "holds no pairs: a pair is"),
        ({"root": a}, "is not a folder"),
        ({"list": str(listed)}, "cannot be read"),
        ({"first": a, "second": a, "size": 4}, "dataset.size = 4"),
        ({"first": a, "second": a, "size": [16]}, r"dataset.size = \[16\] .*height, width"),
        ({"first": a, "second": a, "size": [16, 2]}, "dataset.size = 2"),
        ({"first": a, "second": a, "pairs": 2}, "dataset.pairs = 2 .*1"),
        ({"first": a, "second": a, "references": str(empty)}, "dataset.references"),
        ({"root": str(empty), "draw": "any", "pairs": 1}, "dataset.draw = 'any' .*'within'"),
        ({"root": str(empty), "draw": "within"}, "how many pairs to draw"),
        ({"first": a, "second": a, "draw": "within", "pairs": 1}, "give root"),
        ({"root": str(empty), "draw": "within", "pairs": 1}, "too few pictures"),
        ({"root": str(empty), "draw": "across", "pairs": 1}, "in fewer than two folders"),
        ({"root": a, "draw": "within", "pairs": 1}, "is not a folder"),
        ({"root": str(empty), "draw": "within", "pairs": 1, "draw_seed": -1}, "draw_seed = -1"),
    ):
        with pytest.raises((ConfigError, DataError), match=words):
            ImagePairs(**settings)  # type: ignore[arg-type]
    for text, words in (
        ("first,second\n", "0 pairs"),
        ("first,end\na.png,a.png\n", "columns first, end"),
        ("first,second,first_prompt\na.png,a.png\n", "line 2, has 2 values"),
        ("first,second\na.png,none.png\n", "none.png is not there"),
    ):
        listed.write_text(text)
        with pytest.raises(DataError, match=words):
            ImagePairs(list=str(listed))
