"""Arguments of commands that are not Hydra's: what `argparse` takes for a `type`."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from scoregeo._utils.errors import ConfigError, check_number
from scoregeo._utils.files import is_folder, path_of
from scoregeo._utils.words import did_you_mean


class Parser(argparse.ArgumentParser):
    """A parser that names the option nearest to one that it does not know."""

    def error(self, message: str) -> NoReturn:
        """Print how the command is used and what is wrong, and end it."""
        unknown = re.match(r"unrecognized arguments: (--[\w-]+)", message)
        options = list(self._option_string_actions)
        super().error(message + (did_you_mean(unknown[1], options, 1) if unknown else ""))


def no_arguments(description: str | None) -> None:
    """Refuse the arguments of a command that takes none; `--help` prints what it does."""
    kind = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(description=description, formatter_class=kind).parse_args()


def path_argument(text: str) -> Path:
    """The path that an argument names."""
    if not text.strip():
        raise argparse.ArgumentTypeError("a path is expected, not an empty text")
    try:
        return path_of("the path", text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def folder_argument(text: str) -> Path:
    """The folder that an argument names, which must be there."""
    path = path_argument(text)
    if not is_folder(path):
        raise argparse.ArgumentTypeError(f"{text!r} is no folder")
    return path


def whole_argument(least: int = 1) -> Callable[[str], int]:
    """A whole number of at least `least`."""

    def read(text: str) -> int:
        try:
            number = int(text)
            check_number("the number", number, at_least=least, integer=True)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from error
        return number

    return read


def positive_argument(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
        check_number("the number", number, above=0.0)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from error
    return number
