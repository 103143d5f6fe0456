"""What a report page is made of: plain values, without HTML; `html` draws them."""

from dataclasses import dataclass, field
from itertools import groupby
from typing import ClassVar


@dataclass(frozen=True)
class Text:
    """A piece of a table or paragraph: HTML made by a renderer that escapes (`html`), or plain text
    that is escaped (`plain`).
    """

    plain: str = ""
    html: str = ""
    winner: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its caption. `labels` leading columns are names, the others numbers. `folded`:
    shown when unfolded.
    """

    kind: ClassVar[str] = "table"
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    labels: int = 1
    notes: tuple[str, ...] = ()
    folded: bool = False


@dataclass(frozen=True)
class Prose:
    """Headings, paragraphs and lists, as HTML that a renderer made and escaped."""

    kind: ClassVar[str] = "prose"
    html: str


@dataclass(frozen=True)
class Figure:
    """A picture as a data URI, with what it shows in words; `width` in CSS pixels; `vector`: a link
    to it as PDF, if any.
    """

    kind: ClassVar[str] = "figure"
    source: str
    alt: str
    caption: str
    width: int
    vector: str = ""


@dataclass(frozen=True)
class Scrub:
    """Frames of one pair along the path: a sheet as a data URI, a row a method, a column a fraction
    of the way.

    `width`, `height`: of one frame in the sheet, pixels; `shown`: width of a frame on the page, CSS
    pixels.
    """

    kind: ClassVar[str] = "scrub"
    id: str
    pair: str
    group: str
    methods: tuple[str, ...]
    columns: int
    source: str
    width: int
    height: int
    shown: int
    opened: bool = False


@dataclass(frozen=True)
class HeatCell:
    """One cell: its number in words, its colour and the ink that can be read on it; `reason` where
    it has no value.
    """

    text: str
    colour: str
    ink: str
    reason: str = ""


@dataclass(frozen=True)
class HeatMap:
    """One measure over two swept keys: `rows` from the top, each a value of the second key and its
    cells.
    """

    kind: ClassVar[str] = "heatmap"
    caption: str
    across: str
    down: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]


@dataclass(frozen=True)
class Dot:
    """One method's mean and 95 % interval on a common axis; `at`, `low`, `high` in percent of its
    length.
    """

    method: str
    text: str
    at: float
    low: float
    high: float


@dataclass(frozen=True)
class Dots:
    """Methods side by side: one measure, a dot and an interval a method."""

    kind: ClassVar[str] = "dots"
    measure: str
    dots: tuple[Dot, ...]
    left: str
    right: str
    logarithmic: bool


@dataclass(frozen=True)
class Failure:
    """A job that has no results: its name, why, and its folder (relative to the page), if it can be
    linked.
    """

    name: str
    reason: str
    link: str = ""


Block = Table | Prose | Figure | Scrub | HeatMap | Dots


@dataclass(frozen=True)
class Section:
    """One experiment: claim, the exact command, seed and settings, its blocks in order, links as
    (text, address).

    `part`: the heading it stands under in the contents; none where empty.
    """

    id: str
    title: str
    claim: tuple[str, ...] = ()
    command: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    blocks: tuple[Block, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    failures: tuple[Failure, ...] = ()
    part: str = ""


@dataclass(frozen=True)
class Page:
    """A whole report."""

    title: str
    intro: tuple[str, ...]
    sections: tuple[Section, ...]
    failures: tuple[Failure, ...] = field(default=())

    @property
    def parts(self) -> tuple[tuple[str, tuple[Section, ...]], ...]:
        """Neighbouring sections of one part together, with its heading."""
        return tuple(
            (part, tuple(of)) for part, of in groupby(self.sections, lambda section: section.part)
        )
