"""Names that become parts of paths, whatever they are made of."""

import random

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo._utils.names import LONGEST, check_name, plain_name, unique_names
from scoregeo._utils.part import Part
from scoregeo.dataset.base import Pairs


def test_what_is_plain_stays_and_the_rest_becomes_so() -> None:
    plain = ("pair000", "wave_light-wave_dark", "25pct_a.b", "猫", "café")
    assert unique_names(plain) == plain
    assert unique_names(["x/p 1", "x/p_1", "X/P 1"]) == ("x_p_1", "x_p_1-2", "X_P_1-3")
    assert unique_names(["a", "a", "a-2"]) == ("a", "a-2", "a-2-2")
    assert unique_names(["../../x", "..", "", ".git"]) == ("__.._x", "_", "_-2", "_git")


@pytest.mark.parametrize("seed", range(20))
def test_names_are_short_components_no_two_alike(seed: int) -> None:
    draws = random.Random(seed)
    letters = "ab AB._-/\\:\0\n猫é" + "".join(chr(draws.randrange(1, 0xD800)) for _ in range(4))
    texts = ["".join(draws.choices(letters, k=draws.choice((0, 1, 2, 300)))) for _ in range(40)]
    names = unique_names(texts)
    assert len(names) == len(texts) == len({name.casefold() for name in names})
    for name in names:
        assert name and "/" not in name and "\\" not in name and not name.startswith(".")
        assert "\0" not in name and len(name.encode()) <= LONGEST
        check_name("name", name)
    assert unique_names(names) == names  # so that a shard's names are the run's


def test_two_long_names_that_begin_alike_stay_two() -> None:
    first, second = plain_name("猫" * 200 + "a"), plain_name("猫" * 200 + "b")
    assert first != second and max(len(one.encode()) for one in (first, second)) <= LONGEST


def test_pairs_of_any_dataset_have_such_names() -> None:
    ends = torch.zeros(3, 2)
    pairs = Pairs(ends, ends, ("x/p 1", "x/p_1", "../../x"), ("all",) * 3)
    assert pairs.names == ("x_p_1", "x_p_1-2", "__.._x")
    assert pairs.part(Part(1, 3, 3)).names == pairs.names[1:]


@pytest.mark.parametrize(
    "value", ["", " ", "../../x", "/x", "a/b", "a\\b", ".git", "..", "a\nb", "x" * 230, 3, None]
)
def test_a_name_that_no_folder_can_have_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="name = .* a name that a folder can have"):
        check_name("name", value)
