"""Starts made at a high noise level: the Gaussian's flow in closed form, the manifold kept, the
cost counted.
"""

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.initializer.high_noise import HighNoiseInitializer
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.path.interpolation import spherical
from scoregeo.path.resampling import resample
from scoregeo.score.base import AbstractScore, CountingScore
from tests.fields import MixtureScore
from tests.initializer.cases import metric_of, open_ring, ring


class GaussianScore(AbstractScore):
    """Score of N(0, I) blurred: the flow only scales, so SLERP commutes with it."""

    @property
    def shape(self) -> tuple[int, ...]:
        return (6,)

    @property
    def sigma_range(self) -> tuple[float, float]:
        return (0.01, 50.0)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return -x / (1 + sigma**2)


def no_references(count: int) -> torch.Tensor:
    pytest.fail("data asked for")


@pytest.mark.parametrize("noisy", [False, True])
def test_gaussian_data_give_slerp_at_first_order(noisy: bool) -> None:
    ends = torch.randn(3, 2, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = resample(spherical(ends, 17), 17)
    errors = []
    for steps in (40, 80, 160):
        path = HighNoiseInitializer(8.0, steps).prepare(
            metric_of(GaussianScore(), sigma=0.5), no_references, noisy
        )(ends, 17)
        errors.append(float((path - expected).norm()))
    assert (
        1.7 < errors[0] / errors[1] < 2.4 and 1.7 < errors[1] / errors[2] < 2.4
    )  # Euler, each way


def test_decoded_points_lie_on_the_data() -> None:
    ends = torch.stack([ring(60)[40], ring(60)[5]])[None]
    metric = metric_of(MixtureScore(ring(60), 0.05))
    path = HighNoiseInitializer(3.0, 60).prepare(metric, no_references)(ends, 33)
    # The straight line comes to 0.26 in the middle; the data's own radius spreads by 0.05.
    assert float((path.norm(dim=2) - 1).abs().max()) < 0.15


@pytest.mark.parametrize("noisy", [False, True])
def test_cost_is_as_stated(noisy: bool) -> None:
    score = CountingScore(MixtureScore(open_ring(), 0.05))
    starter = HighNoiseInitializer(2.0, 7).prepare(metric_of(score), no_references, noisy)
    starter(torch.stack([ring(60)[:3], ring(60)[5:8]], 1), 9)
    assert score.count == 3 * 7 * (9 + 2)


def test_levels_out_of_range_are_refused() -> None:
    metric = metric_of(GaussianScore(), sigma=0.5)
    with pytest.raises(
        ConfigError,
        match=r"initializer\.sigma_high = 60 is outside the range of this score, 0.01 to 50",
    ):
        HighNoiseInitializer(60.0).check(metric)
    with pytest.raises(
        ConfigError, match=r"initializer\.sigma_high = 0.5 .* above score\.sigma = 0.5"
    ):
        HighNoiseInitializer(0.5).check(metric)
    with pytest.raises(ConfigError, match="needs a metric with a score"):
        HighNoiseInitializer().check(EuclideanMetric())
    for key, value in (("sigma_high", 0.0), ("steps", 0)):
        with pytest.raises(ConfigError, match=rf"initializer\.{key} = "):
            HighNoiseInitializer(**{key: value})  # type: ignore[arg-type]
