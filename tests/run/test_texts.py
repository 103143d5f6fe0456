"""Texts are taken as they are, whatever Hydra reads in them; pictures have inner frames."""

from pathlib import Path

import pytest

from scoregeo._utils.errors import ConfigError
from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.run.instantiate import make
from scoregeo.run.morph import read_command
from scoregeo.run.overrides import text
from tests.commands import DIGITS, GRAPH

TEXTS = ("${x}", "a ${b", r"\${x}", r"\\${x}", "${oc.env:HOME}", "$x {} <b>", "100 %", "é ${seed}")


@pytest.mark.parametrize("said", TEXTS)
def test_a_prompt_is_no_interpolation(said: str) -> None:
    given = ("dataset=prompts", text("dataset.first", said), text("dataset.second", "cat"))
    node = compose(given)[0]["dataset"]
    assert node["first"] == said
    assert make("dataset", node).first == said


def test_so_are_texts_within_a_list_or_a_part() -> None:
    node = {"_target_": "builtins.dict", "a": ["${x}", {"b": "${y}"}]}
    assert make("dataset", node) == {"a": ["${x}", {"b": "${y}"}]}


def test_pictures_of_two_frames_are_refused_before_any_work(tmp_path: Path) -> None:
    given = ("experiment=rotated_mnist_empirical_ten", *DIGITS, *GRAPH, "solver.num_points=2")
    with pytest.raises(ConfigError, match=r"solver\.num_points = 2 .*at least 3 for pictures"):
        build(compose([*given, f"output={tmp_path}"])[0])
    with pytest.raises(ConfigError, match="--frames = 2 .*at least 3"):
        read_command(["a.png", "b.png", "--frames", "2"])
