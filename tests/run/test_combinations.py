"""Every option beside every experiment: no key is refused that the command line does not have."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import pytest

from scoregeo._utils.configuration import config_dir
from scoregeo._utils.errors import ConfigError
from scoregeo._utils.files import load_yaml
from scoregeo.run.build import check_group, check_nodes
from scoregeo.run.command import compose
from scoregeo.run.groups import GROUPS, is_option
from scoregeo.run.leftovers import drop_leftovers, inherited
from tests.commands import command
from tests.run.test_configs import EXPERIMENTS

LISTS = ("baseline", "extrapolation", "tracker")
Config = dict[str, Any]


def chosen(group: str, option: str) -> str:
    return f"{group}=[{option}]" if group in LISTS else f"{group}={option}"


@cache
def options(group: str) -> list[str]:
    return sorted(path.stem for path in (config_dir() / group).glob("*.yaml"))


@cache
def option_file(group: str, option: str) -> Config:
    """What an option's file sets, with those that it is made of."""
    content = load_yaml(config_dir() / group / f"{option}.yaml")
    made: Config = {}
    for above in content.pop("defaults", ()):
        name, _, place = above.partition("@")
        if name in options(group):
            node = option_file(group, name)
            for key in reversed(place.split(".") if place else []):
                node = {key: node}
            made = merged(made, node)
    return merged(made, content)


@cache
def changes(experiment: str) -> Config:
    """What an experiment's file sets, with those that it is made of."""
    content = load_yaml(config_dir() / "experiment" / f"{experiment}.yaml")
    made: Config = {}
    for above in content.pop("defaults", ()):
        if isinstance(above, str) and above in EXPERIMENTS:
            made = merged(made, changes(above))
    return merged(made, content)


def merged(node: Mapping[str, Any], more: Mapping[str, Any]) -> Config:
    found = deepcopy(dict(node))
    for key, value in more.items():
        inner = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = merged(found[key], value) if inner else value
    return found


def composed(experiment: str, group: str, option: str) -> Config:
    """A group's node as Hydra composes it: the option's, with the experiment's changes."""
    changed = merged(option_file(group, option), changes(experiment).get(group, {}))
    return {key: one for key, one in changed.items() if group not in LISTS or one is not None}


def combinations() -> Iterator[tuple[str, str, str]]:
    for group in (*GROUPS, *LISTS):
        for option in options(group):
            yield from ((experiment, group, option) for experiment in EXPERIMENTS)


def test_every_option_fits_every_experiment() -> None:
    """On the nodes that Hydra merges, which the next test compares with what it composes."""
    count, dropped = 0, 0
    for experiment, group, option in combinations():
        config = {group: composed(experiment, group, option)}
        dropped += bool(drop_leftovers(config, [chosen(group, option)]))
        if group in LISTS:
            assert all(is_option(node) for node in config[group].values())
        check_group(group, config[group])  # raises ConfigError for a key that no target takes
        count += 1
    assert count > 1000 and dropped > 100  # as many were refused while nothing was left out


@pytest.mark.parametrize(
    ("experiment", "group", "option"),
    [
        ("noise_level", "solver", "adam"),
        ("paper_digits", "baseline", "lerp"),
        ("paper_digits", "score", "empirical"),
        ("rotated_mnist_empirical", "initializer", "lerp"),
        ("morph", "inversion", "none"),
        ("torus", "dataset", "sphere"),
    ],
)
def test_the_nodes_are_those_that_hydra_composes(experiment: str, group: str, option: str) -> None:
    config, _ = compose([f"experiment={experiment}", chosen(group, option)])
    expected = {group: composed(experiment, group, option)}
    drop_leftovers(expected, [chosen(group, option)])
    node, other = config[group], expected[group]
    assert node.keys() == other.keys()
    if group in LISTS:
        assert all(node[name].keys() == other[name].keys() for name in node)


def test_what_was_typed_or_misspelt_is_not_left_out() -> None:
    typed = ["experiment=noise_level", "solver=adam", "solver.max_subnodes=8"]
    assert compose(typed[:2])[0]["solver"].keys() == option_file("solver", "adam").keys()
    with pytest.raises(ConfigError, match=r"solver\.max_subnodes is not a setting of solver=adam"):
        check_nodes(compose(typed)[0])
    config = compose(["solver=adam"])[0]
    config["solver"]["max_subnods"] = 8
    assert drop_leftovers(config, ["solver=adam"]) == []
    with pytest.raises(ConfigError, match=r"solver\.max_subnods is not a setting"):
        check_nodes(config)


def test_a_rival_s_option_can_be_changed() -> None:
    config, _ = compose(["experiment=paper_digits", "solver@rivals.adam_differentiated=georce"])
    check_nodes(config)
    assert "iterations" not in config["rivals"]["adam_differentiated"]


def test_both_spellings_are_one_run() -> None:
    lines = ["experiment=noise_level", "solver=adam"], ["~solver.max_subnodes"]
    assert compose(lines[0])[1] == compose([*lines[0], *lines[1]])[1]
    said = command(*lines[0], "seed=-1")
    assert isinstance(said, str) and "seed = -1" in said


def test_what_a_target_of_ones_own_inherits_is_told() -> None:
    own = ["score._target_=tests.broken.broken_score", "+score.kind=nan"]
    config, _ = compose(own)
    assert inherited(config, own) == ["score.sigma = 0.05"]
    typed = [*own, "score.sigma=0.1"]
    assert inherited(compose(typed)[0], typed) == []
    assert inherited(compose(["metric=euclidean"])[0], ["metric=euclidean"]) == []
