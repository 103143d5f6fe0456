"""Markdown, CSV and HTML of one page show the same numbers, escaped, without a path."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report import render
from scoregeo.report.model import Failure, Page, Table
from scoregeo.report.render import Card, markdown, page_view, write_html, write_page
from scoregeo.report.table import Row
from scoregeo.report.verdict import comparison_grids
from scoregeo.report.view import MOST_COLUMNS, table_views
from tests.report.document import Document, check_page
from tests.report.folders import COMMAND, NAME, a_page, plot, results_folder

NASTY = '<script>alert("&")</script>'


def shown(page: Page) -> list[str]:
    """Every text of the page's grids."""
    grids = [g for view in table_views(page) for g in (view.main, *view.further)]
    return [
        cell.text
        for grid in (*grids, *comparison_grids(page, (*page.pairwise, *page.comparisons)))
        for row in grid.rows
        for cell in row
        if cell.text
    ]


def html_of(page: Page, folder: Path, *, folded: bool = False) -> str:
    plot(folder / "figures" / "energy.png")
    view = page_view(page, folder, links=[("table.md", "x/table.md")])
    card = Card("one", page.title, page.question, page.finding, [view], folded=folded)
    return write_html(folder / "report.html", page.title, "intro", [card]).read_text()


def test_markdown_and_html_show_the_numbers_of_the_model(tmp_path: Path) -> None:
    page = a_page()
    text, words = markdown(page), check_page(html_of(page, tmp_path)).plain()
    for number in shown(page):
        assert number in text and number in words, number
    assert "**36.0 [35.0, 37.0]**" in text


def test_csv_has_every_digit() -> None:
    lines = list(csv.DictReader(io.StringIO(render.csv(a_page()))))
    head = "method,group,measure,mean,low,high,n,left_out,detail,reason"
    assert render.csv(a_page()).splitlines()[0] == head
    found = {(line["method"], line["measure"]): line for line in lines}
    assert float(found["lerp", "psnr"]["mean"]) == 15.5 and found["lerp", "psnr"]["n"] == "2"
    assert found["lerp", "lpips"] | {"mean": "", "n": "0"} == found["lerp", "lpips"]
    assert found["lerp", "lpips"]["reason"] == "no <weights>"


def test_csv_writes_numbers_as_they_are_and_quotes_as_it_must() -> None:
    rows = (
        Row({"case": 'a, "b"'}, {"x": Estimate(832), "y": Estimate(832.0, n=3, detail="d")}),
        Row({"other": "c"}, {"x": Estimate(1e-300, 0.1, float("nan"))}),
    )
    assert render.csv(a_page(tables=(Table(rows),))).splitlines()[1:] == [
        '"a, ""b""",,x,832,,,1,0,,',
        '"a, ""b""",,y,832.0,,,3,0,d,',
        ",c,x,1e-300,0.1,,1,0,,",
    ]
    numbers = a_page(tables=(Table(rows[:1], numbers=rows[1:]),))
    assert len(render.csv(numbers).splitlines()) == 2


def test_markdown_opens_on_the_question_a_figure_and_a_narrow_table() -> None:
    lines = [line for line in markdown(a_page()).splitlines() if line]
    assert lines[0] == "# Rotations of &lt;one> digit"
    assert lines[1] == "Does it turn a &lt;digit>?"
    assert lines[2].startswith("PSNR (dB): Geodesic (Stein, Gauss-Newton) has 36")
    assert lines[3] == "![Energy against score evaluations.](figures/energy.png)"
    assert lines[4] == "| method | PSNR (dB) | energy | score evaluations a point |"
    assert lines[5] == "| --- | ---: | ---: | ---: |"
    assert lines[6] == "| Truth |  | 10.0 [9.0, 11.0] |  |"


