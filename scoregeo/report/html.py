"""Draws a page as one HTML file that needs nothing else: styles, script and pictures lie inside."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import write_text
from scoregeo.report.page import Block, Page

LARGEST = 15_000_000  # bytes: more opens slowly on a phone
_LONG = 100  # characters: longer facts are folded


def render(page: Page) -> str:
    """The page as HTML. The same page gives the same text; everything is escaped but what renderers
    of prose have escaped.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("scoregeo.report", "templates")
    made = Environment(
        loader=loader,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters |= {"runs": runs, "breakable": breakable}
    return made.get_template("page.html").render(page=page, long=_LONG)


def runs(blocks: Sequence[Block]) -> list[tuple[str, list[Block]]]:
    """Neighbouring blocks of one kind together, in order: they share a heading and a grid."""
    return [
        (kind, list(found))
        for kind, found in itertools.groupby(blocks, key=lambda block: block.kind)
    ]


def breakable(text: str) -> str:
    """The text, escaped, with a place to break the line after each underscore: methods' names are
    long.
    """
    from markupsafe import Markup, escape

    return Markup(escape(text).replace("_", Markup("_<wbr>")))


def write_html(out: Path, page: Page) -> Path:
    """Write the page, whole or not at all. Raises DataError where it would be larger than
    `LARGEST`.
    """
    text = render(page)
    size = len(text.encode("utf-8"))
    if size > LARGEST:
        raise DataError(
            f"{out.name} would have {size / 1e6:.1f} MB; {LARGEST / 1e6:g} MB are allowed: report"
            " on fewer runs at once."
        )
    write_text(out, text)
    return out
