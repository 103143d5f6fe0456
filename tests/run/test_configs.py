"""Every option of every group composes, and its keys are settings of its target."""

import inspect
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.utils import get_object

from scoregeo._utils.configuration import config_dir, config_hash
from scoregeo._utils.errors import ConfigError
from scoregeo.evaluation.settings import EvaluationSettings
from scoregeo.run.build import check_nodes
from scoregeo.run.command import compose
from scoregeo.run.groups import GROUPS, MAPPINGS
from scoregeo.run.instantiate import PASSED, target_keys
from tests.commands import TINY

OPTIONS = sorted(
    path.relative_to(config_dir()).with_suffix("").as_posix()
    for path in config_dir().glob("*/*.yaml")
)
EXPERIMENTS = [
    option.removeprefix("experiment/") for option in OPTIONS if option.startswith("experiment/")
]
SHOWN = ("dataset", "initializer", "inversion", "metric", "solver", *MAPPINGS)
COMPONENTS = [option for option in OPTIONS if not option.startswith(("experiment/", "study/"))]


def nodes(config: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Every node with a target, by its dotted place."""
    found = [(group, config[group]) for group in GROUPS]
    return found + [(f"{g}.{name}", node) for g in MAPPINGS for name, node in config[g].items()]


def test_the_default_composes() -> None:
    config, folder = compose([])
    check_nodes(config)
    assert config["solver"]["num_points"] == 64 and folder.parts[:2] == ("outputs", "custom")


def test_fonts_are_drawn_in_silence() -> None:
    """In a run, and in the parent of a multirun, which draws its pages."""
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
        found = hydra.compose("config", [], return_hydra_config=True).hydra
    for logs in (found.job_logging, found.hydra_logging):
        assert logs.loggers.fontTools.level == "WARNING" and not logs.disable_existing_loggers


@cache
def side_by_side(group: str) -> dict[str, Any]:
    """All options of a group of which several may be chosen."""
    names = [option.split("/")[1] for option in COMPONENTS if option.startswith(f"{group}/")]
    return compose([f"{group}=[{','.join(names)}]"])[0]


@pytest.mark.parametrize("option", COMPONENTS)
def test_option_fits_its_target(option: str) -> None:
    group, name = option.split("/")
    config = side_by_side(group) if group in MAPPINGS else compose([f"{group}={name}"])[0]
    check_nodes(config)
    node = config[group][name] if group in MAPPINGS else config[group]
    passed = PASSED.get(group, ())
    parameters = inspect.signature(get_object(node["_target_"])).parameters
    given, known = (
        {key for key in node if not key.startswith("_")},
        set(target_keys(node["_target_"], passed)),
    )
    assert given <= known
    if group in SHOWN:
        assert given == known, "what the YAML leaves out cannot be changed on the command line"
    needed = {key for key, p in parameters.items() if p.default is inspect.Parameter.empty} - set(
        passed
    )
    assert needed <= given
    assert node["_convert_"] == "all"


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiment_composes(experiment: str) -> None:
    config, folder = compose([f"experiment={experiment}"])
    check_nodes(config)
    assert config["name"] == experiment == folder.parts[1]
    for place, node in nodes(config):
        assert "_target_" in node, place


def test_every_experiment_has_a_small_profile() -> None:
    assert sorted(TINY) == sorted(EXPERIMENTS)


def test_the_issue_s_own_command_composes() -> None:
    line = (
        "experiment=rotated_mnist dataset.identities=1 score=empirical score.sigma=1 inversion=none"
    )
    more = "initializer=graph solver.subnodes=4 solver.continuation=false"
    for overrides in (line.split(), f"{line} {more}".split()):
        config, _ = compose(overrides)
        check_nodes(config)
        assert config["score"]["sigma"] == 1 and "timestep" not in config["score"]
        assert config["inversion"]["decode_steps"] == 0


def test_schema_and_settings_have_one_default() -> None:
    config, _ = compose([])
    assert EvaluationSettings(**config["evaluation"]) == EvaluationSettings()


def test_the_hash_names_what_is_computed_only() -> None:
    first, _ = compose(["output=a"])
    second, _ = compose(["output=b", "overwrite=true"])
    third, _ = compose(["seed=1"])
    assert config_hash(first) == config_hash(second) != config_hash(third)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("+solver.iteration=3", ["solver.iteration", "max_iterations"]),
        ("+metric.lamb=3", ["metric.lamb", "did you mean 'lam'"]),
        ("+rivals.x=3", ["rivals.x"]),
        (
            "solver._target_=scoregeo.solver.nowhere.Solver",
            ["scoregeo.solver.nowhere.Solver", "cannot be imported"],
        ),
        ("+colour=blue", ["colour", "dataset"]),
        ("score._target_=5", ["score._target_ = 5", "dotted name"]),
        ("score._target_=random.Random", ["score.sigma", "scoregeo.AbstractScore"]),
    ],
)
def test_what_no_target_takes_is_refused(override: str, words: list[str]) -> None:
    config, _ = compose([override])
    with pytest.raises(ConfigError) as caught:
        check_nodes(config)
    assert all(word in str(caught.value) for word in words)


def test_the_wheel_lists_every_package() -> None:
    root = Path(__file__).parents[2]
    listed = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "setuptools"
    ]["packages"]
    found = {
        ".".join(path.parent.relative_to(root).parts)
        for path in (root / "scoregeo").rglob("__init__.py")
    }
    assert set(listed) == found | {"scoregeo.configs"}
