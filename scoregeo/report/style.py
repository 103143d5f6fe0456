"""One look for every figure: fonts, colours that colour-blind readers can distinguish, and files
that appear whole.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scoregeo._utils.errors import DataError, check_choice
from scoregeo._utils.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito 2008, without its yellow (too light for lines on white); black is the truth's.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#666666")
TRUTH = "truth"
# One look each in every figure, whatever metric's name stands in front.
KNOWN = {
    "gauss_newton": 0,
    "lerp": 1,
    "adam": 2,
    "slerp": 3,
    "start": 4,
    "gauss_newton_adaptive": 5,
    "lbfgs": 6,
}
METRICS = ("stein_", "pullback_", "conformal_", "euclidean_")
# Dashes in points, so that print without colour can be read too and a line shows through the gaps
# of one drawn over it.
LINES: tuple[Any, ...] = (
    "-",
    (0, (5, 2)),
    (0, (6, 2, 1.5, 2)),
    (0, (2.5, 1.5)),
    (0, (9, 2.5)),
    (0, (4, 1.2, 1.2, 1.2)),
    (0, (1.5, 2.5)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
FORMATS = ("pdf", "svg", "png")
RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same on every machine
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.which": "major",
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "legend.handlelength": 3.2,  # long enough to show the dashes
    "lines.markersize": 4,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # text stays text, for editors and search
    "svg.fonttype": "path",
    "svg.hashsalt": "scoregeo",
}
# Without these the files would hold the date, and equal figures would differ.
METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


def looks(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Line keywords for each of a figure's methods: the truth black and dotted, known ones in their
    own look, no two alike.

    Colour, dashes and width differ, the first methods drawn wider, so that one that lies on another
    does not hide it."""
    names = list(dict.fromkeys(names))
    numbers: dict[str, int] = {}
    for name in names:
        number = KNOWN.get(_plain(name))
        if number is not None and number not in numbers.values():
            numbers[name] = number
    free = (number for number in itertools.count() if number not in set(numbers.values()))
    result: dict[str, dict[str, Any]] = {}
    for place, name in enumerate(names):
        if name == TRUTH:
            result[name] = {"color": "black", "linestyle": ":"}
            continue
        number = numbers[name] if name in numbers else next(free)
        colour, turn = PALETTE[number % len(PALETTE)], number // len(PALETTE)
        width = max(2.4 - 0.25 * place, 1.2)
        result[name] = {
            "color": colour,
            "linestyle": LINES[(number + turn) % len(LINES)],
            "linewidth": width,
        }
    return result


def marker(number: int) -> str:
    """The marker of a figure's line `number`, counted from 0."""
    return MARKERS[number % len(MARKERS)]


def _plain(name: str) -> str:
    """A method's name without its metric; every start is one."""
    for metric in METRICS:
        name = name.removeprefix(metric)
    return "start" if name.startswith("start_") else name


@contextlib.contextmanager
def drawing(changes: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Within it, matplotlib draws in the project's style, with `changes` to it; outside, its
    settings stay as they were.
    """
    import matplotlib

    settings: Any = {**RC, **(changes or {})}
    with matplotlib.rc_context(settings):
        yield


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of `width` x `height` inches. Drawn by Agg, without pyplot: no window, no
    state kept between figures.

    Use inside `with drawing():`, for text and axes take their look when they are made.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: "Figure", out: Path, formats: Sequence[str] = ("pdf", "png")) -> list[Path]:
    """Write the figure as `out` plus `.pdf`, `.svg`, `.png`, each whole or not at all, without
    dates. Gives the paths. The layout is found once, with the first.
    """
    _plain_text(figure)
    paths = []
    for kind in formats:
        check_choice("formats", kind, FORMATS)
        path = out.with_name(f"{out.name}.{kind}")  # names may hold dots, as in "lam=0.5"
        drawn = BytesIO()  # what draws a PDF does not bear a full disk
        figure.savefig(drawn, format=kind, metadata=METADATA[kind])
        write_whole(path, partial(_write, drawn.getvalue()))
        figure.set_layout_engine("none")
        paths.append(path)
    return paths


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _plain_text(figure: "Figure") -> None:
    """Have text drawn as it is: a method, group or case named `$5^{` is no formula. Labels of a
    number's ticks, which matplotlib writes as formulas, stay.
    """
    from matplotlib.axis import Axis
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter, FuncFormatter

    ticks: set[Any] = set()
    for axis in figure.findobj(Axis):
        for formatter in (axis.get_major_formatter(), axis.get_minor_formatter()):
            if isinstance(formatter, FixedFormatter):
                formatter.seq = [_escaped(str(one)) for one in formatter.seq]
            elif isinstance(formatter, FuncFormatter):  # of labels that were given for ticks
                formatter.func = partial(_escaped_label, formatter.func)
        ticks.update(axis.findobj(Text))
        ticks.discard(axis.label)
    for text in figure.findobj(Text):
        if text not in ticks:
            text.set_parse_math(False)


def _escaped(text: str) -> str:
    return text.replace(r"\$", "$").replace("$", r"\$")


def _escaped_label(label: Callable[[float, int | None], str], x: float, pos: int | None) -> str:
    return _escaped(label(x, pos))


def as_array(values: Any, name: str, ndim: int) -> NDArray[np.float64]:
    """`values` (tensor, array or lists) as a float64 array. Raises DataError unless it has `ndim`
    axes, none of them empty.
    """
    array = np.asarray(
        # bfloat16 is not known to numpy
        values.detach().cpu().double() if hasattr(values, "detach") else values,
        dtype=np.float64,
    )
    if array.ndim != ndim or array.size == 0:
        raise DataError(
            f"{name}: an array of {ndim} axes, none empty, is expected; this one has shape"
            f" {list(array.shape)}."
        )
    return array


def as_pictures(frames: Any, name: str) -> NDArray[np.uint8]:
    """Frames [points, 1 or 3 channels, height, width] in [-1, 1], clamped, as bytes [points,
    height, width, 3].

    Raises DataError for values that are not finite and for other shapes.
    """
    array = as_array(frames, name, 4)
    if array.shape[1] not in (1, 3):
        raise DataError(
            f"{name}: frames have 1 or 3 channels; these have shape {list(array.shape)}."
        )
    if not np.isfinite(array).all():
        raise DataError(f"{name}: frames hold values that are not finite.")
    scaled = np.rint((np.clip(array, -1, 1) + 1) * 127.5).astype(np.uint8)
    colour = np.broadcast_to(scaled, (len(scaled), 3, *scaled.shape[2:]))
    return np.ascontiguousarray(colour.transpose(0, 2, 3, 1))
