"""How many pixels pictures are given to a model with: settings that may leave it to the model."""

from collections.abc import Sequence

from scoregeo._utils.errors import ConfigError, bad_value, check_number
from scoregeo.dataset.picture import SMALLEST

# Pixels a side; height and width; None: the model's own.
Size = int | Sequence[int] | None


def sides_of(size: Size, key: str) -> tuple[int, int] | None:
    """Height and width of a setting; None where it leaves them to the model. Raises ConfigError,
    naming the key, for anything else.
    """
    if size is None:
        return None
    if isinstance(size, (list, tuple)):
        if len(size) != 2:
            raise bad_value(key, size, "one number of pixels, or two: [height, width]")
        for side in size:
            check_number(key, side, at_least=SMALLEST, integer=True)
        return (int(size[0]), int(size[1]))
    check_number(key, size, at_least=SMALLEST, integer=True)
    assert isinstance(size, int)
    return (size, size)


def known(sides: tuple[int, int] | None) -> tuple[int, int]:
    """The sides. Raises ConfigError where only a model would know them."""
    if sides is None:
        raise ConfigError(
            "dataset.size = None is not allowed: dataset.size must be a number of pixels where the"
            " score is no text-to-image model, whose own size null stands for."
        )
    return sides
