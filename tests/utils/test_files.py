"""The one reader of text, JSON and YAML: what is not there and what is damaged are two things."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import (
    Absent,
    check_tensors,
    is_file,
    is_folder,
    load_tensors,
    load_yaml,
    make_folder,
    path_of,
    read_json,
    read_text,
    remove_partial,
    sha256,
)

READERS: tuple[Callable[[Path], Any], ...] = (read_text, read_json, load_yaml)


@pytest.mark.parametrize("reader", READERS)
def test_bytes_that_are_no_text_are_damage_and_no_file_is_absence(
    reader: Callable[[Path], Any], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    with pytest.raises(Absent, match=str(file)):
        reader(file)
    file.write_bytes(b'{"a": "\xff\xfe"}')
    with pytest.raises(DataError, match=f"{file} cannot be read.*not in UTF-8") as found:
        reader(file)
    assert not isinstance(found.value, Absent)
    with pytest.raises(DataError, match=str(tmp_path)):  # a folder
        reader(tmp_path)


@pytest.mark.parametrize("name", ["a\0b", "a" * 300, "file/below"])
def test_names_that_no_file_has(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / name
    for reader in (*READERS, sha256, load_tensors, check_tensors):
        with pytest.raises(DataError):
            reader(place)
    assert not is_file(place) and not is_folder(place)
    with pytest.raises(ConfigError, match="output = "):
        make_folder("output", place)


@pytest.mark.parametrize("value", [None, 5, b"x", ["x"], "a\0b", "~no-such-user/x"])
def test_what_names_no_path(value: object) -> None:
    with pytest.raises(ConfigError, match="^score.lora = .* must be a path"):
        path_of("score.lora", value)
    assert path_of("score.lora", "~/x") == Path.home() / "x"


@pytest.mark.parametrize(
    "text", ["[" + "9" * 5000 + "]", "{", "[" * 100_000, '{"a": 1', "a: b: c", "\tx: 1", '"\x01"']
)
def test_what_does_not_parse_is_damage(text: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    for reader in (read_json, load_yaml):
        with pytest.raises(DataError, match=str(file)):
            reader(file)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "file") == load_yaml(tmp_path / "file") == {"a": 1}


def test_what_a_kill_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    left = [tmp_path / ".a.12.partial.json", tmp_path / "methods" / ".b.7.partial"]
    kept = [
        tmp_path / ".partial.json",
        tmp_path / "a.12.partial.json",
        tmp_path / "shards" / "0_of_2" / ".a.12.partial.json",
    ]
    for path in (*left, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    remove_partial(tmp_path, apart="shards")
    assert not any(path.exists() for path in left) and all(path.exists() for path in kept)
