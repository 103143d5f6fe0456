"""A page of `results/` in Markdown as blocks of the report: command, settings, tables with
captions, figures, prose.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from scoregeo.report.page import Block, Figure, Prose, Table, Text

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_SETTINGS = "Settings:"


@dataclass
class Document:
    """What a Markdown page holds."""

    title: str = ""
    command: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


def read_markdown(text: str, picture: Callable[[str, str], Figure | None]) -> Document:
    """Read a page. `picture(source, alt)` gives the figure of an image, None to leave it out.

    The first level-1 heading is the title, the first code block the command, the paragraph that
    starts "Settings:" the facts (pairs of key and value); a table takes the heading above it as its
    caption. Raw HTML is shown as text.
    """
    parser = _parser()
    tokens = parser.parse(text)
    document = Document()
    heading, level, i = "", 3, 0
    while i < len(tokens):
        token = tokens[i]
        end = _closing(tokens, i)
        inside = tokens[i : end + 1]
        if token.type == "heading_open":
            title = tokens[i + 1].content
            if token.tag == "h1" and not document.title:
                document.title = title
            else:
                _flush(document, heading, level)
                heading, level = title, max(3, int(token.tag[1]) + 1)
        elif token.type == "fence" and not document.command:
            document.command = token.content.rstrip("\n")
        elif token.type == "paragraph_open" and tokens[i + 1].content.startswith(_SETTINGS):
            document.facts = _facts(tokens[i + 1])
        elif token.type == "table_open":
            caption = heading or document.title
            document.blocks.append(_table(parser, inside, caption))
            heading = ""
        elif token.type == "paragraph_open" and _only_image(tokens[i + 1]):
            image = (tokens[i + 1].children or [])[0]
            found = picture(str(image.attrs["src"]), image.content)
            if found is not None:
                _flush(document, heading, level)
                document.blocks.append(found)
                heading = ""
        else:
            # A heading with prose before its table stays above the prose, and is the table's
            # caption too.
            above = _heading(heading, level)
            document.blocks.append(
                Prose(above + parser.renderer.render(inside, parser.options, {}))
            )
            if not (heading and any(t.type == "table_open" for t in tokens[end : end + 2])):
                heading = ""
        i = end + 1
    _flush(document, heading, level)
    return document


def first_table(text: str) -> tuple[tuple[Text, ...], ...]:
    """The rows of a text's first table, its head left out; none where it has no table."""
    parser = _parser()
    tokens = parser.parse(text)
    start = next((i for i, token in enumerate(tokens) if token.type == "table_open"), None)
    return (
        ()
        if start is None
        else _table(parser, tokens[start : _closing(tokens, start) + 1], "").rows
    )


def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _closing(tokens: Sequence[Any], start: int) -> int:
    depth = 0
    for i in range(start, len(tokens)):
        depth += tokens[i].nesting
        if depth == 0:
            return i
    return len(tokens) - 1


def _flush(document: Document, heading: str, level: int) -> None:
    """A heading that no table took."""
    if heading:
        document.blocks.append(Prose(_heading(heading, level)))


def _heading(title: str, level: int) -> str:
    return f"<h{level}>{escape(title)}</h{level}>\n" if title else ""


def _only_image(token: Any) -> bool:
    return len(token.children or []) == 1 and token.children[0].type == "image"


def _facts(token: Any) -> list[tuple[str, str]]:
    codes = [child.content for child in token.children or [] if child.type == "code_inline"]
    pairs = [re.match(r"([\w.]+)(?: =)? (.*)", code, re.DOTALL) for code in codes]
    return [(match[1], match[2]) for match in pairs if match]


def _table(parser: "MarkdownIt", tokens: Sequence[Any], caption: str) -> Table:
    """Columns aligned to the left are names up to the first that is not; bold cells are winners."""
    rows: list[list[Text]] = []
    labels: list[bool] = []
    for i, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            inline = tokens[i + 1]
            html = parser.renderer.render([inline], parser.options, {})
            bold = html.startswith("<strong>") and html.endswith("</strong>")
            # Plain words stay plain, so that the page may break long names.
            rows[-1].append(
                Text(
                    plain=inline.content,
                    html="" if html == escape(inline.content) else html,
                    winner=bold,
                )
            )
            if token.type == "th_open":
                labels.append("right" not in str(token.attrs.get("style", "")))
    names = labels.index(False) if False in labels else 1
    head = tuple(cell.plain for cell in rows[0]) if rows else ()
    return Table(caption, head, tuple(tuple(row) for row in rows[1:]), max(names, 1))
