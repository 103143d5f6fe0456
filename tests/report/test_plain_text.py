"""Text in figures is drawn as it is, though matplotlib has a language of formulas."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.text import Text

from scoregeo.report.curves import energy_curves
from scoregeo.report.figures import frame_strips
from scoregeo.report.heat_figure import sweep_heatmap
from scoregeo.report.style import drawing, new_figure, save_figure

WILD = "cost $5^{ to $6"


def test_no_name_is_a_formula(tmp_path: Path) -> None:
    with drawing():
        figure = new_figure(3, 2)
        axes = figure.subplots()
        axes.plot([1, 2], [1, 1000], label=WILD)
        axes.set(title=WILD, xlabel=WILD, ylabel=WILD, yscale="log")
        axes.set_xticks([1, 2], labels=[WILD, "b"])
        axes.text(1, 1, WILD)
        figure.legend()
        figure.suptitle(WILD)
        save_figure(figure, tmp_path / "wild")
    shown = [text for text in figure.findobj(Text) if "5^{" in text.get_text()]
    assert len(shown) >= 7
    # What matplotlib takes for a formula is none of ours; the ticks of numbers still are.
    assert not any(text._preprocess_math(text.get_text())[1] is True for text in shown)
    numbers = [label.get_text() for label in axes.get_yticklabels()]
    assert any(text.startswith("$") for text in numbers)


def test_figures_of_wild_names(tmp_path: Path) -> None:
    frames = {WILD: torch.zeros(3, 1, 8, 8)}
    assert frame_strips(tmp_path / "strip", frames, title=f"a ({WILD})")
    assert energy_curves(tmp_path / "energy", {WILD: ([[1.0], [2.0]], [[3.0], [1.0]])})
    values = np.array([[1.0, 2.0]])
    labels = {"xlabel": WILD, "ylabel": WILD, "measure": WILD}
    assert sweep_heatmap(tmp_path / "map", ["a", "$b$"], [WILD], values, **labels)
