"""Heat maps of a sweep for the page: a table whose cells are coloured, so that the numbers can be
read, searched and copied.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from scoregeo.evaluation.columns import TITLES, headlines, iterated
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.model import Page
from scoregeo.report.names import method_name
from scoregeo.report.sweep import order_of
from scoregeo.report.table import Row


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

    caption: str
    across: str
    down: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]


# Nunez, Anderton & Renslow 2018: even in lightness, alike to colour-blind and other eyes
COLOURS = "cividis"
_DECADES = 100.0  # as in the figures: a span of more than this is coloured logarithmically
MISSING = HeatCell("none", "#DDDDDD", "#000000")
MOST_MAPS = 24


def heat_maps(page: Page) -> list[HeatMap]:
    """The first swept key across, the second down; a map for each measure, method, group and value
    of the further keys. None for a page of fewer keys.
    """
    if len(page.swept) < 2:
        return []
    rows = [row for table in page.tables for row in table.rows]
    places = [*(row.labels for row in rows), *(failure.labels for failure in page.failures)]
    across, down = (
        sorted({place.get(key, "") for place in places}, key=order_of) for key in page.swept[:2]
    )
    rest = dict.fromkeys(tuple(place.get(key, "") for key in page.swept[2:]) for place in places)
    measures, methods = shown_in_sweep(rows)
    groups = list(dict.fromkeys(row.labels.get("group", "") for row in rows))
    maps = []
    for measure, method, group, further in product(measures, methods, groups, rest):
        others = dict(zip(page.swept[2:], further, strict=True))
        fixed = {"method": method, "group": group, **others}
        keys = [[fixed | {page.swept[0]: x, page.swept[1]: y} for x in across] for y in down]
        cells = [[_value(page, rows, place, measure) for place in line] for line in keys]
        if any(value is not None for line in cells for value, _ in line):
            words = [TITLES.get(measure, measure), method_name(method)]
            words += [] if group in ("all", "") else [group]
            words += [f"{key} = {value}" for key, value in others.items()]
            values = [[value for value, _ in line] for line in cells]
            why = [[reason for _, reason in line] for line in cells]
            axes = (page.swept[0], across), (page.swept[1], down)
            maps.append(heat_map(", ".join(words), *axes, values, why))
    return maps[:MOST_MAPS]


def shown_in_sweep(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """The few measures, and the methods, by which a sweep is drawn."""
    entries = [
        {"method": row.labels["method"], "measure": name, "mean": getattr(cell, "mean", None)}
        for row in rows
        for name, cell in row.cells.items()
    ]
    known = list(dict.fromkeys(name for row in rows for name in row.cells))
    methods = list(dict.fromkeys(row.labels["method"] for row in rows))
    return headlines(entries) or known[:3], iterated(entries) or methods


def _value(
    page: Page, rows: Sequence[Row], place: Mapping[str, str], measure: str
) -> tuple[float | None, str]:
    """A job's mean, or None and why there is none."""
    swept = {key: place[key] for key in page.swept}
    for failure in page.failures:
        if swept.items() <= failure.labels.items():
            return None, f"{failure.name}: {failure.reason}"
    for row in rows:
        if place.items() <= {"group": "", **row.labels}.items():
            cell = row.cells.get(measure)
            if isinstance(cell, Estimate):
                return cell.mean, ""
            return None, getattr(cell, "reason", "not measured")
    return None, "no such job"


def heat_map(
    caption: str,
    across: tuple[str, Sequence[str]],
    down: tuple[str, Sequence[str]],
    values: Sequence[Sequence[float | None]],
    reasons: Sequence[Sequence[str]],
) -> HeatMap:
    """`values` [down, across] of one measure; None (or not finite) where a job has none, with the
    reason in `reasons`.

    `across`, `down`: key and its values in words.
    """
    known = [v for line in values for v in line if v is not None and math.isfinite(v)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    logarithmic = low > 0 and high > _DECADES * low
    rows = []
    for label, line, why in zip(down[1], values, reasons, strict=True):
        cells = []
        for value, reason in zip(line, why, strict=True):
            if value is None or not math.isfinite(value):
                cells.append(HeatCell(MISSING.text, MISSING.colour, MISSING.ink, reason))
                continue
            a, b, v = (math.log(x) if logarithmic else x for x in (low, high, value))
            colour, ink = paint((v - a) / (b - a) if b > a else 0.5)
            cells.append(HeatCell(f"{value:.3g}", colour, ink))
        rows.append((label, tuple(cells)))
    return HeatMap(caption, across[0], down[0], tuple(across[1]), tuple(rows))


def paint(share: float) -> tuple[str, str]:
    """The colour at `share` in [0, 1] of the map, as "#RRGGBB", and black or white, whichever
    stands out more from it.
    """
    import matplotlib
    from matplotlib.colors import to_hex

    colour = to_hex(matplotlib.colormaps[COLOURS](min(max(share, 0.0), 1.0))).upper()
    return colour, max(("#000000", "#FFFFFF"), key=lambda ink: contrast(ink, colour))


def contrast(first: str, second: str) -> float:
    """Contrast of two colours "#RRGGBB", from 1 to 21 (WCAG 2.2, "contrast ratio")."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    """Relative luminance in [0, 1] (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
