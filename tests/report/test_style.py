"""Colours that colour-blind readers can tell apart, and lines that differ in print
without colour.
"""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from scoregeo.report.style import LINES, MARKERS, PALETTE, looks, marker

# Machado, Oliveira & Fernandes 2009, "A physiologically-based model for simulation of color vision
# deficiency", the table's severity 1, for linear RGB.
VISION = {
    "all three": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def seen(colour: str, vision: str) -> NDArray[np.float64]:
    """CIELAB of a colour as such eyes see it."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.asarray(VISION[vision]) @ linear, 0, 1)
    return rgb2lab(
        np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)[
            None, None
        ]
    )[0, 0]


@pytest.mark.parametrize("vision", VISION)
def test_colours_can_be_told_apart(vision: str) -> None:
    """CIEDE2000 of any two, black and white paper among them, is at least 10: about four just
    noticeable differences (2.3).
    """
    colours = [seen(colour, vision) for colour in (*PALETTE, "#000000", "#FFFFFF")]
    assert min(float(deltaE_ciede2000(a, b)) for a, b in itertools.combinations(colours, 2)) >= 10


def test_the_simulation_sees_what_colour_blind_eyes_do_not() -> None:
    """A red and a green of one lightness are far apart, and near to eyes without green cones."""
    red, green = "#C0392B", "#5A7D00"
    far, near = (
        float(deltaE_ciede2000(seen(red, v), seen(green, v))) for v in ("all three", "deuteranopia")
    )
    assert far > 40 and near < 15


def test_no_two_methods_look_alike() -> None:
    names = [
        "truth",
        "stein_gauss_newton",
        "lerp",
        "a",
        "b",
        "slerp",
        "stein_adam",
        "start_graph",
        "c",
        "d",
    ]
    found = looks(names)
    styles = [(str(look["color"]), str(look["linestyle"])) for look in found.values()]
    assert len(set(styles)) == len(names)
    assert found["truth"]["color"] == "black"
    # Without colour: the first seven differ in their dashes, and neighbours in their markers.
    assert (
        len({str(look["linestyle"]) for look in looks("abcdefg").values()})
        == len(LINES)
        == len(PALETTE)
    )
    assert len({marker(i) for i in range(len(MARKERS))}) == len(MARKERS)


def test_known_methods_keep_their_look_whatever_is_beside_them() -> None:
    alone, among = (
        looks(["adam"]),
        looks(["x", "y", "stein_adam", "stein_gauss_newton", "start_graph"]),
    )
    assert alone["adam"]["color"] == among["stein_adam"]["color"]
    assert (
        among["stein_gauss_newton"]["color"]
        == looks(["pullback_gauss_newton"])["pullback_gauss_newton"]["color"]
    )
    both = looks(["stein_adam", "pullback_adam"])  # the second of a name takes another look
    assert both["stein_adam"]["color"] != both["pullback_adam"]["color"]