def test_everything_else_of_the_markdown_is_folded() -> None:
    text = markdown(a_page(tables=(*a_page().tables, replace(a_page().tables[0], caption="60"))))
    outside = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
    assert sum(line.startswith("| ---") for line in outside.splitlines()) == 1
    summaries = re.findall(r"<summary>(.*)</summary>", text)
    assert summaries == [
        "iterations",
        "60",
        "Paired comparisons with the best baseline and the start",
        "Notes",
    ]
    assert text.count("<details>") == text.count("</details>")
    # GitHub reads Markdown inside only after an empty line.
    assert text.count("</summary>\n\n") == len(summaries)
    assert f"```bash\n{COMMAND}\n```" in text and "`seed = 3`, `pairs = 2`." in text
    assert "\n\n\n" not in text


def test_tables_of_the_markdown_have_at_most_eight_columns() -> None:
    cells = {f"m{i}": Estimate(float(i)) for i in range(30)}
    text = markdown(a_page(tables=(Table((Row({"a|b": "c|d"}, cells),)),)))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    counts = {len(re.findall(r"(?<!\\)\|", line)) - 1 for line in lines}
    assert max(counts) == MOST_COLUMNS and "| a\\|b |" in text and "| c\\|d |" in text


def test_a_finding_stands_before_the_question() -> None:
    assert markdown(a_page(finding="It does.")).splitlines()[2] == "It does."


def test_code_keeps_its_brackets_in_markdown_and_html(tmp_path: Path) -> None:
    assert "- `a < b` and a &lt; b\n" in markdown(a_page())
    assert "<code>a &lt; b</code> and a &lt; b" in html_of(a_page(), tmp_path)


def test_failures_are_named(tmp_path: Path) -> None:
    page = a_page(failures=(Failure("lam = 1", NASTY),))
    assert "## Without results\n\n- lam = 1: &lt;script>" in markdown(page)
    words = check_page(html_of(page, tmp_path)).plain()
    assert "Without results: 1" in words and NASTY in words


@pytest.mark.parametrize("folded", [True, False])
def test_everything_is_escaped_and_well_formed(tmp_path: Path, folded: bool) -> None:
    rows = (Row({NASTY: NASTY}, {NASTY: Estimate(1.0, detail=NASTY)}),)
    page = a_page(
        title=NASTY, question=NASTY, command=NASTY, tables=(Table(rows, NASTY),), notes=(NASTY,)
    )
    page = replace(page, settings={"long": "x" * 200, "nasty": NASTY}, about=(NASTY,))
    found = check_page(html_of(page, tmp_path, folded=folded))
    assert len(found.all("script")) == 1  # ours
    assert found.plain().count(NASTY) >= 9
    assert "<script" not in markdown(page).replace("```bash\n" + NASTY, "").replace(
        f"`nasty = {NASTY}`", ""
    )


def test_a_page_is_written_whole_and_the_same_twice(tmp_path: Path) -> None:
    folder = results_folder(tmp_path / "results") / NAME
    assert {path.name for path in folder.iterdir()} == {
        "figures",
        "summary.json",
        "table.csv",
        "table.md",
    }
    before = {path.name: path.read_bytes() for path in folder.glob("*.*")}
    write_page(Page.load(folder), folder)
    assert before == {path.name: path.read_bytes() for path in folder.glob("*.*")}
    assert html_of(a_page(), tmp_path / "a") == html_of(a_page(), tmp_path / "b")
    for content in before.values():
        assert str(tmp_path) not in content.decode()


def test_too_large_a_report_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "LARGEST", 1000)
    with pytest.raises(DataError, match=r"r\.html would have 0\.0 MB; 0\.001 MB are allowed"):
        write_html(tmp_path / "r.html", "title", "intro", [])
    assert not list(tmp_path.iterdir())


def test_a_figure_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"energy\.png is not a picture"):
        page_view(a_page(), tmp_path)


@pytest.mark.parametrize("wrong", ["<p><b></p></b>", "<p>", '<i id="a"></i><i id="a"></i>'])
def test_the_reader_is_strict(wrong: str) -> None:
    with pytest.raises(AssertionError):
        Document("<!DOCTYPE html>\n" + wrong)
