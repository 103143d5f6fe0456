"""Pages as Markdown, CSV and HTML, all from `scoregeo.report.model.Page`."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoregeo import __version__
from scoregeo._utils.errors import DataError
from scoregeo._utils.files import write_text
from scoregeo.evaluation.statistics import Estimate, NotAvailable
from scoregeo.report.heatmap import HeatMap, heat_maps
from scoregeo.report.model import FIGURES, Page
from scoregeo.report.names import method_name
from scoregeo.report.picture import EmbeddedPicture, embed
from scoregeo.report.sheet import Scrub, Sheet, read_sheet
from scoregeo.report.sound import SOUNDS, Players, read_players
from scoregeo.report.table import Row
from scoregeo.report.verdict import comparison_grids, verdict
from scoregeo.report.view import Grid, TableView, table_views

if TYPE_CHECKING:
    from jinja2 import Environment

MARKDOWN, NUMBERS, HTML = "table.md", "table.csv", "report.html"
LARGEST = 15_000_000  # bytes of HTML: more opens slowly on a phone
COMPARING = (
    "Method less reference on the same pairs (length error: of absolute values). p: two-sided,"
    " before and after Holm's correction over the methods of a measure. Effect: matched-pairs"
    " rank-biserial correlation."
)
_LONG = 100  # characters: longer facts are folded
_COLUMNS = ("mean", "low", "high", "n", "left_out", "detail", "reason")


@dataclass(frozen=True)
class PageView:
    """A page with all that its HTML shows of it, under an id of its own in the report.

    `links`: (text, address), relative to the report.
    """

    id: str
    page: Page
    lead: str
    verdict: str
    tables: Sequence[TableView]
    comparisons: Mapping[str, Sequence[Grid]]
    maps: Sequence[HeatMap]
    figures: Sequence[EmbeddedPicture]
    scrubs: Sequence[Scrub]
    players: Sequence[Players]
    facts: Sequence[tuple[str, str]]
    links: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Card:
    """One question of a report: what was found, its first page's figure and table, then every page
    folded; a card without `folded` pages shows its page in full.
    """

    id: str
    title: str
    question: str
    finding: str
    pages: Sequence[PageView]
    links: Sequence[tuple[str, str]] = ()
    folded: bool = True


def write_page(page: Page, folder: Path) -> Path:
    """Write the page into its folder, beside `figures/`: `summary.json`, `table.md` and
    `table.csv`, each whole or not at all; gives the Markdown file. A page that does not name the
    version of scoregeo that made it names this one.
    """
    page = replace(page, settings={"scoregeo": __version__} | dict(page.settings))
    page.save(folder)
    write_text(folder / NUMBERS, csv(page))
    write_text(folder / MARKDOWN, markdown(page))
    return folder / MARKDOWN


def markdown(page: Page, *, with_csv: bool = True) -> str:
    """The page for GitHub. `with_csv`: whether `table.csv` lies beside it, and is linked."""
    text = (
        _environment(html=False)
        .get_template("page.md")
        .render(
            page=page,
            lead=page.finding or page.question,
            verdict=verdict(page),
            tables=table_views(page),
            comparisons=_comparisons(page),
            comparing=COMPARING,
            facts=_facts(page),
            with_csv=with_csv,
        )
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def csv(page: Page) -> str:
    """One line for each row and measure, with every digit: labels, measure, mean, low, high, n,
    left_out, detail, reason.
    """
    import pandas as pd

    rows = page.numbers()
    keys = list(dict.fromkeys(key for row in rows for key in row.labels))
    lines = [
        [*(row.labels.get(key, "") for key in keys), measure, *_values(row, measure)]
        for row in rows
        for measure in row.cells
    ]
    frame = pd.DataFrame(lines, columns=[*keys, "measure", *_COLUMNS], dtype=object)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _values(row: Row, measure: str) -> list[str]:
    cell = row.cells[measure]
    if isinstance(cell, NotAvailable):
        return ["", "", "", "0", "0", "", cell.reason]
    if not isinstance(cell, Estimate):
        return ["", "", "", "", "", cell, ""]
    numbers = (cell.mean, cell.low, cell.high)
    shown = [repr(value) if math.isfinite(value) else "" for value in numbers]
    return [*shown, str(cell.n), str(cell.left_out), cell.detail, ""]


def page_view(
    page: Page,
    folder: Path,
    *,
    prefix: str = "",
    sheets: Sequence[Sheet] | None = None,
    links: Sequence[tuple[str, str]] = (),
) -> PageView:
    """What the HTML shows of a page whose figures lie in `folder`.

    `prefix`: the view's id, and in front of those of its frames. `sheets`: its frames; by default
    those of the page whose files are kept. A further strip is left out where a sheet shows the same
    frames. Raises DataError where a file cannot be read.
    """
    if sheets is None:
        kept = [path for name in page.sheets if (path := folder / FIGURES / name).is_file()]
        sheets = [read_sheet(path) for path in kept]
    scrubbed = {f"strip_{sheet.pair}" for sheet in sheets}
    further = [one for one in page.figures[1:] if Path(one.file).stem not in scrubbed]
    shown = [*page.figures[:1], *further]
    return PageView(
        prefix or page.name,
        page,
        page.finding or page.question,
        verdict(page),
        table_views(page),
        _comparisons(page),
        heat_maps(page),
        [embed(folder / FIGURES / one.file, one.caption) for one in shown],
        [sheet.scrub(prefix or page.name, opened=n == 0) for n, sheet in enumerate(sheets)],
        read_players(folder / SOUNDS, [row.labels.get("method", "") for row in page.numbers()]),
        _facts(page),
        links,
    )


def write_html(out: Path, title: str, intro: str, cards: Sequence[Card]) -> Path:
    """Write a report, one file that needs no other, whole or not at all.

    Raises DataError where it would be larger than `LARGEST`.
    """
    text = (
        _environment(html=True)
        .get_template("report.html")
        .render(title=title, intro=intro, cards=cards, comparing=COMPARING, long=_LONG)
    )
    size = len(text.encode("utf-8"))
    if size > LARGEST:
        raise DataError(
            f"{out.name} would have {size / 1e6:.1f} MB; {LARGEST / 1e6:g} MB are allowed: report"
            " on fewer runs at once."
        )
    write_text(out, text)
    return out


def _comparisons(page: Page) -> dict[str, list[Grid]]:
    """Grids of comparisons under what they are, those that there are."""
    named = {
        "Geodesics against every other method": page.pairwise,
        "Paired comparisons with the best baseline and the start": page.comparisons,
    }
    return {name: comparison_grids(page, entries) for name, entries in named.items() if entries}


def _facts(page: Page) -> list[tuple[str, str]]:
    seed: Mapping[str, Any] = {} if page.seed is None else {"seed": page.seed}
    return [(key, str(value)) for key, value in {**seed, **page.settings}.items()]


@cache
def _environment(*, html: bool) -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("scoregeo.report", "templates"),
        autoescape=html,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters |= {
        "text": _html_text if html else _markdown_text,
        "cell": lambda text: _markdown_text(text).replace("|", "\\|"),
        "method": method_name,
    }
    return made


def _markdown_text(text: str) -> str:
    """Text whose "<" GitHub shows as it stands, in and outside of code."""
    parts = str(text).split("`")
    return "`".join(
        part.replace("<", "&lt;") if place % 2 == 0 else part for place, part in enumerate(parts)
    )


def _html_text(text: str) -> Any:
    """Text, escaped, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = str(text).split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )
