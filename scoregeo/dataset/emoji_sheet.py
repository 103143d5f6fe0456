"""Many 64 x 64 pictures as one PNG, with their words in a JSON file beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import read_json, write_json, write_whole
from scoregeo._utils.flat_picture import flat_picture
from scoregeo.dataset.emoji_source import SIZE, EmojiPicture, EmojiSource

COLUMNS = 20


def write_sheet(folder: Path, name: str, source: EmojiSource) -> int:
    """Write `name.png`, pictures in rows of twenty, the rest white, and `name.json`, their words;
    returns the bytes of both.
    """
    from PIL import Image

    missing = -len(source.pictures) % COLUMNS
    white = torch.full((missing, 3, SIZE, SIZE), 255, dtype=torch.uint8)
    rows = torch.cat([source.images, white]).unflatten(0, (-1, COLUMNS))
    sheet = rows.permute(0, 3, 1, 4, 2).reshape(-1, COLUMNS * SIZE, 3)
    picture = Image.fromarray(sheet.numpy())
    image, words = folder / f"{name}.png", folder / f"{name}.json"
    write_whole(image, lambda partial: picture.save(partial, optimize=True))
    write_json(words, [asdict(entry) for entry in source.pictures])
    return image.stat().st_size + words.stat().st_size


def read_sheet(folder: Path, name: str) -> EmojiSource:
    """What `write_sheet` wrote. Raises DataError, naming the file, where it is missing, damaged or
    of another size.
    """
    import numpy as np

    path = folder / f"{name}.png"
    pictures = tuple(
        _picture(entry, folder / f"{name}.json") for entry in read_json(folder / f"{name}.json")
    )
    sheet = torch.from_numpy(np.array(flat_picture(path)))
    wanted = (-(-len(pictures) // COLUMNS) * SIZE, COLUMNS * SIZE, 3)
    if tuple(sheet.shape) != wanted:
        raise DataError(
            f"{path} has shape {tuple(sheet.shape)}, {wanted} expected for {len(pictures)}"
            " pictures."
        )
    images = (
        sheet.reshape(-1, SIZE, COLUMNS, SIZE, 3).permute(0, 2, 4, 1, 3).reshape(-1, 3, SIZE, SIZE)
    )
    return EmojiSource(images[: len(pictures)].contiguous(), pictures)


def _picture(entry: Mapping[str, Any], path: Path) -> EmojiPicture:
    try:
        prompts: Sequence[str] = entry["prompts"]
        return EmojiPicture(
            entry["code"], entry["base"], entry["name"], tuple(prompts), entry["category"]
        )
    except (KeyError, TypeError) as error:
        raise DataError(f"{path} has an entry without {error}.") from error
