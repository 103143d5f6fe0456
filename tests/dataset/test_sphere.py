"""Sphere: endpoints, great circles and what is refused."""

import logging
import math
from typing import Any

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.base import Pairs
from scoregeo.dataset.sphere import Sphere


@pytest.mark.parametrize(
    ("dimension", "ambient", "radius"), [(1, 2, 1.0), (2, 3, 0.5), (2, 50, 1.0), (9, 12, 3.0)]
)
def test_pairs_and_true_path(dimension: int, ambient: int, radius: float) -> None:
    data = Sphere(dimension, ambient, radius, num_pairs=20, min_angle=0.4, max_angle=2.0)
    pairs = data.pairs(3)
    assert pairs.ends.shape == (20, 2, ambient) and pairs.first.dtype == torch.float64
    path, length = data.true_path(pairs, 17), data.true_length(pairs)
    arcs = length / radius
    assert (arcs >= 0.4).all() and (arcs <= 2.0).all()
    # Closed forms throughout: only rounding remains.
    assert data.distance(path.flatten(0, 1)).max() < 1e-14 * radius
    torch.testing.assert_close(path[:, 0], pairs.first, atol=1e-14 * radius, rtol=0)
    torch.testing.assert_close(path[:, -1], pairs.second, atol=1e-14 * radius, rtol=0)
    cos = (pairs.first * pairs.second).sum(1) / radius**2
    torch.testing.assert_close(arcs.cos(), cos, atol=1e-13, rtol=0)
    # Equal steps: each chord is 2 R sin(arc / 32).
    chords = path.diff(dim=1).norm(dim=-1)
    torch.testing.assert_close(
        chords,
        (2 * radius * (arcs / 32).sin())[:, None].expand_as(chords),
        atol=1e-13 * radius,
        rtol=0,
    )


@pytest.mark.parametrize(("ambient", "radius"), [(3, 1.0), (12, 3.0)])
def test_true_continuation_is_the_great_circle_past_its_end(ambient: int, radius: float) -> None:
    data = Sphere(2, ambient, radius, num_pairs=6, max_angle=2.0)
    pairs = data.pairs(1)
    reach = torch.tensor([0.25, 0.5, 1.0, 0.1, 2.0, 0.7], dtype=torch.float64)
    path, arcs = data.true_continuation(pairs, reach, 33), data.true_length(pairs) / radius
    assert data.distance(path.flatten(0, 1)).max() < 1e-14 * radius
    torch.testing.assert_close(path[:, 0], pairs.second, atol=1e-14 * radius, rtol=0)
    # In the plane of a and b: c = (b sin((1 + r) t) - a sin(r t)) / sin t, by the addition theorem;
    # sin t >= 0.3 loses a digit.
    turn = (reach * arcs)[:, None]
    end = (pairs.second * (arcs[:, None] + turn).sin() - pairs.first * turn.sin()) / arcs[
        :, None
    ].sin()
    torch.testing.assert_close(path[:, -1], end, atol=1e-13 * radius, rtol=0)
    # Equal steps: each chord is 2 R sin(arc / 64).
    chords = path.diff(dim=1).norm(dim=-1)
    torch.testing.assert_close(
        chords, (2 * radius * (turn / 64).sin()).expand_as(chords), atol=1e-13 * radius, rtol=0
    )


@pytest.mark.parametrize(
    "reach", [0.0, -1.0, float("nan"), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0, 1.0])]
)
def test_a_reach_that_goes_nowhere_is_refused(reach: float | torch.Tensor) -> None:
    data = Sphere(num_pairs=3)
    with pytest.raises(ConfigError, match=r"reach = .*above 0"):
        data.true_continuation(data.pairs(0), reach, 5)


def test_truth_can_be_rebuilt_from_the_ends() -> None:
    data = Sphere(3, 6, 2.0)
    pairs = data.pairs(0)
    bare = Pairs(pairs.first, pairs.second, pairs.names, pairs.groups)
    # Directions from a difference of points lose as many digits as the shortest arc has: none here.
    torch.testing.assert_close(
        data.true_path(bare, 9), data.true_path(pairs, 9), atol=1e-13, rtol=0
    )


def test_seed_decides() -> None:
    data = Sphere()
    assert torch.equal(data.pairs(1).ends, data.pairs(1).ends)
    assert not torch.equal(data.pairs(1).ends, data.pairs(2).ends)
    assert torch.equal(data.sample(5, 1), data.sample(5, 1))
    assert not torch.equal(data.sample(5, 1), data.sample(5, 2))


