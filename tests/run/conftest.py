"""Runs whose figures are small, and whose PDFs take matplotlib's own fonts: cutting a font to the
letters that are used takes as long as the rest of a figure. tests/report draws them in full.
"""

from collections.abc import Iterator

import pytest

from scoregeo.report.style import RC


@pytest.fixture(scope="module", autouse=True)
def quick_figures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RC, "savefig.dpi", 80)
        patch.setitem(RC, "pdf.fonttype", 3)
        yield
