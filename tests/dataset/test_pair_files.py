"""Lists and folders of pairs: nothing in them is dropped without a word."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scoregeo._utils.errors import DataError
from scoregeo.dataset.base import Pairs
from scoregeo.dataset.drawn_pairs import draw_pairs
from scoregeo.dataset.pair_files import pairs_in_folder, pairs_in_list
from scoregeo.dataset.picture import folders_below

HEADER = "first,second,first_prompt,second_prompt"


def listed(folder: Path, text: str, encoding: str = "utf-8") -> list[tuple[str, str]]:
    (folder / "list.csv").write_bytes(text.encode(encoding))
    return [pair.prompts for pair in pairs_in_list(folder / "list.csv")]


def test_prompts_as_people_and_spreadsheets_write_them(tmp_path: Path) -> None:
    right = [("a cat, sitting", "a dog")]
    assert listed(tmp_path, f'{HEADER}\na.png,b.png,"a cat, sitting",a dog\n') == right
    assert listed(tmp_path, f'{HEADER}\r\na.png,b.png,"a cat, sitting",a dog\r\n') == right
    assert listed(tmp_path, f"{HEADER}\na.png,b.png,a cat,\n", "utf-8-sig") == [("a cat", "a cat")]
    spreadsheet = f"{HEADER.replace(',', ';')}\na.png;b.png;a cat, sitting;a dog\n"
    assert listed(tmp_path, spreadsheet, "utf-8-sig") == right
    assert listed(tmp_path, f'{HEADER}\na.png,b.png,"two\nlines",x\n') == [("two\nlines", "x")]


def test_a_list_as_excel_saves_it(tmp_path: Path) -> None:
    """A byte-order mark, `sep=;`, semicolons, CRLF, blank prompts and an emptied row."""
    text = (
        f"sep=;\r\n{HEADER.replace(',', ' ;')}\r\na.png;b.png;a cat, sitting; \r\n"
        ";;;\r\n \r\na.png;b.png; ;\r\n"
    )
    cat = "a cat, sitting"
    assert listed(tmp_path, text, "utf-8-sig") == [(cat, cat), ("", "")]
    names = [pair.name for pair in pairs_in_list(tmp_path / "list.csv")]
    assert names == ["001_a-b", "002_a-b"]
    with pytest.raises(DataError, match="line 4: second is missing"):
        listed(tmp_path, text.replace(";;;", "a.png;;;"), "utf-8-sig")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a.png,b.png,a cat, sitting,a dog", "line 2, has 5 values and the header 4 columns"),
        ("a.png,b.png,a cat", "line 2, has 3 values and the header 4 columns"),
        ("a.png,,x,y", "second is missing"),
        ('a.png,b.png,"x,y', "cannot be read"),
        ("a.png,./a.png,x,y", "line 2: first and second are both 'a.png'"),
        ("a.png,b.png,x,\n\nx/../a.png,b.png,x,x", r"line 4: the pair of line 2 again"),
    ],
)
def test_values_that_fit_no_column_are_refused(line: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        listed(tmp_path, f"{HEADER}\n{line}\n")


def test_a_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has the column 'first' twice"):
        listed(tmp_path, "first,first,second\na.png,b.png,c.png\n")


@pytest.mark.parametrize(
    ("given", "groups"),
    [
        (("", ""), ["all", "all"]),
        (("all", "all"), ["all", "all"]),
        (("x", "y"), ["x", "y"]),
        (("x", ""), ["x", "no group"]),
        (("x", "all"), "line 3: group is 'all'"),
        (("", "all"), "line 3: group is 'all'"),
    ],
)
def test_every_group_has_a_row_of_its_own(
    given: tuple[str, str], groups: list[str] | str, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"first,second,group\na.png,b.png,{given[0]}\nb.png,a.png,{given[1]}\n")
    if isinstance(groups, list):
        assert [pair.group for pair in pairs_in_list(path)] == groups
        return
    with pytest.raises(DataError, match=groups):
        pairs_in_list(path)


def test_groups_of_folders_have_rows_of_their_own(tmp_path: Path) -> None:
    for name in ("dog/one", "alone"):
        pictures(tmp_path / name, 2)
    assert [pair.group for pair in pairs_in_folder(tmp_path)] == ["no group", "dog"]
    assert [pair.group for pair in pairs_in_folder(tmp_path / "dog")] == ["all"]
    drawn = draw_pairs(tmp_path, "within", 2, 0, ("", ""))
    assert [pair.group for pair in drawn] == ["alone", "dog/one"]
    pictures(tmp_path / "all" / "two", 2)
    with pytest.raises(DataError, match="all/two: group is 'all'"):
        pairs_in_folder(tmp_path)
    two = torch.zeros(2, 3)
    with pytest.raises(DataError, match="a group of pairs is named 'all'"):
        Pairs(two, two, ("a", "b"), ("all", "x"))


def test_a_list_and_prompts_that_are_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"list\.csv.*not in UTF-8"):
        listed(tmp_path, f"{HEADER}\na.png,b.png,café,x\n", "latin-1")
    pictures(tmp_path / "root" / "pair", 2)
    prompts = tmp_path / "root" / "pair" / "prompts.txt"
    prompts.write_bytes("café\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"prompts\.txt.*not in UTF-8"):
        pairs_in_folder(tmp_path / "root")
    prompts.write_bytes("café\r\n".encode("utf-8-sig"))
    assert pairs_in_folder(tmp_path / "root")[0].prompts == ("café", "café")


def pictures(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / f"{number:02d}x.png")


def test_pictures_in_no_pair_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, count in (("one", 1), ("two", 2), ("three", 3)):
        pictures(tmp_path / name, count)
    with caplog.at_level(logging.WARNING):
        assert [pair.name for pair in pairs_in_folder(tmp_path)] == ["two"]
    assert "4 pictures" in caplog.text and "one/00x.png" in caplog.text
    caplog.clear()
    pictures(tmp_path / "whole" / "pair", 2)
    pairs_in_folder(tmp_path / "whole")
    assert not caplog.text


def test_a_link_to_nowhere_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pictures(tmp_path / "pair", 2)
    for name in ("2.png", ".hidden.png", "notes.txt", "2.wav"):
        (tmp_path / "pair" / name).symlink_to("nowhere.png")
    (tmp_path / "pair" / "list.csv").write_text("")
    (tmp_path / "x.png").mkdir()
    assert len(pairs_in_folder(tmp_path)) == 1
    assert "1 file of" in caplog.text and "links to nowhere or no files: pair/2.png." in caplog.text
    assert "no pictures by their endings: pair/list.csv." in caplog.text


def test_a_folder_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "locked"
    inner.mkdir()
    listed = Path.iterdir

    def refuse(folder: Path) -> Iterator[Path]:
        if folder == inner:
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match=r"locked cannot be read: Permission denied"):
        folders_below(tmp_path)