def test_sample_is_uniform() -> None:
    sample = Sphere(2, 4, 2.0).sample(40_000, 0)
    assert Sphere(2, 4, 2.0).distance(sample).max() < 1e-14
    # E x = 0, E x x^T = R^2 / 3; five standard errors, 5 * R^2 * sqrt(4 / 45) / 200 for the second.
    assert sample.mean(0).abs().max() < 5 * 2 / math.sqrt(3 * 40_000)
    assert (sample[:, :3].T @ sample[:, :3] / 40_000 - torch.eye(3) * 4 / 3).abs().max() < 0.03


def test_distance() -> None:
    points = torch.tensor(
        [[0.0, 0.0, 0.0, 0.0], [3.0, 0.0, 0.0, 0.0], [0.0, 5.0, 0.0, 4.0]], dtype=torch.float64
    )
    assert Sphere(2, 4, 2.0).distance(points).tolist() == [2.0, 1.0, 5.0]


def test_antipodal_endpoints_warn_and_give_a_great_circle(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        data = Sphere(
            2, 3, 2.0, endpoints=[[[2.0, 0, 0], [-2.0, 0, 0]], [[0.0, 1.2, 1.6], [0, -1.2, -1.6]]]
        )
    assert caplog.text.count("not unique") == 2 and "dataset.endpoints[0]" in caplog.text
    pairs = data.pairs(0)
    path = data.true_path(pairs, 33)
    # pi is a rounded number, so sin(pi) leaves 1e-16 of the radius.
    torch.testing.assert_close(path[:, -1], pairs.second, atol=1e-14, rtol=0)
    assert data.distance(path.flatten(0, 1)).max() < 1e-14
    torch.testing.assert_close(
        data.true_length(pairs), torch.full((2,), 2 * math.pi, dtype=torch.float64)
    )


def test_given_endpoints_are_used(caplog: pytest.LogCaptureFixture) -> None:
    data = Sphere(endpoints=[[[1.0, 0, 0], [0, 1.0, 0]]])
    assert caplog.text == ""
    Sphere(num_pairs=2, endpoints=[[[1.0, 0, 0], [0, 1.0, 0]]])
    assert "dataset.endpoints gives the pairs, 1 of them: dataset.num_pairs," in caplog.text
    assert data.pairs(0).ends.tolist() == [[[1, 0, 0], [0, 1, 0]]]
    torch.testing.assert_close(
        data.true_length(data.pairs(0)), torch.tensor([math.pi / 2], dtype=torch.float64)
    )


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("dimension", {"dimension": 3, "ambient": 3}),
        ("dimension", {"dimension": 5, "ambient": 3}),
        ("dimension", {"dimension": 0}),
        ("dimension", {"dimension": 1.5}),
        ("ambient", {"ambient": "three"}),
        ("radius", {"radius": 0.0}),
        ("radius", {"radius": -1.0}),
        ("radius", {"radius": float("nan")}),
        ("num_pairs", {"num_pairs": 0}),
        ("min_angle", {"min_angle": 0.0}),
        ("max_angle", {"max_angle": 4.0}),
        ("max_angle", {"max_angle": 0.1}),
        ("max_angle", {"max_angle": "wide"}),
        ("endpoints", {"endpoints": []}),
        ("endpoints", {"endpoints": [[[1, 0], [0, 1]]]}),
        ("endpoints", {"endpoints": [[[1, 0, 0], [0, 1]]]}),
        ("endpoints", {"endpoints": "north"}),
        ("endpoints", {"endpoints": [[[1, 0, 0], [0, 1.00001, 0]]]}),
        ("endpoints", {"endpoints": [[[1, 0, 0], [0, float("nan"), 0]]]}),
    ],
)
def test_bad_settings_are_refused(key: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be") as caught:
        Sphere(**settings)
    assert f"dataset.{key} = {settings[key]!r} " in str(caught.value)


def test_identical_endpoints_are_called_identical() -> None:
    with pytest.raises(ConfigError, match=r"dataset\.endpoints\[0\].*identical"):
        Sphere(endpoints=[[[1, 0, 0], [1, 0, 0]]])


def test_both_angles_are_named() -> None:
    with pytest.raises(ConfigError, match=r"max_angle = 2\.4 .* at least dataset\.min_angle = 3"):
        Sphere(min_angle=3)
    Sphere(min_angle=2.4)


def test_endpoints_that_are_there_twice_are_named(caplog: pytest.LogCaptureFixture) -> None:
    first, second, third = [1, 0, 0], [0, 1, 0], [0, 0, 1]
    Sphere(endpoints=[[first, second], [third, second], [second, first]]).pairs(0)
    assert "1 pair is there again" in caplog.text and "pair002 is pair000" in caplog.text
