"""What is wrong with an override as it was typed, in one line."""

import re

from scoregeo._utils.configuration import config_dir
from scoregeo.run.groups import MAPPINGS
from scoregeo.run.overrides import as_typed, in_a_shell

_LIST = re.compile(
    r"Could not delete '(?P<key>[^']+)'\. No match in the defaults list"
    r"|deletion value must be a string.*input_line='~(?P<typed>[^'=]+)"
)
_GONE = re.compile(r"Could not delete from config\. '(?P<key>[^']*)' does not exist")


def no_override(given: str) -> str:
    key, equals, value = given.partition("=")
    said = f"{given!r} is not of the form key=value"
    if not equals:
        return f"{said}: a setting is such as seed=1, a flag such as -m."
    if key != key.strip() and re.fullmatch(r"[\w./@]+", key.strip()) and value.strip():
        plain = re.fullmatch(r"[\w.+-]+", value.strip())
        right = in_a_shell(key.strip(), value.strip())
        right = f"{key.strip()}={value.strip()}" if plain else right
        return f"{said}: no space stands before its =, {right}."
    return f"{said}: a key is words with points between, such as metric.lam=10."


def no_place(given: str) -> str:
    """`given`: a group and where its option belongs, which nothing there replaces."""
    group, _, place = given.partition("@")
    return (
        f"{given} is in no list of options: {group}=OPTION chooses one, and +{group}@PLACE=OPTION"
        " adds one in another place, as +solver@rivals.NAME=adam does a rival"
        f"{f' (+{given}=OPTION)' if place.startswith('rivals.') else ''}."
    )


def several_values(argument: str) -> str:
    key, _, value = as_typed(argument).partition("=")
    return (
        f"{key} = {value!r} has commas: {in_a_shell(key, value)} is one text,"
        f" '{key}=[{value}]' a list, and -m sweeps over the values."
    )


def not_taken_away(text: str) -> str | None:
    """`text`: an error of Hydra's. None where it is not about `~KEY`."""
    if gone := _GONE.search(text):
        return f"~{gone['key']} takes nothing away: there is no {gone['key']}."
    found = _LIST.search(text)
    key = found and (found["key"] or found["typed"])
    if key not in MAPPINGS:
        return None
    return f"~{key} takes nothing away: {key}=[] chooses none, and ~{key}.NAME leaves one out."


def chosen_by(name: str) -> str:
    """How an experiment or a study of that name is chosen; empty where there is none."""
    groups = ("experiment", "study")
    found = [one for one in groups if (config_dir() / one / f"{name}.yaml").is_file()]
    return "".join(f", such as {group}={name}," for group in found)
