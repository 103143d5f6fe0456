"""Delayed chirps: speed and curvature by finite differences, distance by another minimiser."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.base import Pairs
from scoregeo.dataset.chirps import Chirps


def small(**changes: Any) -> Chirps:
    return Chirps(**{"samples": 128, "rate": 2000.0, "num_pairs": 4} | changes)


def test_speed_and_curvature_are_the_same_everywhere() -> None:
    data = Chirps()
    tau = torch.tensor([0.0, 0.0101, 0.0333, 0.06], dtype=torch.float64)
    step = 1e-6
    ahead, here, behind = data.at(tau + step), data.at(tau), data.at(tau - step)
    speed = (ahead - behind).norm(dim=1) / (2 * step)
    torch.testing.assert_close(speed, torch.full_like(speed, data.speed), rtol=1e-5, atol=0)
    bend = (ahead - 2 * here + behind).norm(dim=1) / step**2
    torch.testing.assert_close(bend, bend[:1].expand(4), rtol=1e-5, atol=0)
    torch.testing.assert_close(here.norm(dim=1), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(data.at(tau + data.period), here, atol=1e-12, rtol=0)
    # A delay by a whole number of samples turns the frame.
    torch.testing.assert_close(data.at(tau + 3 / data.rate), here.roll(3, 1), atol=1e-12, rtol=0)
    fine = data.at(torch.linspace(0, data.period, 20001, dtype=torch.float64))
    assert float(fine.diff(dim=0).norm(dim=1).sum()) == pytest.approx(data.length, rel=1e-4)


def test_the_curve_fills_many_dimensions() -> None:
    data = Chirps()
    spread = torch.linalg.svdvals(data.sample(600, 0))
    assert int((spread > 1e-3 * spread[0]).sum()) > 60  # of the 512 that it lies in


def test_true_path() -> None:
    data = small()
    pairs = data.pairs(0)
    path, length = data.true_path(pairs, 401), data.true_length(pairs)
    torch.testing.assert_close(path[:, [0, -1]], pairs.ends, atol=1e-12, rtol=0)
    assert data.distance(path.flatten(0, 1)).max() < 1e-9
    torch.testing.assert_close(path.diff(dim=1).norm(dim=-1).sum(1), length, rtol=1e-4, atol=0)
    bare = Pairs(pairs.first, pairs.second, pairs.names, pairs.groups)
    torch.testing.assert_close(data.true_length(bare), length, atol=1e-8, rtol=0)
    beyond = data.true_continuation(pairs, 0.25, 101)
    torch.testing.assert_close(beyond[:, 0], pairs.second, atol=1e-12, rtol=0)
    assert ((beyond[:, 1] - path[:, -2]).norm(dim=1) < 2.01 * length / 400).all()
    assert pairs.truth is not None
    apart = pairs.truth.diff(dim=1)[:, 0].abs()
    assert ((apart >= 0.0005) & (apart <= 0.004)).all()


def test_distance_against_a_minimiser() -> None:
    data = small()
    points = data.sample(3, 0)
    source = torch.Generator().manual_seed(0)
    points = points + 0.05 * torch.randn(points.shape, generator=source, dtype=points.dtype)
    for point, found in zip(points, data.distance(points).tolist(), strict=True):

        def away(tau: float, x: torch.Tensor = point) -> float:
            return float((data.at(torch.tensor([tau], dtype=torch.float64))[0] - x).norm())

        grid = np.linspace(0, data.period, 129)
        best = min(
            minimize_scalar(
                away,
                bounds=(tau, tau + data.period / 64),
                method="bounded",
                options={"xatol": 1e-12},
            ).fun
            for tau in grid[::2]
        )
        assert abs(found - best) < 1e-8


def test_quadrature_integrates_products_exactly() -> None:
    data = small()
    nodes, weights = data.quadrature(0.3)
    probe = data.sample(1, 4)[0]
    fine = data.at(torch.arange(4096, dtype=torch.float64) * (data.period / 4096))
    expected = float((fine @ probe).square().mean())
    assert math.isclose(float((weights * (nodes @ probe).square()).sum()), expected, rel_tol=1e-12)


NARROW = {"min_delay": 0.002, "max_delay": 0.001}


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("samples", {"samples": 1.5}),
        ("rate", {"rate": -1.0}),
        ("low", {"low": 0}),
        ("high = 50.0 .* above dataset.low = ", {"high": 50.0}),
        ("high", {"high": 990.0}),
        ("width", {"width": 0.01}),
        ("num_pairs", {"num_pairs": 0}),
        ("min_delay", {"min_delay": 0.0}),
        ("max_delay", {"max_delay": 0.05}),
        ("max_delay = 0.001 .* above dataset.min_delay = 0.002", NARROW),
    ],
)
def test_bad_settings(key: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"dataset\.{key}"):
        small(**settings)
