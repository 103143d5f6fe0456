"""Pairs of a user's own pictures: two files, a list, a folder of pairs such as MorphBench's, or
pairs drawn from folders of pictures such as AFHQ's.
"""

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from pathlib import Path

import torch

from scoregeo._utils.errors import ConfigError, DataError, bad_value, check_choice, check_number
from scoregeo._utils.files import is_folder, path_of
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset, Pairs
from scoregeo.dataset.drawn_pairs import DRAWS, draw_pairs
from scoregeo.dataset.pair_files import PairFiles, pairs_in_folder, pairs_in_list, safe
from scoregeo.dataset.picture import (
    ENOUGH,
    check_picture,
    flat_picture,
    folders_below,
    name_skipped,
    pictures_below,
    read_picture,
)
from scoregeo.dataset.picture_size import Size, known, sides_of


class ImagePairs(AbstractDataset):
    """Pictures from files; points [3, height, width], pixels in [-1, 1], float32 (see
    `read_picture` for other shapes and alpha).

    Exactly one of: `first` and `second`; `root`; `list`. References of FID and KID, and of a graph,
    are the pictures below the folder `references`; without one those of `root` that are in no drawn
    pair, or the pairs' own.
    """

    def __init__(
        self,
        first: str | None = None,
        second: str | None = None,
        first_prompt: str = "",
        second_prompt: str | None = None,
        root: str | None = None,
        list: str | None = None,
        references: str | None = None,
        pairs: int | None = None,
        size: Size = 512,
        draw: str | None = None,
        draw_seed: int = 0,
    ) -> None:
        """Settings of the group `dataset`; every file's header is read now, the rest when first
        asked for.

        Args:
            first, second: two picture files. first_prompt, second_prompt: what they show; null: the
                same for the second. With `draw`, of every pair, and %folder in them is the name of
                the picture's folder.
            root: a folder of pairs, at any depth; a pair's group is the folder at its top.
                MorphBench as it is unpacked.
            draw: "within" or "across": `pairs` pairs are drawn from pictures of one folder below
                `root`, or of two, by `draw_seed` (`draw_pairs`); null: `root` holds pairs.
            list: a CSV file with a header, columns first, second, and if wanted first_prompt,
                second_prompt, group; paths are relative to it.
            references: a folder of pictures. pairs: at most so many, from the start; null: all.
                size: pixels a side, or height and width; null: as many as the text-to-image model
                    was trained on, square, or in the shape of `first` where that is given.

        Raises: ConfigError for settings that do not go together, DataError for files that cannot be
        used.
        """
        given = [
            key
            for key, value in (("first", first), ("root", root), ("list", list))
            if value is not None
        ]
        if len(given) != 1 or (first is None) != (second is None):
            values = (
                f"dataset.first = {first!r}, dataset.second = {second!r}, dataset.root = {root!r},"
                f" dataset.list = {list!r}"
            )
            raise ConfigError(
                f"{values}: give both first and second, or root, or list, and only one of the"
                " three."
            )
        self._sides = sides_of(size, "dataset.size")
        if pairs is not None:
            check_number("dataset.pairs", pairs, at_least=1, integer=True)
        prompts = (first_prompt, first_prompt if second_prompt is None else second_prompt)
        if draw is not None:
            _check_draw(draw, draw_seed, root, pairs)
        self._first = None if first is None else path_of("dataset.first", first)
        found: Sequence[PairFiles]
        if first is not None and second is not None:
            ends = path_of("dataset.first", first), path_of("dataset.second", second)
            name = safe(f"{ends[0].stem}-{ends[1].stem}")
            found = [PairFiles(*ends, prompts, name, "all")]
        elif root is None:
            found = pairs_in_list(path_of("dataset.list", list))
        elif draw is None or pairs is None:
            found = pairs_in_folder(path_of("dataset.root", root))
        else:
            found = draw_pairs(path_of("dataset.root", root), draw, pairs, draw_seed, prompts)
        for pair in found:
            for path in (pair.first, pair.second):
                check_picture(path)
        if pairs is not None and pairs > len(found):
            raise bad_value(
                "dataset.pairs", pairs, f"at most the number of pairs there are, {len(found)}"
            )
        self._files = tuple(found)[:pairs]
        self.references: Path | None = None
        if references is not None:
            self.references = path_of("dataset.references", references)
        # Those in no pair are references.
        self._others = None if draw is None else path_of("dataset.root", root)
        if self.references is not None and not (
            is_folder(self.references) and pictures_below(self.references)
        ):
            raise bad_value("dataset.references", references, "a folder with pictures in it")
        if self.references is not None:
            name_skipped(folders_below(self.references), self.references)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width. Raises ConfigError where they are left to a model."""
        return known(self._sides)

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, *self.size)

    @property
    def ratio(self) -> float | None:
        """Of `first`, where that is given and no size."""
        if self._first is None or self._sides is not None:
            return None
        picture = flat_picture(self._first, ENOUGH)
        return picture.width / picture.height

    def sized(self, size: tuple[int, int]) -> "ImagePairs":
        found = copy(self)
        found._sides = self._sides or size
        return found

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32

    def pairs(self, seed: int) -> Pairs:
        """All pairs, in order; the seed is not used."""
        files = self._files
        return Pairs(
            first=torch.stack([read_picture(pair.first, self.size) for pair in files]),
            second=torch.stack([read_picture(pair.second, self.size) for pair in files]),
            names=tuple(pair.name for pair in files),
            groups=tuple(pair.group for pair in files),
            prompts=tuple(pair.prompts for pair in files),
        )

    def sample(self, count: int, seed: int) -> torch.Tensor:
        """`count` of the references, without repetition. Raises DataError where there are fewer."""
        paths = self._reference_files
        if count > len(paths):
            where = f"in {self.references}" if self.references else "of the pairs"
            if self._others and not self.references:
                where = f"in {self._others} without the pairs"
            raise DataError(
                f"{count} reference pictures are wanted and {len(paths)} are {where}: see"
                " dataset.references."
            )
        order = torch.randperm(len(paths), generator=generator(seed, "reference pictures"))[:count]
        return torch.stack([read_picture(paths[i], self.size) for i in order.tolist()])

    @cached_property
    def _reference_files(self) -> Sequence[Path]:
        own = dict.fromkeys(path for pair in self._files for path in (pair.first, pair.second))
        if self.references is not None:
            return pictures_below(self.references)
        if self._others is not None:
            return [path for path in pictures_below(self._others) if path not in own]
        return tuple(own)


def _check_draw(draw: str, seed: int, root: str | None, pairs: int | None) -> None:
    check_choice("dataset.draw", draw, DRAWS)
    check_number("dataset.draw_seed", seed, at_least=0, integer=True)
    if root is None or pairs is None:
        raise ConfigError(
            f"dataset.draw = {draw!r} with dataset.root = {root!r} and dataset.pairs = {pairs}:"
            " give root, a folder of pictures, and how many pairs to draw."
        )
