"""Configuration errors in one line: the key or option that is wrong, the nearest right ones, and
what is allowed.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from scoregeo._utils.errors import ScoregeoError
from scoregeo._utils.files import load_yaml
from scoregeo._utils.words import did_you_mean
from scoregeo.run.explain_override import no_override, no_place, not_taken_away, several_values
from scoregeo.run.explain_value import explain_value
from scoregeo.run.groups import GROUPS, MAPPINGS
from scoregeo.run.launchers import not_installed
from scoregeo.run.leftovers import owners

_UNKNOWN = re.compile(
    r"Could not (?:override|delete|delete from config|append to config|find)\w* ?'([^']*)'"
)
_TWICE = re.compile(r"(\S+) appears more than once in the final defaults list")
_WITHIN = re.compile(r"Key '[^']+' (?:is not in struct|not in '\w+') full_key: ([\w.]+)")
_CHOICE = re.compile(
    r"Invalid value '(?P<value>.*)', expected one of \[(?P<allowed>[^\]]*)\] full_key:"
    r" (?P<key>[\w.]+)"
)
_SEVERAL = re.compile(r"Ambiguous value for argument '(?P<argument>.*)'\n1\.", re.DOTALL)
# Hydra's launchers that come in packages of their own, and the extra that installs each.
_LAUNCHER = re.compile(r"hydra/launcher/(joblib|ray|submitit_slurm|submitit_local)\b")
_EXTRAS = {"joblib": "local", "ray": "ray", "submitit_slurm": "slurm", "submitit_local": "slurm"}
_SWEEP = re.compile(r"BasicSweeper does not support sweep type : (\w+)_SWEEP")
_ROOT = "config"  # the file of the whole configuration, which no user wrote
_NOT_KEYS = ("experiment", "study", "case", "hydra")  # groups whose files set keys of other groups


def explain(error: Exception, configs: Path) -> str:
    """One line for an error of Hydra, OmegaConf or the file system while the configuration was
    composed; with the file that is being merged, where it is in one.
    """
    text = " ".join(str(error).split())
    said, file = _explained(error, text, configs), re.match(r"In '([^']+)'", text)
    return f"{said} (in {file[1]})" if file and file[1] != _ROOT and file[1] not in said else said


def _explained(error: Exception, text: str, configs: Path) -> str:
    if isinstance(error, ScoregeoError):
        return text
    if isinstance(error, MissingConfigException) and "module" in text:
        return f"--config-path: {text}: it must be a folder with a config.yaml."
    if isinstance(error, MissingConfigException) and text.startswith("Primary config directory"):
        folder = (re.search(r"'([^']+)'", text) or ["", text])[1]
        return f"--config-path = {folder!r} is no folder: it must be one with a config.yaml."
    if isinstance(error, MissingConfigException):
        launcher = _LAUNCHER.search(text)
        if launcher is not None and launcher[1] in _EXTRAS:
            extra = _EXTRAS[launcher[1]]
            return not_installed(extra)
        missing = error.missing_cfg_file or (re.search(r"'([^']+)'", text) or [text, text])[1]
        group, _, option = str(missing).rpartition("/")
        options = list(error.options or (path.stem for path in (configs / group).glob("*.yaml")))
        group = group or "--config-name"
        return (
            f"{group} = {option!r} is not an option{did_you_mean(option, options)}; {group} must be"
            f" {_list(options)}."
        )
    if error.__cause__ is not None and isinstance(error, HydraException):
        text += " " + " ".join(str(error.__cause__).split())
    several = _SEVERAL.search(str(error))
    if several:
        return several_values(several["argument"])
    if isinstance(error, OverrideParseException):
        return no_override(error.override)
    if isinstance(error, yaml.YAMLError):
        return _bad_yaml(error)
    if isinstance(error, OSError) and error.strerror and not isinstance(error, ConnectionError):
        return (
            f"output: {error.filename or 'the folder'} cannot be written ({error.strerror}): output"
            " must be a folder that can."
        )
    if said := not_taken_away(text):
        return said
    if not isinstance(error, compose_errors()):
        return _not_composed(error, text)
    choice = _CHOICE.search(text)
    if choice:
        return (
            f"{choice['key']} = {choice['value']!r} is not allowed: it must be one of"
            f" {choice['allowed']}."
        )
    value = explain_value(text)
    if value is not None:
        return value
    if sweep := _SWEEP.search(text):
        return (
            f"{sweep[1].lower()}() is of other sweepers: that of hydra/sweeper=basic takes lists,"
            " choice(), range() and glob(), such as metric.lam=1,10,100."
        )
    if twice := _TWICE.search(text):
        return (
            f"{twice[1]} has an option more than once: of experiment, or of study, one option is"
            " chosen, and a file that names others in its defaults may not choose it again."
        )
    unknown, within = _UNKNOWN.search(text), _WITHIN.search(text)
    if unknown and "@" in unknown[1]:
        return no_place(unknown[1])
    if unknown and not unknown[1]:
        return no_override(text.rpartition(" ")[2].lstrip("+"))
    if key := within or unknown:
        return _unknown_key(key[1], configs)
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
    return (HydraException, OmegaConfBaseException, OSError, yaml.YAMLError)


def _bad_yaml(error: yaml.YAMLError) -> str:
    """The file, the line and what is wrong there."""
    mark = getattr(error, "problem_mark", None)
    reason = " ".join(str(getattr(error, "problem", None) or error).split())
    if "\\t" in reason:
        reason = "a tab; YAML is indented with spaces"
    place = "a configuration file" if mark is None else f"{mark.name}, line {mark.line + 1},"
    return f"{place} is not YAML: {reason}."


def _not_composed(error: Exception, text: str) -> str:
    """What Hydra raises of its own code, not of its errors, and the file that it was reading."""
    step, file = error.__traceback__, ""
    while step is not None:
        if step.tb_frame.f_code.co_name == "configure_log" and isinstance(error, AssertionError):
            return "hydra.verbose must be true, false, a logger's name or a list of names."
        if step.tb_frame.f_code.co_name == "update" and "NoneType" in text:
            return (
                f"{step.tb_frame.f_locals.get('key')} is not allowed here: no mapping is there for"
                " it to be merged into; a file may set it, as a study's does hydra.sweeper.params."
            )
        file = str(step.tb_frame.f_locals.get("full_path") or file)
        step = step.tb_next
    where = f" ({file})" if file else ""
    text = text or type(error).__name__
    if isinstance(error, RecursionError):
        text = "it refers to itself, or is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        text = f"it is not in UTF-8 (byte {error.start + 1})"
    return f"the configuration cannot be composed{where}: {text.rstrip('.!')}."


def _unknown_key(key: str, configs: Path) -> str:
    keys = known_keys(configs)
    group = key.split(".")[0]
    if key == "case":  # a file's own keys would lie below it
        with_cases = sorted(path.name for path in (configs / key).iterdir() if path.is_dir())
        return (
            "case is no setting, and not every study has cases: case/STUDY=OPTION chooses one, with"
            f" study=STUDY, which must be {_list(with_cases)}."
        )
    if group in _NOT_KEYS[:3]:
        return (
            f"{key} is not a key of this configuration: the first line of a file of configs/{group}"
            " must be '# @package _global_', else its keys lie below the group's name."
        )
    inside = [known for known in keys if known.startswith(f"{group}.")]
    own = owners(group, key.split(".")[1]) if "." in key and (configs / group).is_dir() else []
    if key in keys and own:
        return (
            f"{key} is not a key of the chosen option of {group}; it belongs to {', '.join(own)}."
        )
    if group in (*MAPPINGS, "runner"):
        option = key.partition(".")[2].partition(".")[0]
        if (configs / group / f"{option}.yaml").is_file():
            return (
                f"{key} is not there to be set: {option} is not chosen. '{group}=[{option}]'"
                " chooses it alone; with others, all are in the list."
            )
        kind = MAPPINGS.get(group, group)
        article = "an" if kind.startswith("e") else "a"
        return (
            f"{key} is not there to be set: +{key} adds it, and {article} {kind} needs a _target_"
            f"{' or +solver@rivals.NAME=OPTION' if group == 'rivals' else ''}."
        )
    allowed = inside or sorted({known.split(".")[0] for known in keys})
    words = f"keys of {group} (by option): " if inside else "keys: "
    listed = sorted({known.removeprefix(f"{group}.") for known in allowed})
    of_own = f"; +{key} adds it for a _target_ of your own" if group in GROUPS else ""
    return (
        f"{key} is not a key of this configuration{did_you_mean(key, keys)}{of_own}; {words}"
        f"{', '.join(listed)}."
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


def _list(words: Sequence[str]) -> str:
    return "one of " + ", ".join(sorted(words))
