"""A text with `${...}` is a text, from the command line to the object that takes it."""

from dataclasses import dataclass
from typing import Any

import pytest

from scoregeo.run.command import compose
from scoregeo.run.instantiate import make
from scoregeo.run.morph import read_command

TEXTS = ["${x}", "a ${oc.env:HOME} b", r"\${x} \\${y", "c:\\dir", "{${x}}", "it's ${x", "50 $"]


@dataclass
class Taker:
    text: str
    inner: Any = None
    more: Any = None


@pytest.mark.parametrize("text", TEXTS)
def test_objects_are_given_it_as_it_is_at_any_depth(text: str) -> None:
    one = {"_target_": f"{__name__}.Taker", "_convert_": "all", "text": text}
    made = make("taker", {**one, "inner": one, "more": {"list": [text, {"in": text}]}})
    assert made == Taker(text, Taker(text), {"list": [text, {"in": text}]})


@pytest.mark.parametrize("text", TEXTS)
def test_a_prompt_of_the_command_is_given_it_as_it_is(text: str) -> None:
    command = read_command(["--prompt-a", "a cat", "--prompt-b", text])
    node = compose(command.overrides)[0]["dataset"]
    assert node["second"] == text
    assert make("dataset", node).second == text
