"""Windowed tones: the metric by finite differences, geodesics by their equation, distance by
another minimiser.
"""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.base import Pairs
from scoregeo.dataset.tones import Tones
from scoregeo.dataset.window import Window

WINDOWS = ["hann", "gauss"]
# Windows of many cycles, and one of one or two, whose metric is far from flat.
FRAMES = [Window(512, 8000.0, kind) for kind in WINDOWS] + [Window(32, 8000.0, "hann")]


def small(**changes: Any) -> Tones:
    """Frames of 32 ms."""
    return Tones(**{"samples": 128, "rate": 4000.0, "pairs_per_interval": 2} | changes)


@pytest.mark.parametrize("window", FRAMES, ids=str)
def test_the_metric_against_finite_differences(window: Window) -> None:
    places = np.array([[440.0, 0.3], [352.1, 4.0], [777.0, -1.1]])
    step = np.array([1e-2, 1e-4])  # Hz, radians

    def slope(axis: int) -> np.ndarray:
        """Order 4: relative error (2 pi f t step)^4 / 30, below 1e-9."""
        by = np.eye(2)[axis] * step[axis]
        near = window.tone(places + by) - window.tone(places - by)
        far = window.tone(places + 2 * by) - window.tone(places - 2 * by)
        return np.asarray((8 * near - far) / (12 * step[axis]))

    slopes = np.stack([slope(0), slope(1)], 1)
    found, expected = window.metric(places), slopes @ slopes.transpose(0, 2, 1)
    scale = np.sqrt(np.einsum("kaa,kbb->kab", expected, expected))
    assert np.abs((found - expected) / scale).max() < 1e-6


@pytest.mark.parametrize("window", FRAMES, ids=str)
def test_the_flat_metric_and_how_far_it_is_off(window: Window) -> None:
    """`sum w^2 / 2`, `(2 pi)^2 sum t^2 w^2 / 2`, 0; off by what `departure` says, and no less for
    the worst phase.
    """
    flat = np.diag([1 / window.hertz**2, (window.values**2).sum() / 2])
    assert flat[1, 1] == pytest.approx(1, abs=1e-14)
    for frequency in (300.0, 441.7, 800.0):
        phases = np.linspace(0, math.pi, 721)
        places = np.stack([np.full(721, frequency), phases], 1)
        scale = np.sqrt(np.outer(np.diag(flat), np.diag(flat)))
        off = np.abs((window.metric(places) - flat) / scale).max()
        bound = window.departure(frequency)
        assert off <= bound * (1 + 1e-9) + 1e-14 and off >= 0.999 * bound - 1e-14
        if window.samples == 512:
            assert bound < (2e-7 if window.kind == "hann" else 1e-6)


def test_few_cycles_are_refused() -> None:
    assert Window(32, 8000.0, "hann").departure(300.0) > 0.01
    with pytest.raises(ConfigError, match=r"dataset\.low.*flat"):
        Tones(samples=32, low=300.0)


@pytest.mark.parametrize("kind", WINDOWS)
def test_true_paths_solve_the_geodesic_equation(kind: str) -> None:
    data = small(window=kind)
    pairs = data.pairs(0)
    path, length = data.true_path(pairs, 401), data.true_length(pairs)
    torch.testing.assert_close(path[:, [0, -1]], pairs.ends, atol=1e-12, rtol=0)
    # The nearest tone is that of the flat metric.
    off = 1e-7 + data.window.departure(data.low)
    assert off < 2e-5 and data.distance(path[:, ::40].flatten(0, 1)).max() < off
    chords = path.diff(dim=1).norm(dim=-1)
    # A curve in the unit sphere of small circles: chords over equal arcs h are short by a share of
    # h^2 / 24 times the squared curvature, which is below 3 for both windows.
    torch.testing.assert_close(
        chords.sum(1), length, atol=0, rtol=float((length / 400).max() ** 2) / 8
    )
    # No part of the acceleration lies along the surface.
    at = data.nearest(path[:, 200])
    turns = torch.tensor([[1e-3, 0.0], [0.0, 1e-5]], dtype=torch.float64)
    bend = path[:, 201] - 2 * path[:, 200] + path[:, 199]
    for turn in turns:
        tangent = data.embed(at + turn) - data.embed(at - turn)
        share = (bend * tangent).sum(1) / (bend.norm(dim=1) * tangent.norm(dim=1))
        assert share.abs().max() < 1e-4


