"""The page opened in headless Chromium: no error, no network, the slider moves the frames, wide and
narrow, light and dark.

`make setup` fetches the Chromium; where it could not, the fixture tries once more and the tests
skip with the reason."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.command import report
from scoregeo.report.model import Table
from scoregeo.report.render import write_page
from scoregeo.report.table import Row
from tests.report.folders import (
    METHODS,
    NAME,
    POINTS,
    a_page,
    results_folder,
    run_folder,
    sweep_folder,
)

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
WIDTHS = (1400, 375)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    sys.path.insert(0, str(SCRIPTS))
    import browser

    sys.path.remove(str(SCRIPTS))
    if browser.find() is None and browser.main() != 0 or (found := browser.find()) is None:
        pytest.skip(f"no Chromium: `make browser` fetches one, ${browser.VARIABLE} names another")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=str(found.program), env={**os.environ, **found.environment}
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page of each kind of folder."""
    folder = tmp_path_factory.mktemp("pages")
    run = run_folder(folder / "runs" / "rotated_mnist_empirical" / "abc")
    results = results_folder(folder / "results", run)
    sweep = sweep_folder(folder / "sweep", lams=(1.0, 100.0), points=(8, 16))
    return {
        "results": report(results),
        "run": report(run),
        "sweep": report(sweep),
    }


def visit(chromium: Any, path: Path, **settings: Any) -> tuple[Any, list[str]]:
    """The page opened, and what it complained of: console messages, errors, requests beyond the
    file itself.
    """
    page = chromium.new_page(**settings)
    told: list[str] = []
    page.on("console", lambda message: told.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: told.append(f"error: {error}"))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith(("file:", "data:")) else told.append(request.url)
        ),
    )
    page.goto(path.as_uri())
    return page, told


def open_all(page: Any) -> None:
    """Unfold everything, at once: after each change the whole page is laid out anew."""
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")


def grey(page: Any, frame: Any) -> int:
    """The red part of the pixel in the middle of a frame, as drawn on the screen."""
    import io

    from PIL import Image

    with Image.open(io.BytesIO(frame.screenshot())) as image:
        value = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
    assert isinstance(value, tuple)
    return int(value[0])


@pytest.mark.parametrize("kind", ["results", "run", "sweep"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_opens_cleanly(
    chromium: Any, pages: dict[str, Path], kind: str, width: int, scheme: str
) -> None:
    page, told = visit(
        chromium, pages[kind], viewport={"width": width, "height": 800}, color_scheme=scheme
    )
    assert told == []
    open_all(page)  # nothing that can be unfolded is too wide either
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert all(
        page.evaluate("[...document.images].map(image => image.complete && image.naturalWidth > 0)")
    )
    ink, paper = page.evaluate(
        "(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))"
    )
    brightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
    assert (brightness[0] < brightness[1]) == (scheme == "light")
    page.close()


def test_words_of_a_page_are_no_part_of_it(chromium: Any, tmp_path: Path) -> None:
    """HTML in a title, a question, a command, a note, a method, a setting and a table's name."""
    nasty = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>'
    rows = (Row({"method": nasty}, {"energy": Estimate(1.0, detail=nasty)}),)
    made = a_page(
        title=nasty,
        question=nasty,
        command=nasty,
        tables=(Table(rows, nasty),),
        notes=(nasty,),
        settings={nasty: nasty},
        about=(nasty,),
        measures=("energy",),
        comparisons=(),
        figures=(),
    )
    write_page(made, tmp_path / "results" / NAME)
    page, told = visit(chromium, report(tmp_path / "results"))
    open_all(page)
    assert told == []
    assert page.evaluate("window.hit") is None
    assert page.locator("img[src=x]").count() == 0
    assert page.inner_text("body").count("onerror") >= 6
    page.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_slider_moves_all_methods_frames(
    chromium: Any, pages: dict[str, Path], width: int
) -> None:
    """Each frame was drawn in a grey of its own (`folders.level`), so the screen says which one is
    shown.
    """
    page, told = visit(chromium, pages["run"], viewport={"width": width, "height": 800})
    scrub = page.locator("details.scrub").first
    slider, frames = scrub.get_by_role("slider", name="Way along the path"), scrub.locator(".frame")
    assert frames.count() == len(METHODS)
    slider.focus()
    for key, point, words in (
        ("Home", 0, "0 %"),
        ("ArrowRight", 1, "13 %"),
        ("End", POINTS - 1, "100 %"),
    ):
        page.keyboard.press(key)
        assert [grey(page, frames.nth(i)) for i in range(len(METHODS))] == [
            20 * i + 20 * point for i in range(len(METHODS))
        ]
        places = [
            frames.nth(i).evaluate("e => getComputedStyle(e).backgroundPositionX")
            for i in range(len(METHODS))
        ]
        assert len(set(places)) == 1 and float(places[0].rstrip("%")) == pytest.approx(
            100 * point / (POINTS - 1)
        )
        assert (
            scrub.locator("output").inner_text()
            == slider.get_attribute("aria-valuetext")
            == f"{words} of the way"
        )
    box = slider.bounding_box()
    slider.click(position={"x": box["width"] / 2, "y": box["height"] / 2})  # by the finger
    assert grey(page, frames.first) == 20 * (POINTS - 1) // 2
    assert told == []
    page.close()


def test_sliders_are_independent(chromium: Any, pages: dict[str, Path]) -> None:
    page, _ = visit(chromium, pages["run"])
    sliders = page.locator("details.scrub input")
    page.locator("details.scrub > summary").nth(1).click()
    sliders.nth(1).fill("0")
    assert [sliders.nth(i).input_value() for i in range(2)] == [str((POINTS - 1) // 2), "0"]
    page.close()


def test_without_scripts_all_frames_are_shown(chromium: Any, pages: dict[str, Path]) -> None:
    page, told = visit(
        chromium,
        pages["run"],
        java_script_enabled=False,
        viewport={"width": 375, "height": 800},
    )
    scrub = page.locator("details.scrub").first
    assert scrub.locator("img.sheet").is_visible() and not scrub.locator("input").is_visible()
    names = scrub.locator(".names li")
    sheet = scrub.locator("img.sheet").bounding_box()
    for row in range(len(METHODS)):  # each name stands beside its row of frames
        box = names.nth(row).bounding_box()
        middle = (box["y"] + box["height"] / 2 - sheet["y"]) / sheet["height"]
        assert middle == pytest.approx(
            (row + 0.5) / len(METHODS), abs=0.02
        )  # a fiftieth of the sheet: far less than half a row
    assert told == []
    page.close()


def test_wide_tables_scroll_in_their_box_under_a_fixed_first_column(
    chromium: Any, pages: dict[str, Path]
) -> None:
    page, _ = visit(chromium, pages["run"], viewport={"width": 300, "height": 800})
    box = page.locator(".box:has(td:not(.label))").first
    assert box.evaluate("e => e.scrollWidth > e.clientWidth")
    name, cell = box.locator("tbody th").first, box.locator("tbody tr td").first
    before = [element.bounding_box()["x"] for element in (name, cell)]
    box.evaluate("e => { e.scrollLeft = 60 }")
    after = [element.bounding_box()["x"] for element in (name, cell)]
    assert after == [before[0], before[1] - 60]
    page.close()


@pytest.mark.slow
def test_the_committed_results_open_short(chromium: Any, results_report: Path) -> None:
    """The report of the repository's results: verdicts and pictures, the rest folded."""
    page, told = visit(
        chromium,
        results_report,
        viewport={"width": 1280, "height": 900},
    )
    assert told == []
    assert page.evaluate("document.documentElement.scrollHeight") < 20_000
    open_tables = page.evaluate(
        "[...document.querySelectorAll('section.card')].map(card =>"
        " [...card.querySelectorAll('table')].filter(table => table.checkVisibility()).length)"
    )
    assert open_tables and max(open_tables) <= 1
    open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    page.close()
