"""The closed curve against scipy's integrals and minimiser."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.base import Pairs
from scoregeo.dataset.closed_curve import ClosedCurve


def test_arc_length_against_an_integral() -> None:
    data = ClosedCurve(radius=2.0, height=0.4, waves=2)

    def speed(t: float) -> float:
        return 2.0 * math.hypot(1.0, 0.8 * math.sin(2 * t))

    assert abs(data.length - quad(speed, 0, 2 * math.pi, epsabs=1e-12)[0]) < 1e-10
    for t in (0.3, 2.0, 5.5):
        arc = quad(speed, 0, t, epsabs=1e-12)[0]
        expected = [2 * math.cos(t), 2 * math.sin(t), 0.8 * math.cos(2 * t)]
        found = data.at(torch.tensor([arc], dtype=torch.float64))
        torch.testing.assert_close(
            found, torch.tensor([expected], dtype=torch.float64), atol=1e-9, rtol=0
        )


def test_true_path() -> None:
    data = ClosedCurve(num_pairs=6)
    pairs = data.pairs(0)
    path, length = data.true_path(pairs, 401), data.true_length(pairs)
    torch.testing.assert_close(path[:, [0, -1]], pairs.ends, atol=1e-12, rtol=0)
    assert data.distance(path.flatten(0, 1)).max() < 1e-12
    assert ((length > 0.05 * data.length) & (length < 0.35 * data.length)).all()
    # Chords over equal arcs h are short by (h k)^2 / 24, with a curvature k below 1 + 9 * 0.3.
    ratio = path.diff(dim=1).norm(dim=-1) / (length[:, None] / 400)
    assert ratio.max() < 1 + 1e-9 and ratio.min() > 1 - (float(length.max()) / 400 * 3.7) ** 2 / 24
    bare = Pairs(pairs.first, pairs.second, pairs.names, pairs.groups)
    torch.testing.assert_close(data.true_length(bare), length, atol=1e-9, rtol=0)
    beyond = data.true_continuation(pairs, 0.25, 101)
    torch.testing.assert_close(beyond[:, 0], pairs.second, atol=1e-12, rtol=0)
    assert (
        (beyond[:, 1] - path[:, -2]).norm(dim=1) < 2.01 * length / 400
    ).all()  # straight on, no turn back


def test_distance_against_a_minimiser() -> None:
    data = ClosedCurve()
    points = torch.tensor(
        [[0.9, 0.1, 0.4], [0.0, 0.5, -0.2], [-1.5, 0.3, 0.1]], dtype=torch.float64
    )
    for point, found in zip(points.numpy(), data.distance(points).tolist(), strict=True):

        def away(t: float, x: np.ndarray = point) -> float:
            return float(
                np.linalg.norm(
                    [math.cos(t) - x[0], math.sin(t) - x[1], 0.3 * math.cos(3 * t) - x[2]]
                )
            )

        starts = np.linspace(0, 2 * math.pi, 40)
        best = min(
            minimize_scalar(
                away, bounds=(t, t + 0.2), method="bounded", options={"xatol": 1e-10}
            ).fun
            for t in starts
        )
        assert abs(found - best) < 1e-9


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("radius", {"radius": 0}),
        ("height", {"height": -1}),
        ("waves", {"waves": 0}),
        ("max_share", {"max_share": 0.6}),
        ("max_share = 0.35 .* above dataset.min_share = 0.4", {"min_share": 0.4}),
    ],
)
def test_bad_settings(key: str, settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"dataset.{key}"):
        ClosedCurve(**settings)  # type: ignore[arg-type]
