"""dataset=emoji: the shipped pairs and references, and the npm package instead of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.dataset.emoji import EMBEDDED, KINDS, Emoji, ListedPair, ends_of, read_pairs
from scoregeo.dataset.emoji_sheet import read_sheet
from scoregeo.dataset.emoji_source import to_points
from tests.dataset.emoji_folder import small_folder


def rows(points: torch.Tensor) -> set[bytes]:
    """Pictures as comparable values."""
    return {point.numpy().tobytes() for point in points}


def test_pairs_of_two_kinds_in_turn() -> None:
    pairs = Emoji(pairs=120).pairs(seed=0)
    assert (
        len(pairs) == 120
        and pairs.first.shape == (120, 3, 64, 64)
        and pairs.first.dtype == torch.float32
    )
    assert pairs.first.min() == -1 and pairs.first.max() == 1
    assert pairs.groups[:20].count("same") == pairs.groups[:20].count("different") == 10
    assert set(pairs.groups) == set(KINDS)
    assert len(set(pairs.names)) == 120
    assert all(
        name.replace("_", "").replace("-", "").isalnum() and name.isascii() for name in pairs.names
    )
    assert len(rows(pairs.first) | rows(pairs.second)) >= 200  # no picture stands for two emoji
    assert not any(torch.equal(a, b) for a, b in zip(pairs.first, pairs.second, strict=True))


def test_prompts_are_the_ends_names_and_survive_a_copy() -> None:
    pairs = Emoji(pairs=6).pairs(seed=0)
    assert pairs.prompts is not None and pairs.prompts[1] == ("cat face", "dog face")
    assert pairs.prompts[5] == ("panda face", "koala") and pairs.names[5] == "panda_face-koala"
    assert replace(pairs, first=pairs.second).prompts == pairs.prompts


def test_pictures_show_what_their_names_say() -> None:
    pairs = Emoji(pairs=60, kind="same").pairs(seed=0)
    middle = {}
    for name, first, second in zip(pairs.names, pairs.first, pairs.second, strict=True):
        middle[name] = (first[:, 30:34, 30:34].mean((1, 2)), second[:, 30:34, 30:34].mean((1, 2)))
    red, blue = middle["red_circle-large_blue_circle"]
    assert red[0] > red[2] + 1 and blue[2] > blue[0] + 0.5
    new, full = middle["new_moon-full_moon"]
    assert full.mean() > new.mean() + 1
    light, dark = middle["man_light-man_dark"]
    assert light.mean() > dark.mean() + 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_alone(kind: str) -> None:
    pairs = Emoji(pairs=3, kind=kind).pairs(seed=0)
    assert pairs.groups == (kind,) * 3
    both = Emoji(pairs=6).pairs(seed=0)
    assert pairs.names == tuple(
        name for name, group in zip(both.names, both.groups, strict=True) if group == kind
    )


def test_no_seed_changes_the_pairs() -> None:
    first, second = (Emoji(pairs=4).pairs(seed) for seed in (0, 7))
    assert torch.equal(first.ends, second.ends) and first.names == second.names


def test_sample_held_out_and_pairs_share_no_picture() -> None:
    dataset = Emoji()
    sample, unseen = dataset.sample(10_000, seed=0), dataset.held_out(10_000, seed=0)
    own = rows(to_points(read_sheet(EMBEDDED, "endpoints").images))
    assert len(sample) > 250 and len(unseen) > 250 and len(own) == 237
    assert len(rows(sample)) == len(sample)
    assert not rows(sample) & rows(unseen) and not (rows(sample) | rows(unseen)) & own


def test_draws_follow_the_seed_and_the_count() -> None:
    dataset = Emoji()
    for draw in (dataset.sample, dataset.held_out):
        first = draw(30, 1)
        assert first.shape == (30, *dataset.shape) and first.dtype == dataset.dtype
        assert torch.equal(first, draw(30, 1)) and torch.equal(first, draw(40, 1)[:30])
        assert not torch.equal(first, draw(30, 2))


def test_held_out_gives_what_no_training_saw_first() -> None:
    source = read_sheet(EMBEDDED, "reference")
    unseen = [i for i, picture in enumerate(source.pictures) if picture.held_out]
    known = rows(to_points(source.images[unseen]))
    assert len(unseen) >= 90
    assert rows(Emoji().held_out(90, 0)) <= known
    assert not rows(Emoji().sample(10_000, 0)) & known


def test_references_from_the_whole_package(tmp_path: Path) -> None:
    dataset = Emoji(root=str(small_folder(tmp_path / "package")))
    sample, unseen = dataset.sample(100, 0), dataset.held_out(100, 0)
    assert len(sample) + len(unseen) == 5
    with pytest.raises(DataError, match="npm pack"):
        Emoji(root=str(tmp_path / "nowhere")).sample(1, 0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pairs": 0}, "dataset.pairs = 0"),
        ({"pairs": 121}, "at most 120"),
        ({"pairs": 61, "kind": "same"}, "at most 60"),
        ({"pairs": 2.5}, "whole number"),
        ({"kind": "alike"}, "dataset.kind = 'alike'.*'same'"),
    ],
)
def test_bad_settings_name_their_key(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Emoji(**settings)


def test_a_list_of_pairs(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("kind,first,second\nsame,+1/dark,-1\ndifferent,-1,star-struck\n")
    pairs = read_pairs(path)
    assert pairs == (
        ListedPair("same", "+1/dark", "-1"),
        ListedPair("different", "-1", "star-struck"),
    )
    assert [pair.name for pair in pairs] == ["plus_1_dark-minus_1", "minus_1-star_struck"]
    assert ends_of(pairs) == ("+1/dark", "-1", "star-struck")
    for text in (
        "kind,first\nsame,a\n",
        "kind,first,second\nalike,a,b\n",
        "kind,first,second\n",
        "\xff",
    ):
        path.write_text(text, encoding="latin-1")
        with pytest.raises(DataError, match="pairs.csv"):
            read_pairs(path)
    with pytest.raises(DataError, match="nowhere.csv"):
        read_pairs(tmp_path / "nowhere.csv")


def test_the_sheet_of_endpoints_is_that_of_the_list() -> None:
    """Every end of the list is one picture of the sheet, in the same order, under a name that its
    short name is among.
    """
    ends = ends_of(read_pairs(EMBEDDED / "pairs.csv"))
    pictures = read_sheet(EMBEDDED, "endpoints").pictures
    assert len(ends) == len(pictures)
    for end, picture in zip(ends, pictures, strict=True):
        short, _, tone = end.partition("/")
        words = short.replace("_", " ").replace("-", " ").strip()
        assert (f"{words}: {tone} skin tone" if tone else words) in picture.prompts, end


def test_where_the_licence_is() -> None:
    assert "Apache License" in (EMBEDDED / "LICENSE-pictures.txt").read_text(encoding="utf-8")
    assert "Noto Emoji" in (EMBEDDED / "README.md").read_text(encoding="utf-8")
    assert sum(file.stat().st_size for file in EMBEDDED.iterdir()) < 3_000_000
