"""README.md is what its template and the results give, and short."""

import importlib
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.commands import command
from tests.docs import CODE, ROOT

MOST_WORDS, MOST_LINES = 700, 170


@pytest.fixture
def readme(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("readme")


def test_readme_is_up_to_date(readme: Any) -> None:
    assert readme.README.read_text(encoding="utf-8") == readme.render(), "run `make readme`"


def test_readme_is_short(readme: Any) -> None:
    text = readme.README.read_text(encoding="utf-8")
    before, _, _ = text.partition("## Reference")
    prose = [word for word in CODE.sub("", before).split() if any(c.isalpha() for c in word)]
    assert len(prose) <= MOST_WORDS and len(text.splitlines()) <= MOST_LINES


def test_numbers_of_both_layouts(
    readme: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readme, "RESULTS", tmp_path)
    (tmp_path / "old.csv").write_text(
        "method,group,measure,mean,low\n"
        "lerp,all,psnr,13.25,1\nlerp,60 deg,psnr,14.5,1\nnao,all,psnr,,\n"
    )
    row = {"labels": {"method": "lerp", "group": "all"}, "cells": {"psnr": {"mean": 13.25, "n": 2}}}
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "summary.json").write_text(json.dumps({"tables": [{"rows": [row]}]}))
    assert readme.number("old", "lerp", "psnr") == readme.number("new", "lerp", "psnr") == 13.25
    assert readme.number("old", "60 deg", "lerp", "psnr") == 14.5
    with pytest.raises(readme.MissingNumber, match="psnr"):
        readme.number("old", "slerp", "psnr")


@pytest.mark.parametrize(
    "value, digits, shown",
    [
        (0.0026434, 2, "0.0026"),
        (-0.25, 2, "−0.25"),
        (2865.5, 4, "2,866"),
        (41.707, 2, "42"),
        (1690163.3, 2, "1.7e6"),
        (0.0, 2, "0"),
    ],
)
def test_significant_digits(readme: Any, value: float, digits: int, shown: str) -> None:
    assert readme.significant(value, digits) == shown


def test_percent(readme: Any) -> None:
    assert readme.percent(-0.0019146) == "−0.19 %" and readme.percent(0.4408) == "+44 %"


def table(text: str) -> dict[str, list[str]]:
    """The columns of the table that the command line prints, without those of time; titles stand
    above one another, and columns end at the same place.
    """
    lines = [line for line in text.splitlines() if "  " in line.strip()]
    rows = next(i for i, line in enumerate(lines) if line.startswith("method")) + 1
    cells = [[*re.finditer(r"\S+(?: \S+)*", line)] for line in lines]
    full = max(cells[rows:], key=len)
    ends = [max(row[0].end() for row in cells[rows:]), *(cell.end() for cell in full[1:])]
    spans = list(zip([0, *ends], ends, strict=False))
    split = [[line[start:end].strip() for start, end in spans] for line in lines]
    names = [" ".join(filter(None, column)) for column in zip(*split[:rows], strict=True)]
    found = zip(names, zip(*split[rows:], strict=True), strict=True)
    return {name: [*filter(None, column)] for name, column in found if "seconds" not in name}


@pytest.mark.slow
def test_the_quick_start_prints_what_readme_shows(
    readme: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = [match[3] for match in CODE.finditer(readme.README.read_text(encoding="utf-8"))]
    (place,) = [i for i, block in enumerate(blocks) if "experiment=sphere dataset" in block]
    (line,) = [one for one in blocks[place].splitlines() if one.startswith("scoregeo")]
    assert command(*shlex.split(line)[1:], f"output={tmp_path}") is None
    printed = table(capsys.readouterr().out)
    shown = table(blocks[place + 1])
    assert len(shown) > 3 and printed.keys() == shown.keys()
    for name, cells in shown.items():
        if name == "method":
            assert printed[name] == cells
        else:
            values = [[float(cell) for cell in column] for column in (printed[name], cells)]
            assert values[0] == pytest.approx(values[1], rel=1e-2, abs=1e-12), name
