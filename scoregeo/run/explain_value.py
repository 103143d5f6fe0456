"""What is wrong with a value that OmegaConf refuses, in one line: the key, the value, what is
allowed.
"""

import re
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from scoregeo._utils.errors import ConfigError
from scoregeo._utils.yaml_text import read_yaml
from scoregeo.evaluation.settings import EvaluationSettings
from scoregeo.run.groups import GROUPS, MAPPINGS
from scoregeo.run.settings import RunSettings, Settings

_KEY = re.compile(r"full_key: (?!object_type|reference_type)([\w.\[\]]+)")
_TYPED = re.compile(
    r"Error merging override (?:[+~]*)(?P<key>[\w./@]+)=(?P<value>.*?) (?=[A-Z]|fie)"
)
_REFUSED = re.compile(
    r"is not Optional|is not a subclass of|is not a ListConfig|could not be converted to"
    r"|is not a valid|Cannot convert '\w+' to string|Cannot (?:merge|assign|set)\b"
    r"|Invalid (?:type|value) assigned|Merge error"
)
_VALUE = re.compile(
    r"(?:Value|value:|Invalid value) '?(?P<value>.*?)'?(?: of type|, expected| full_key)"
)
_INTERPOLATION = (
    (r"Interpolation key '(?P<what>.*?)' not found", "${{{what}}} names no key"),
    (r"Recursive interpolation detected", "it refers to itself"),
    (r"Environment variable '(?P<what>\w+)' not found", "the environment has no variable {what}"),
    (r"Unsupported interpolation type (?P<what>\w+)", "there is no resolver {what}"),
    (r"(?P<what>\w*Error raised while resolving interpolation: .*?) full_key", "{what}"),
    (r"(?P<what>(?:no viable|mismatched|token).*?) full_key", "it is no interpolation ({what})"),
)
_SCALARS = ("seed", "device", "threads", "memory_gib", "shards", "reach")
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def explain_value(text: str) -> str | None:
    """One line for a refused value or an interpolation, from the error's text in one line; None
    for other errors.
    """
    found, file = _KEY.search(text), re.match(r"In '([^']+)'", text)
    if found is None:
        if file is None or not _REFUSED.search(text):
            return None
        return f"{file[1]}.yaml has a list or a value where keys are expected."
    key, typed = found[1], _TYPED.match(text)
    for pattern, reason in _INTERPOLATION:
        match = re.search(pattern, text)
        if match:
            said = reason.format(**match.groupdict())
            where = typed["key"] if typed else key
            return f"{where} cannot be resolved: {said}; a literal ${{ is written \\${{."
    if not _REFUSED.search(text):
        return None
    value = typed["value"].strip("'") if typed and typed["key"] == key else _value(text)
    checked = _checked(key, value)
    if checked is not None:
        return checked
    shown = f"{key}{'' if value is None else f' = {value!r}'}"
    return f"{shown} is not allowed: {key} must be {_allowed(key)}."


def _checked(key: str, value: str | None) -> str | None:
    """What the check of a run's scalars says of a value, in the words that it has in Python; None
    where it has none to say.
    """
    root, _, inner = key.partition(".")
    whole = {
        "name": "x",
        "seed": 0,
        "device": "cpu",
        "threads": 0,
        "evaluation": EvaluationSettings(),
    }
    try:
        given: Any = value and read_yaml(value)
        if isinstance(given, dict):  # whose braces Hydra reads in another way
            return None
        if root == "evaluation" and inner in {one.name for one in fields(EvaluationSettings)}:
            EvaluationSettings(**{inner: given}).check()
        elif key in _SCALARS:
            RunSettings(**whole | {key: given})  # type: ignore[arg-type]
    except ConfigError as error:
        return str(error)
    except yaml.YAMLError:
        return None
    return None


def _value(text: str) -> str | None:
    found = _VALUE.search(text)
    return "null" if "is not Optional" in text else found["value"] if found else None


def _allowed(key: str) -> str:
    """In words, what the value of a key may be."""
    root = key.partition(".")[0]
    if key in MAPPINGS:
        kind = MAPPINGS[key]
        if key == "rivals":
            return "null, or solvers by name: +solver@rivals.NAME=OPTION adds one"
        return f"a list of options, {key}=[OPTION], or {kind}s by name"
    if key in GROUPS:
        return f"one of its options, {key}=OPTION, or its settings one by one, {key}.KEY=VALUE"
    if key == "reach":
        return "a list of numbers, such as [0.5,1.0]"
    declared = _type_of(key) if root in {item.name for item in fields(Settings)} else None
    return "of the kind that its default has" if declared is None else _words(declared, key)


def _type_of(key: str) -> Any:
    """The declared type of a key of the schema; None for one in a group's option."""
    kind: Any = Settings
    for part in key.split("."):
        if not (isinstance(kind, type) and is_dataclass(kind)):
            return None
        kind = get_type_hints(kind).get(part)
    return None if kind is Any else kind


def _words(kind: Any, key: str) -> str:
    options = [one for one in get_args(kind) if one is not NoneType]
    if get_origin(kind) is list:
        return f"a list, such as {key}=[a,b]"
    if NoneType in get_args(kind):
        return f"{_words(options[0], key)}, or null"
    if is_dataclass(kind):
        names = ", ".join(f"{key}.{item.name}" for item in fields(kind))
        return f"set by its keys: {names}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"one of {', '.join(one.name for one in kind)}"
    return _WORDS.get(kind, "of another kind")
