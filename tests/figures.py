"""Figures of runs whose looks no test asks for; tests/report draws them in full."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoregeo.report.animation import write_mp4
from scoregeo.report.style import RC

_FILMS: dict[tuple[object, ...], bytes] = {}


def one_film_of_each_size(path: Path, frames: Any, pace: float, there_and_back: bool) -> Path:
    """For `write_mp4`: ffmpeg is a process for each film; those of equal size share the first."""
    size = (np.shape(frames), pace, there_and_back)
    if size in _FILMS:
        path.write_bytes(_FILMS[size])
    else:
        _FILMS[size] = write_mp4(path, frames, pace, there_and_back).read_bytes()
    return path


@contextmanager
def quick_figures() -> Iterator[None]:
    """Small figures and animations, their parts not moved out of each other's way, and PDFs with
    matplotlib's own fonts: cutting a font to the letters that are used takes as long as the rest of
    a figure.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RC, "savefig.dpi", 80)
        patch.setitem(RC, "pdf.fonttype", 3)
        # Without one, a file is one drawing, not two.
        patch.setattr("matplotlib.figure.Figure.get_layout_engine", lambda figure: None)
        patch.setattr("scoregeo.report.animation._SIDE", 1)  # small pictures as they are
        patch.setattr("scoregeo.report.animation.write_mp4", one_film_of_each_size)
        yield
