"""Configuration errors in one line: the key or option that is wrong, the nearest right ones, and
what is allowed.
"""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from scoregeo._utils.files import load_yaml, read_text
from scoregeo.run.launchers import not_installed
from scoregeo.run.overrides import in_a_shell

_UNKNOWN = re.compile(
    r"Could not (?:override|delete from config|append to config|find)\w* ?'([^']+)'"
)
_VALUE = re.compile(
    r"Value '(?P<value>.*)' (?:of type '\w+' could not be converted to|is not a valid)"
    r" (?P<kind>\w+)"
)
_CHOICE = re.compile(
    r"Invalid value '(?P<value>.*)', expected one of \[(?P<allowed>[^\]]*)\] full_key:"
    r" (?P<key>[\w.]+)"
)
_SEVERAL = re.compile(r"Ambiguous value for argument '(?P<argument>.*)'\n1\.", re.DOTALL)
_WORDS = {"Integer": "a whole number", "bool": "true or false", "Float": "a number"}
# Hydra's launchers that come in packages of their own, and the extra that installs each.
_LAUNCHER = re.compile(r"hydra/launcher/(joblib|ray|submitit_slurm|submitit_local)\b")
_EXTRAS = {"joblib": "local", "ray": "ray", "submitit_slurm": "slurm", "submitit_local": "slurm"}
_NOT_KEYS = ("experiment", "study", "case", "hydra")  # groups whose files set keys of other groups


def explain(error: Exception, configs: Path) -> str:
    """One line for an error of Hydra, OmegaConf or the file system while the configuration was
    composed.
    """
    text = " ".join(str(error).split())
    if isinstance(error, MissingConfigException):
        launcher = _LAUNCHER.search(text)
        if launcher is not None and launcher[1] in _EXTRAS:
            extra = _EXTRAS[launcher[1]]
            return not_installed(extra)
        missing = error.missing_cfg_file or (re.search(r"'([^']+)'", text) or [text, text])[1]
        group, _, option = str(missing).rpartition("/")
        options = list(error.options or (path.stem for path in (configs / group).glob("*.yaml")))
        return (
            f"{group} = {option!r} is not an option{_near(option, options)}; {group} must be"
            f" {_list(options)}."
        )
    if error.__cause__ is not None and isinstance(error, HydraException):
        text += " " + " ".join(str(error.__cause__).split())
    several = _SEVERAL.search(str(error))
    if several:
        return _several_values(several["argument"])
    if isinstance(error, OverrideParseException):
        return f"{error.override!r} is not of the form key=value: {text.split(' See ')[0]}"
    value = _VALUE.search(text)
    if value:
        key = re.search(r"full_key: ([\w.]+)", text)
        kind = _WORDS.get(value["kind"], value["kind"])
        return (
            f"{key[1] if key else 'a key'} = {value['value']!r} is not allowed: it must be {kind}."
        )
    choice = _CHOICE.search(text)
    if choice:
        return (
            f"{choice['key']} = {choice['value']!r} is not allowed: it must be one of"
            f" {choice['allowed']}."
        )
    unknown = _UNKNOWN.search(text)
    if unknown:
        return _unknown_key(unknown[1].split("@")[0], configs)
    if isinstance(error, OSError):
        return (
            f"output: {error.filename or 'the folder'} cannot be written ({error.strerror}): output"
            " must be a folder that can."
        )
    return text


def known_keys(configs: Path) -> list[str]:
    """Every dotted key of every option, and every group."""
    keys = set(_scalars())
    for path in sorted(configs.rglob("*.yaml")):
        group = "/".join(path.relative_to(configs).parts[:-1])
        if not group or group.split("/")[0] in _NOT_KEYS:
            continue
        keys.add(group)
        content = load_yaml(path) or {}
        content.pop("defaults", None)  # the option that this one is made of; no setting
        keys |= {f"{group}.{key}" for key in _dotted(content)}
    return sorted(key for key in keys if "_target_" not in key and "_convert_" not in key)


def compose_errors() -> tuple[type[Exception], ...]:
    """What composing a configuration may raise."""
    return (HydraException, OmegaConfBaseException, OSError)


def _several_values(argument: str) -> str:
    key, _, value = argument.partition("=")
    return (
        f"{key} = {value!r} has commas: {in_a_shell(key, value)} is one text,"
        f" '{key}=[{value}]' a list, and -m sweeps over the values."
    )


def _unknown_key(key: str, configs: Path) -> str:
    keys = known_keys(configs)
    group = key.split(".")[0]
    inside = [known for known in keys if known.startswith(f"{group}.")]
    owners = sorted(
        path.stem
        for path in (configs / group).glob("*.yaml")
        if key.partition(".")[2] and key.split(".")[1] in read_text(path)
    )
    if key in keys and owners:
        return (
            f"{key} is not a key of the chosen option of {group}; it belongs to"
            f" {', '.join(owners)}."
        )
    allowed = inside or sorted({known.split(".")[0] for known in keys})
    words = f"keys of {group} (by option): " if inside else "keys: "
    listed = sorted({known.removeprefix(f"{group}.") for known in allowed})
    return (
        f"{key} is not a key of this configuration{_near(key, keys)}; {words}{', '.join(listed)}."
    )


def _scalars() -> list[str]:
    from dataclasses import fields

    from scoregeo.evaluation.settings import EvaluationSettings
    from scoregeo.run.settings import Settings

    return (
        [f.name for f in fields(Settings)]
        + ["experiment", "study"]
        + [f"evaluation.{f.name}" for f in fields(EvaluationSettings)]
    )


def _dotted(content: Any, prefix: str = "") -> list[str]:
    found: list[str] = []
    for key, value in content.items() if isinstance(content, dict) else ():
        found += (
            _dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
        )
    return found


def _near(word: str, words: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, words, 3)
    return f" (did you mean {' or '.join(repr(n) for n in near)}?)" if near else ""


def _list(words: Sequence[str]) -> str:
    return "one of " + ", ".join(sorted(words))
