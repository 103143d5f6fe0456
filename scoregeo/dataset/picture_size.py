"""How many pixels pictures are given to a model with: settings that may leave it to the model."""

from collections.abc import Sequence
from math import isqrt

from scoregeo._utils.errors import ConfigError, bad_value, check_number
from scoregeo._utils.memory import check_room, limit_bytes
from scoregeo.dataset.picture import SMALLEST

LARGEST = 2**20  # pixels a side
PIXEL = 4 * 3 * 4  # bytes: three float32, and as many again while they are read, scaled and shown
# Pixels a side; height and width; None: the model's own.
Size = int | Sequence[int] | None


def sides_of(size: Size, key: str) -> tuple[int, int] | None:
    """Height and width of a setting; None where it leaves them to the model. Raises ConfigError,
    naming the key, for anything else, and where two pictures do not fit into the memory limit.
    """
    if size is None:
        return None
    if isinstance(size, (list, tuple)):
        if len(size) != 2:
            raise bad_value(key, size, "one number of pixels, or two: [height, width]")
        sides = tuple(size)
    else:
        sides = (size, size)
    for side in sides:
        check_number(key, side, at_least=SMALLEST, at_most=LARGEST, integer=True)
    found = (int(sides[0]), int(sides[1]))
    check_pictures(key, size, found, 2)
    return found


def check_pictures(key: str, value: object, sides: tuple[int, int], count: int) -> None:
    """Raise ConfigError where so many pictures of `sides` (height, width), which the setting `key`
    asks for, take more than the memory limit. What a network takes for itself is not counted.
    """
    needed = PIXEL * count * sides[0] * sides[1]
    fits = isqrt(limit_bytes() // (PIXEL * count))
    what = f"{count:,} pictures of {sides[0]} x {sides[1]} pixels"
    check_room(key, value, needed, what, f"at most {fits} pixels a side")


def check_frames(
    key: str, count: int, sides: tuple[int, int], ways: int = 1, size: str = "size"
) -> None:
    """Raise ConfigError where `ways` times `count` frames of `sides` take more than the memory
    limit: `count` of the setting `key`, or that of `size`, must be less.
    """
    each = PIXEL * sides[0] * sides[1] * ways
    what = f"the frames of {sides[0]} x {sides[1]} pixels"
    fits = f"at most {limit_bytes() // each:,}, or {size} smaller"
    check_room(key, count, each * count, what, fits)


def known(sides: tuple[int, int] | None) -> tuple[int, int]:
    """The sides. Raises ConfigError where only a model would know them."""
    if sides is None:
        raise ConfigError(
            "dataset.size = None is not allowed: dataset.size must be a number of pixels where the"
            " score is no text-to-image model, whose own size null stands for."
        )
    return sides
