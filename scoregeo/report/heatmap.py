"""Heat maps of a sweep for the page: a table whose cells are coloured, so that the numbers can be
read, searched and copied.
"""

import math
from collections.abc import Sequence

from scoregeo.report.page import HeatCell, HeatMap

# Nunez, Anderton & Renslow 2018: even in lightness, alike to colour-blind and other eyes
COLOURS = "cividis"
_DECADES = 100.0  # as in the figures: a span of more than this is coloured logarithmically
MISSING = HeatCell("none", "#DDDDDD", "#000000")


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