def test_the_ends_alone_give_the_same() -> None:
    data = small(room=1.0, intervals=(100, 400))
    pairs = data.pairs(3)
    bare = Pairs(pairs.first, pairs.second, pairs.names, pairs.groups)
    torch.testing.assert_close(data.true_length(bare), data.true_length(pairs), atol=1e-6, rtol=0)
    beyond = data.true_continuation(bare, 0.5, 11)
    assert pairs.truth is not None
    expected = data.embed(pairs.truth[:, 1] + 0.1 * pairs.truth.diff(dim=1)[:, 0])
    torch.testing.assert_close(beyond[:, 2], expected, atol=1e-6, rtol=0)


def test_pairs_keep_their_intervals_and_room() -> None:
    data = small(room=1.0, intervals=(100, 400), pairs_per_interval=40)
    pairs = data.pairs(1)
    assert pairs.truth is not None and torch.equal(data.pairs(1).first, pairs.first)
    pitch, phase = pairs.truth.unbind(2)
    cents = 1200 * (pitch[:, 1] / pitch[:, 0]).log2()
    torch.testing.assert_close(
        cents.abs(), torch.tensor([100.0] * 40 + [400.0] * 40, dtype=torch.float64)
    )
    assert (cents > 0).any() and (cents < 0).any()
    assert (phase.diff(dim=1).abs() <= 2).all() and pairs.groups[0] == "100 cents"
    last = pitch[:, 1] + pitch.diff(dim=1)[:, 0]
    assert (last > 300 + data.hertz - 1e-9).all() and (last < 800 - data.hertz + 1e-9).all()
    with pytest.raises(ConfigError, match=r"reach = 4.*dataset\.room"):
        data.true_continuation(pairs, 4.0, 3)


def test_distance_against_a_minimiser() -> None:
    data = small()
    source = torch.Generator().manual_seed(0)
    points = data.sample(4, 0)
    points = points + 0.05 * torch.randn(points.shape, generator=source, dtype=points.dtype)
    points[1] = (data.sample(2, 5)).sum(0)  # two tones at once
    grid = torch.cartesian_prod(
        torch.linspace(300, 800, 60, dtype=torch.float64),
        torch.linspace(0, 6.2, 24, dtype=torch.float64),
    )
    nodes = data.embed(grid)
    for point, found in zip(points, data.distance(points).tolist(), strict=True):

        def away(place: np.ndarray, x: torch.Tensor = point) -> float:
            return float((data.embed(torch.from_numpy(place)) - x).norm())

        start = grid[(nodes - point).norm(dim=1).argmin()].numpy()
        best = minimize(
            away,
            start,
            method="Nelder-Mead",
            bounds=[(300, 800), (None, None)],
            options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 2000},
        ).fun
        assert abs(found - best) < 1e-7


def test_quadrature_is_that_of_the_sample() -> None:
    data = small()
    nodes, weights = data.quadrature(0.3)
    assert float(weights.sum()) == pytest.approx(1, abs=1e-13)
    span = (data.high - data.low) / data.hertz
    assert len(nodes) > span * 2 * math.pi / 0.3**2
    # The mean of (x . y)^2 over all phases and pitches, by another rule.
    probe = data.embed(torch.tensor([500.0, 1.0], dtype=torch.float64))
    pitch = torch.linspace(300, 800, 2001, dtype=torch.float64)
    phase = torch.arange(8, dtype=torch.float64) * math.pi / 4
    means = (data.embed(torch.cartesian_prod(pitch, phase)) @ probe).square().view(2001, 8).mean(1)
    expected = float(torch.trapezoid(means, pitch)) / 500
    assert float((weights * (nodes @ probe).square()).sum()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("samples", {"samples": 8}),
        ("rate", {"rate": 0.0}),
        ("window", {"window": "boxcar"}),
        ("low", {"low": 0.0}),
        ("high", {"high": 2000.0}),
        ("intervals", {"intervals": []}),
        ("intervals", {"intervals": 100}),
        (r"intervals\[1\]", {"intervals": [100, -1]}),
        (r"intervals\[0\]", {"intervals": [2400]}),
        (r"intervals\[0\] = 1000000000.0 .*fit between", {"intervals": [1e9]}),
        (r"intervals = .* without repetitions", {"intervals": [100, 100.0]}),
        (r"high = 400 .* above dataset\.low = 500", {"high": 400, "low": 500}),
        (r"intervals\[0\]", {"intervals": [700], "room": 1.0, "low": 400.0}),
        ("pairs_per_interval", {"pairs_per_interval": 0}),
        ("max_phase", {"max_phase": 4.0}),
        ("room", {"room": -1.0}),
    ],
)
def test_bad_settings(key: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"dataset\.{key}"):
        small(**settings)
