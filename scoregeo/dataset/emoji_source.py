"""Emoji pictures and their names, from the npm package emoji-datasource-google.

The pictures are Noto Emoji; the package's README gives them as under the Apache License 2.0 (the
package's own files are MIT). Get the folder by `npm pack emoji-datasource-google@16.0.0` and unpack
the archive: its folder `package` is the root."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import is_file, is_folder, read_json
from scoregeo._utils.flat_picture import flat_picture

SIZE = 64  # pixels
HOW_TO_GET = (
    "get it by `npm pack emoji-datasource-google@16.0.0`, unpack the archive and give its folder"
    " 'package'"
)
_SKIN = {
    "1F3FB": "light skin tone",
    "1F3FC": "medium-light skin tone",
    "1F3FD": "medium skin tone",
    "1F3FE": "medium-dark skin tone",
    "1F3FF": "dark skin tone",
}
_HELD_OUT_SHARE = 20  # one base emoji in so many is kept out of training
_RESERVED_SHARE = 3
# Letters, flags and clocks say something else in a mirror, and so do names that distinguish left
# from right.
_ONE_WAY_CATEGORIES = ("Symbols", "Flags", "Component")
_ONE_WAY_WORDS = ("left", "right", "clock", "facing")


@dataclass(frozen=True)
class EmojiPicture:
    """One picture's words. `base`: code point of the emoji without skin tones, shared by its
    variants.

    `name`: lower case, for example "runner: medium skin tone"; `prompts`: it and its other names,
    at least one; `code`: code points, for example "1F3C3-1F3FD".
    """

    code: str
    base: str
    name: str
    prompts: tuple[str, ...]
    category: str

    @property
    def held_out(self) -> bool:
        """Whether training leaves it out: a twentieth of the base emoji by a hash of the code
        point, with all variants.

        A person's emoji for man, woman and neither are bases of their own, so one may be held out
        where another is not."""
        return hashlib.sha256(self.base.encode()).digest()[0] % _HELD_OUT_SHARE == 0

    @property
    def reserved(self) -> bool:
        """Whether it belongs to the reference set of FID and KID: the held-out emoji and a third of
        the others.
        """
        return (
            self.held_out or hashlib.sha256(self.base.encode()).digest()[1] % _RESERVED_SHARE == 0
        )

    @property
    def mirrors(self) -> bool:
        """Whether the picture seen in a mirror still has this name."""
        return self.category not in _ONE_WAY_CATEGORIES and not any(
            word in self.name for word in _ONE_WAY_WORDS
        )


@dataclass(frozen=True)
class EmojiSource:
    """All pictures of a folder: `images` uint8 [count, 3, 64, 64], on white, and the words of each,
    in the same order.
    """

    images: torch.Tensor
    pictures: tuple[EmojiPicture, ...]

    def only(self, indices: Sequence[int]) -> "EmojiSource":
        """The pictures at these indices, in their order."""
        return EmojiSource(
            self.images[torch.tensor(indices, dtype=torch.int64)],
            tuple(self.pictures[i] for i in indices),
        )

    def indices(self, held_out: bool) -> torch.Tensor:
        """Indices of the pictures kept out of training, or of the others; int64."""
        found = [i for i, picture in enumerate(self.pictures) if picture.held_out == held_out]
        return torch.tensor(found, dtype=torch.int64)


def to_points(images: torch.Tensor) -> torch.Tensor:
    """uint8 pictures [..., 3, 64, 64] to float32 in [-1, 1]."""
    return images.float() / 127.5 - 1


def load_emoji_folder(root: str | Path) -> EmojiSource:
    """Read every picture (skin tones included) of the unpacked npm package at `root`.

    Raises DataError, saying how to get the folder, where files are missing, damaged, or not 64 x
    64.
    """
    folder = Path(root)
    images = folder / "img" / "google" / "64"
    if not is_file(folder / "emoji.json") or not is_folder(images):
        raise DataError(
            f"{folder} is not the unpacked emoji package (emoji.json, img/google/64): {HOW_TO_GET}."
        )
    entries = _entries(read_json(folder / "emoji.json"), folder)
    read = [read_picture(images / file) for file, _ in entries]
    return EmojiSource(torch.stack(read), tuple(words for _, words in entries))


def _entries(listed: Sequence[Mapping[str, Any]], folder: Path) -> list[tuple[str, EmojiPicture]]:
    """File name and words of each picture, base emoji and variants, in the package's order."""
    found = []
    try:
        for entry in listed:
            if not entry["has_img_google"]:
                continue
            names = spoken_names(entry["name"], entry["short_names"])
            base, category = entry["unified"], entry["category"]
            found.append((entry["image"], EmojiPicture(base, base, names[0], names, category)))
            for tones, variant in entry.get("skin_variations", {}).items():
                if variant["has_img_google"]:
                    tone = ", ".join(_SKIN[code] for code in tones.split("-"))
                    toned = tuple(f"{name}: {tone}" for name in names)
                    found.append(
                        (
                            variant["image"],
                            EmojiPicture(variant["unified"], base, toned[0], toned, category),
                        )
                    )
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{folder}/emoji.json has not the layout of version 16.0.0 ({error!r}): {HOW_TO_GET}."
        ) from error
    if not found:
        raise DataError(f"{folder}/emoji.json lists no pictures: {HOW_TO_GET}.")
    return found


def spoken_names(name: str, short_names: Sequence[str]) -> tuple[str, ...]:
    """The name and the short names in words: lower case, blanks for underscores and hyphens, no
    repetitions.
    """
    spoken = [
        name.lower(),
        *(short.replace("_", " ").replace("-", " ").strip().lower() for short in short_names),
    ]
    return tuple(dict.fromkeys(words for words in spoken if words))


def read_picture(path: Path) -> torch.Tensor:
    """One 64 x 64 picture on white, uint8 [3, 64, 64]. Raises DataError naming a missing, damaged
    or wrongly sized file.
    """
    import numpy as np

    try:
        picture = flat_picture(path)
    except DataError as error:
        raise DataError(f"{error} To have the pictures, {HOW_TO_GET}.") from error
    if picture.size != (SIZE, SIZE):
        raise DataError(
            f"{path} has {picture.size[0]} x {picture.size[1]} pixels, {SIZE} x {SIZE} expected:"
            f" {HOW_TO_GET}."
        )
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()
