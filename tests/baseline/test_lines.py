"""LERP and SLERP as baselines."""

from dataclasses import replace

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.baseline.lerp import Lerp
from scoregeo.baseline.slerp import Slerp
from scoregeo.path.interpolation import linear, spherical
from tests.baseline.cases import draws, pictures


@pytest.mark.parametrize("baseline", [Lerp(), Slerp(), Lerp("noise"), Slerp("noise")])
def test_paths_join_the_given_ends(baseline: Lerp | Slerp) -> None:
    given = pictures()
    found = baseline.path(given, 6, draws())
    ends = given.lifted if baseline.space == "noise" else given.clean
    assert found.path.shape == (2, 6, 1, 4, 4)
    assert torch.equal(found.path[:, 0], ends[:, 0]) and torch.equal(found.path[:, -1], ends[:, 1])
    formula = linear if isinstance(baseline, Lerp) else spherical
    assert torch.equal(found.path, formula(ends, 6))
    assert found.status == (
        "closed_form",
    ) * 2 and found.score_evaluations.tolist() == found.iterations.tolist() == [0, 0]


def test_ends_that_were_not_lifted_are_the_clean_ones() -> None:
    given = replace(pictures(), lifted=pictures().clean)
    assert torch.equal(
        Lerp("noise").path(given, 5, draws()).path, Lerp("data").path(given, 5, draws()).path
    )


def test_an_unknown_space_is_refused() -> None:
    with pytest.raises(ConfigError, match="space = 'pixel'.*'data', 'noise'"):
        Lerp("pixel")
