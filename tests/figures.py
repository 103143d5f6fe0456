"""Figures of runs whose looks no test asks for; tests/report draws them in full."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scoregeo.report.style import RC


@contextmanager
def quick_figures() -> Iterator[None]:
    """Small figures and animations, and PDFs with matplotlib's own fonts: cutting a font to the
    letters that are used takes as long as the rest of a figure.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RC, "savefig.dpi", 80)
        patch.setitem(RC, "pdf.fonttype", 3)
        patch.setattr("scoregeo.report.animation._SIDE", 1)  # small pictures as they are
        yield
