"""Heat maps: colours in the order of the numbers, ink that can be read, what is missing said."""

import pytest

from scoregeo.report.heatmap import contrast, heat_map, paint


def test_contrast_is_the_published_one() -> None:
    assert contrast("#000000", "#FFFFFF") == 21
    assert contrast("#777777", "#FFFFFF") == pytest.approx(
        4.48, abs=0.005
    )  # the WCAG's well-known grey that just fails


def test_ink_can_be_read_on_every_colour() -> None:
    for step in range(256):
        colour, ink = paint(step / 255)
        assert contrast(colour, ink) >= 4.5  # WCAG 2.2, AA


def test_colours_grow_lighter_with_the_value() -> None:
    light = [contrast(paint(share / 10)[0], "#000000") for share in range(11)]
    assert light == sorted(light)


def test_cells_and_reasons() -> None:
    grid = heat_map(
        "energy",
        ("lam", ["1", "10"]),
        ("points", ["8", "16"]),
        [[1.0, 10.0], [None, 1000.0]],
        [["", ""], ["NaN", ""]],
    )
    assert [cell.text for _, cells in grid.rows for cell in cells] == ["1", "10", "none", "1e+03"]
    missing = grid.rows[1][1][0]
    assert missing.reason == "NaN" and contrast(missing.colour, missing.ink) >= 4.5
    # Over more than two decades the colours run by the logarithm: 10 is a third of the way from 1
    # to 1000.
    assert grid.rows[0][1][1].colour == paint(1 / 3)[0]


def test_one_value_or_none() -> None:
    assert (
        heat_map("x", ("a", ["1"]), ("b", ["1"]), [[2.0]], [[""]]).rows[0][1][0].colour
        == paint(0.5)[0]
    )
    assert (
        heat_map("x", ("a", ["1"]), ("b", ["1"]), [[float("nan")]], [["why"]]).rows[0][1][0].reason
        == "why"
    )
