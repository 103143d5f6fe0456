"""Arguments of commands that are not Hydra's."""

import argparse
from pathlib import Path

from scoregeo._utils.errors import ConfigError
from scoregeo._utils.files import path_of


def path_argument(text: str) -> Path:
    """The path that an argument names, as `argparse` takes it for a `type`."""
    if not text.strip():
        raise argparse.ArgumentTypeError("a path is expected, not an empty text")
    try:
        return path_of("the path", text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
