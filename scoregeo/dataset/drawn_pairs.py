"""Pairs drawn from folders of pictures that come in none, as AFHQ's and CelebA-HQ's do."""

from collections.abc import Iterator, Mapping
from itertools import combinations, islice
from pathlib import Path

import torch

from scoregeo._utils.errors import DataError, bad_value
from scoregeo._utils.seed import generator
from scoregeo.dataset.pair_files import PairFiles, check_root, grouped, safe
from scoregeo.dataset.picture import folders_below, name_skipped, pictures_in

DRAWS = ("within", "across")
_FOLDER = "%folder"  # in a prompt: the name of the picture's folder


def draw_pairs(
    root: Path, draw: str, count: int, seed: int, prompts: tuple[str, str]
) -> list[PairFiles]:
    """`count` pairs of the pictures below `root`; no picture is in two of them.

    The pictures of each folder are put into a random order, by a generator of `seed` and the
    folder's path. "within": neighbours in that order are a pair, and the folders take turns.
    "across": the next picture of each of two folders are a pair, and the pairs of folders (cat-dog,
    cat-wild, dog-wild) take turns. So the pairs do not depend on the machine, and a larger count
    keeps those of a smaller one. "%folder" in `prompts` becomes the name of the picture's folder.

    Raises DataError where `root` has too few pictures or folders, ConfigError for more pairs than
    there can be.
    """
    check_root(root)
    name_skipped(folders_below(root), root)
    orders = {
        folder.relative_to(root).as_posix(): _shuffled(files, seed, folder.relative_to(root))
        for folder in folders_below(root)
        if (files := pictures_in(folder))
    }
    if draw == "across" and len(orders) < 2:
        raise DataError(
            f"dataset.root = {str(root)!r} has pictures in fewer than two folders:"
            " dataset.draw=across needs two."
        )
    turns = _within(orders) if draw == "within" else _across(orders)
    found = [
        _pair(number, group, files, prompts)
        for number, (group, files) in enumerate(islice(turns, count), start=1)
    ]
    if not found:
        raise DataError(f"dataset.root = {str(root)!r} has too few pictures for a pair.")
    if len(found) < count:
        raise bad_value(
            "dataset.pairs",
            count,
            f"at most {len(found)} with dataset.draw={draw}, no picture being in two pairs",
        )
    return grouped(found, [str(pair.first.parent) for pair in found])


def _shuffled(files: list[Path], seed: int, folder: Path) -> list[Path]:
    source = generator(seed, f"pairs of {folder.as_posix()}")
    return [files[i] for i in torch.randperm(len(files), generator=source).tolist()]


def _within(orders: Mapping[str, list[Path]]) -> Iterator[tuple[str, tuple[Path, Path]]]:
    for start in range(0, max(map(len, orders.values()), default=0), 2):
        for folder, files in orders.items():
            if start + 1 < len(files):
                yield folder, (files[start], files[start + 1])


def _across(orders: Mapping[str, list[Path]]) -> Iterator[tuple[str, tuple[Path, Path]]]:
    left = {folder: list(reversed(files)) for folder, files in orders.items()}
    while sum(bool(files) for files in left.values()) > 1:
        for first, second in combinations(left, 2):
            if left[first] and left[second]:
                yield f"{first}-{second}", (left[first].pop(), left[second].pop())


def _pair(number: int, group: str, files: tuple[Path, Path], prompts: tuple[str, str]) -> PairFiles:
    first, second = files
    words = [
        text.replace(_FOLDER, path.parent.name) for text, path in zip(prompts, files, strict=True)
    ]
    name = safe(f"{number:03d}_{first.stem}-{second.stem}")
    return PairFiles(first, second, (words[0], words[1]), name, "" if group == "." else group)
