"""What holds for every input of a kind: names, settings, overrides, and the readers of files."""

import io
import json
import struct
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from scoregeo._utils.configuration import config_dir
from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import load_yaml, read_json
from scoregeo._utils.names import LONGEST, check_name, plain_name, unique_names
from scoregeo.dataset.digits import read_idx
from scoregeo.dataset.picture import flat_picture, pixels_of
from scoregeo.evaluation.settings import EvaluationSettings
from scoregeo.run.command import compose
from scoregeo.run.explain import compose_errors, explain
from scoregeo.run.groups import check_root
from scoregeo.run.settings import Settings, settings_of


def examples(count: int) -> Any:
    """The same ones in every run, within CI's time."""
    unchecked = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=unchecked,
    )


ALIKE = st.text(alphabet="aA1 /._-\\:é猫", max_size=5)  # of which many become one name
WORDS = st.text(st.characters(exclude_categories=()), max_size=400) | ALIKE
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS, lambda one: st.lists(one, max_size=3) | st.dictionaries(ALIKE, one, max_size=3)
)


@examples(150)
@given(WORDS)
def test_a_name_is_one_plain_component_of_a_path(text: str) -> None:
    name = plain_name(text)
    check_name("name", name)  # raises ConfigError for one that a folder cannot have
    assert Path(name).parts == (name,) and len(name.encode()) <= LONGEST
    assert plain_name(name) == name


@examples(80)
@given(st.lists(ALIKE | st.text(alphabet="aA", min_size=118, max_size=130), max_size=12))
def test_names_are_unique_where_a_file_system_has_no_case(texts: list[str]) -> None:
    names = unique_names(texts)
    assert len(names) == len(texts)
    assert len({name.casefold() for name in names}) == len(names)
    assert all(len(name.encode()) <= LONGEST for name in names)


NODE = {"_target_": "scoregeo.solver.Adam"}
SCALAR_KEYS = ("name", "seed", "device", "threads", "memory_gib", "reach", "shards", "shard")
EVALUATION_KEYS = tuple(item.name for item in fields(EvaluationSettings))


def configuration() -> dict[str, Any]:
    """A configuration whose scalars are the defaults."""
    groups = ("dataset", "score", "inversion", "initializer", "metric", "solver")
    return {**asdict(Settings()), **dict.fromkeys(groups, NODE), "profile": "quick"}


def test_the_configuration_that_is_changed_is_allowed() -> None:
    check_root(configuration())
    assert settings_of(configuration()).seed == 0


@examples(150)
@given(st.sampled_from([item.name for item in fields(Settings)]), VALUES)
def test_a_value_of_any_kind_is_taken_or_refused_by_name(key: str, value: Any) -> None:
    refused_or_taken({**configuration(), key: value}, key)


@examples(150)
@given(st.sampled_from(EVALUATION_KEYS), VALUES)
def test_so_is_one_of_the_evaluation(key: str, value: Any) -> None:
    found = configuration()
    refused_or_taken({**found, "evaluation": {**found["evaluation"], key: value}}, key)


def refused_or_taken(config: dict[str, Any], key: str) -> None:
    try:
        check_root(config)
        settings_of(config)
    except ConfigError as error:
        assert key in str(error)


@examples(25)
@given(
    st.sampled_from([*SCALAR_KEYS, "output", "metric.lam", "solver", "rivals", "page", "nosuch"]),
    st.sampled_from(["", "+", "~", "++"]),
    st.text(alphabet="a1,.:[]{}()'\"\\$ =&%@#é-_/\t", max_size=8),
)
def test_an_override_composes_or_is_explained_in_one_line(key: str, sign: str, value: str) -> None:
    given = f"{sign}{key}={value}"
    try:
        compose([given])
    except ConfigError:
        pass
    except compose_errors() as error:
        said = explain(error, config_dir())
        assert said and "\n" not in said and "Error merging" not in said, said


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """`content` with some bytes changed, and its end cut off."""
    change = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))

    def apply(changes: list[tuple[int, int]], length: int) -> bytes:
        found = bytearray(content)
        for place, value in changes:
            found[place] = value
        return bytes(found[:length])

    return st.builds(apply, st.lists(change, max_size=4), st.integers(0, len(content)))


def picture() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(file, "PNG")
    return file.getvalue()


IDX = b"\0\0\x08\x03" + struct.pack(">3I", 2, 3, 2) + bytes(12)
RECORD = json.dumps({"format": 3, "rows": [{"method": "lerp", "mean": 1.5, "n": None}]}).encode()


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("a.png", picture(), lambda path: pixels_of(flat_picture(path))),
        ("train-images-idx3-ubyte", IDX, read_idx),
        ("summary.json", RECORD, read_json),
        ("config.yaml", RECORD, load_yaml),
    ],
    ids=["picture", "idx", "json", "yaml"],
)
def test_a_damaged_file_is_read_or_refused_by_name(
    name: str, content: bytes, read: Callable[[Path], Any], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    read(path)  # as it is, it can be read

    @examples(100)
    @given(damaged(content) | st.binary(max_size=60))
    def check(found: bytes) -> None:
        path.write_bytes(found)
        try:
            read(path)
        except DataError as error:
            assert name in str(error)

    check()
