"""The project's errors, and checks that name the key, the value and what is allowed."""

import math
import numbers
from collections.abc import Collection, Hashable, Sequence
from typing import Any

_LONGEST = 300  # characters of a value in a message
_SHORT, _LONG = 1e-30, 1e30  # up to the tenth power in float64
_MOST = 2**63 - 1  # of a whole number, as tensors have them


class ScoregeoError(Exception):
    """Base of every error the project raises on purpose; the command line prints it without a
    traceback.
    """


class ConfigError(ScoregeoError, ValueError):
    """A setting that cannot be used. The message names the key, the value and what is allowed."""


class DataError(ScoregeoError, ValueError):
    """A file or tensor from outside that is missing, damaged or of the wrong shape."""


class ScoreError(ScoregeoError, ArithmeticError):
    """A score model that returned NaN, infinity or a wrong shape."""


class StorageError(ScoregeoError, OSError):
    """A file that cannot be written, as on a full disk: its path, and the system's reason
    (`strerror`).
    """

    def __str__(self) -> str:
        path, reason = self.args
        return f"{path} cannot be written ({reason})"


def bad_value(key: str, value: object, allowed: str) -> ConfigError:
    """The error for `key = value` where `allowed` says, in words, what it may be."""
    return ConfigError(f"{key} = {shown(value)} is not allowed: {key} must be {allowed}.")


def shown(value: object) -> str:
    """A value as messages have it: its representation, an array's in one line, the middle of a long
    one left out.
    """
    text = repr(value)
    if "\n" in text:
        text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 60]} ... {text[-50:]}"


def check_number(
    key: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    integer: bool = False,
    held: bool = True,
) -> None:
    """Raise ConfigError unless `value` is a finite real (or whole) number within the given bounds.

    Strings, booleans, NaN and infinities are refused, and, with `held`, whole numbers that 64 bits
    do not hold.
    """
    if integer and held and at_most is None and isinstance(value, numbers.Integral):
        at_most = _MOST if int(value) > _MOST else None
    words = ["a whole number" if integer else "a finite number"]
    words += [f"above {above}"] if above is not None else []
    words += [f"at least {at_least}"] if at_least is not None else []
    words += [f"below {below}"] if below is not None else []
    words += [f"at most {at_most}"] if at_most is not None else []
    allowed = words[0] + (" " if len(words) > 1 else "") + " and ".join(words[1:])
    kind = numbers.Integral if integer else numbers.Real
    if isinstance(value, bool) or not isinstance(value, kind):
        raise bad_value(key, value, allowed)
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        raise bad_value(key, value, allowed) from None
    if not math.isfinite(number):
        raise bad_value(key, value, allowed)
    if (
        (above is not None and not number > above)
        or (at_least is not None and not number >= at_least)
        or (below is not None and not number < below)
        or (at_most is not None and not number <= at_most)
    ):
        raise bad_value(key, value, allowed)


def check_length(key: str, value: Any) -> None:
    """Raise ConfigError unless `value` is a length above 0 whose powers float64 can hold: a radius,
    a noise level, a reach, or what multiplies squares of them, the weight of a metric.
    """
    check_number(key, value, above=0.0)
    if not _SHORT <= value <= _LONG:
        raise bad_value(
            key, value, f"a number above 0, from {_SHORT:g} to {_LONG:g}, whose powers can be held"
        )


def check_above(key: str, value: float, other: str, least: float, *, equal: bool = False) -> None:
    """Raise ConfigError, naming both settings, unless the number `value` of `key` is above `least`,
    that of `other`; with `equal` it may be as great.
    """
    if not (value >= least if equal else value > least):
        raise bad_value(key, value, f"{'at least' if equal else 'above'} {other} = {shown(least)}")


def check_distinct(key: str, values: Sequence[object]) -> None:
    """Raise ConfigError where a list has one value twice."""
    if any(value in values[:i] for i, value in enumerate(values)):
        raise bad_value(key, values, "a list without repetitions")


def check_choice(key: str, value: object, choices: Collection[object]) -> None:
    """Raise ConfigError unless `value` is one of `choices`; a list or an array is none."""
    if not isinstance(value, Hashable) or value not in choices:
        raise bad_value(key, value, "one of " + ", ".join(repr(c) for c in choices))


def check_function(key: str, value: object) -> None:
    """Raise ConfigError for what is neither None nor can be called."""
    if not (value is None or callable(value)):
        raise bad_value(key, value, "a function, or None")


def check_kind(key: str, value: object, kind: type, allowed: str) -> None:
    """Raise ConfigError unless `value` is a `kind`, which `allowed` says in words: a metric, a
    score, a solver that a function of the package is given.
    """
    if not isinstance(value, kind):
        raise bad_value(key, value, allowed)
