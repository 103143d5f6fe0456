"""LERP and SLERP as baselines."""

import pytest
import torch

from scoregeo.baseline.lerp import Lerp
from scoregeo.baseline.slerp import Slerp
from scoregeo.core.errors import ConfigError


@pytest.mark.parametrize("baseline", [Lerp(), Slerp(), Lerp("noise"), Slerp("noise")])
def test_paths_join_the_given_ends(baseline: Lerp | Slerp) -> None:
    ends = torch.randn(2, 2, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    path = baseline.path(ends, 6)
    assert path.shape == (2, 6, 1, 5, 5)
    assert torch.equal(path[:, 0], ends[:, 0]) and torch.equal(path[:, -1], ends[:, 1])


def test_an_unknown_space_is_refused() -> None:
    with pytest.raises(ConfigError, match="space = 'pixel'.*'data', 'noise'"):
        Lerp("pixel")
