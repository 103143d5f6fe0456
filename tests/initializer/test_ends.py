"""Every start joins the ends to the last bit, in their own dtype, at the number of points asked
for.
"""

import pytest
import torch

from scoregeo.initializer.base import AbstractInitializer
from scoregeo.initializer.continued import ContinuedInitializer
from scoregeo.initializer.graph import GraphInitializer
from scoregeo.initializer.high_noise import HighNoiseInitializer
from scoregeo.initializer.lerp import LerpInitializer
from scoregeo.initializer.perturbed import PerturbedInitializer
from scoregeo.initializer.slerp import SlerpInitializer
from tests.initializer.cases import across_ends, along_ends, given, ring, ring_metric

STARTS: dict[str, AbstractInitializer] = {
    "lerp": LerpInitializer(),
    "slerp": SlerpInitializer(),
    "perturbed": PerturbedInitializer(),
    "graph": GraphInitializer(60, 4, cache=False),
    "graph of samples": GraphInitializer(40, 4, source="model", sample_steps=10, cache=False),
    "continued": ContinuedInitializer(1.0, levels=2, subnodes=1, max_iterations=2),
    "high noise": HighNoiseInitializer(2.0, 10),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("name", STARTS)
def test_ends_are_exact(name: str, noisy: bool, dtype: torch.dtype) -> None:
    ends = (torch.cat([along_ends(), across_ends()]) * 1.01).to(dtype)
    starter = STARTS[name].prepare(ring_metric(dtype), given(ring(60).to(dtype)), noisy)
    for num_points in (2, 3, 9):
        path = starter(ends, num_points)
        assert path.shape == (2, num_points, 2) and path.dtype == dtype and path.isfinite().all()
        assert torch.equal(path[:, 0], ends[:, 0]) and torch.equal(path[:, -1], ends[:, 1])


@pytest.mark.parametrize("name", STARTS)
def test_equal_calls_give_equal_paths(name: str) -> None:
    first, second = (
        STARTS[name].prepare(ring_metric(), given(ring(60)))(along_ends(), 9) for _ in range(2)
    )
    assert torch.equal(first, second)
