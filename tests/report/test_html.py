"""The page itself: self-contained, whole, escaped, the same twice; too large a page is refused."""

from pathlib import Path

import pytest

from scoregeo._utils.errors import DataError
from scoregeo.report import html
from scoregeo.report.html import breakable, render, runs, write_html
from scoregeo.report.page import Failure, Page, Prose, Section, Table, Text
from tests.report.document import Document, check_page

NASTY = '<script>alert("&")</script>'
TABLE = Table(
    "Caption " + NASTY, ("method", NASTY), ((Text(NASTY), Text("1", winner=True)),), 1, (NASTY,)
)


def page() -> Page:
    facts = (("seed", "0"), ("long", "x" * 200), ("nasty", NASTY))
    section = Section(
        "one",
        NASTY,
        (),
        NASTY,
        facts,
        (Prose("<p>said</p>"), TABLE),
        (("folder", "../runs/"),),
        (Failure(NASTY, NASTY),),
    )
    return Page("Title " + NASTY, (NASTY,), (section,), (Failure("lost", NASTY, "../runs/lost/"),))


def test_everything_is_escaped_and_well_formed() -> None:
    found = check_page(render(page()))
    assert len(found.all("script")) == 1  # ours
    assert found.plain().count(NASTY) >= 9
    assert ("strong", "1") in found.words


def test_the_same_page_twice_is_the_same_text() -> None:
    assert render(page()) == render(page())


def test_blocks_of_a_kind_stand_together() -> None:
    assert [(kind, len(found)) for kind, found in runs((TABLE, TABLE, Prose(""), TABLE))] == [
        ("table", 2),
        ("prose", 1),
        ("table", 1),
    ]


def test_names_break_after_underscores() -> None:
    assert breakable("a_<b>") == "a_<wbr>&lt;b&gt;"


def test_too_large_a_page_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "LARGEST", 1000)
    with pytest.raises(DataError, match=r"r\.html would have 0\.0 MB; 0\.001 MB are allowed"):
        write_html(tmp_path / "r.html", page())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", ["<p><b></p></b>", "<p>", '<i id="a"></i><i id="a"></i>'])
def test_the_reader_is_strict(wrong: str) -> None:
    with pytest.raises(AssertionError):
        Document("<!DOCTYPE html>\n" + wrong)
