"""Fields of JSON objects: what a writer owes and a reader asks for, said once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from scoregeo._utils.errors import DataError, shown


@dataclass(frozen=True)
class Field:
    """What a field may hold, in words and as a test; `needed`: the object must have it."""

    words: str
    holds: Callable[[Any], bool]
    needed: bool = True

    @property
    def optional(self) -> "Field":
        """The same field of an object that may lack it."""
        return Field(self.words, self.holds, needed=False)


Schema = Mapping[str, Field]


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, Real) and not isinstance(value, bool))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 0


def _are(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (list, tuple)) and all(map(holds, value))


def _by_name(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, Mapping) and all(_is_text(k) and holds(v) for k, v in value.items())
    )


TEXT = Field("a text", _is_text)
NUMBER = Field("a number or null", _is_number)
COUNT = Field("a whole number, 0 or more", _is_count)
TEXTS = Field("a list of texts", _are(_is_text))
OBJECTS = Field("a list of objects", _are(lambda value: isinstance(value, Mapping)))
OBJECT = Field("an object", lambda value: isinstance(value, Mapping))
NUMBERS = Field("an object of numbers or nulls by name", _by_name(_is_number))
NAMES = Field("an object of texts by name", _by_name(_is_text))
VERDICT = Field("true, false or null", lambda value: value is None or isinstance(value, bool))


def nullable(field: Field) -> Field:
    """A field that may be null."""
    return Field(
        f"{field.words} or null", lambda value: value is None or field.holds(value), field.needed
    )


def check_all(entries: Iterable[Any], schema: Schema, where: str) -> None:
    """`check_fields` of each of a list's entries, named by its number."""
    for number, entry in enumerate(entries):
        check_fields(entry, schema, f"{where}[{number}]")


def check_fields(content: Any, schema: Schema, where: str) -> Mapping[str, Any]:
    """`content` itself. Raises DataError, naming `where` and the field, for what is no object,
    lacks a field, or holds what it may not. Other fields are passed over.
    """
    if not isinstance(content, Mapping):
        raise DataError(f"{where} is {shown(content)}, not an object.")
    missing = [key for key, field in schema.items() if field.needed and key not in content]
    if missing:
        raise DataError(
            f"{where} lacks {', '.join(missing)}: it is damaged, or was written by another version."
        )
    for key, field in schema.items():
        if key in content and not field.holds(content[key]):
            raise DataError(f"{where}: {key} = {shown(content[key])} must be {field.words}.")
    return content
