"""What every rival owes: the given ends, honest counts, pairs that do not know each other, and a
word about bad ends.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.baseline.base import AbstractBaseline, Ends
from scoregeo.baseline.density_geodesic import DensityGeodesic
from scoregeo.baseline.linear_combination import LinearCombination
from scoregeo.baseline.nao import Nao
from scoregeo.baseline.noise_diffusion import NoiseDiffusion
from scoregeo.baseline.spacetime import Spacetime
from tests.baseline.cases import count, draws, pictures

RIVALS: dict[str, AbstractBaseline] = {
    "nao": Nao(max_iterations=20, jitter=0.0),
    "noise_diffusion": NoiseDiffusion(),
    "linear_combination": LinearCombination(),
    "spacetime": Spacetime(stages=[[6, 3]], nodes=4),
    "density_geodesic": DensityGeodesic(alpha=0.3, levels=2, iterations=20),
}
each = pytest.mark.parametrize("name", RIVALS)


@each
@pytest.mark.parametrize("num_points", [3, 8])
def test_its_ends_are_the_given_pictures(name: str, num_points: int) -> None:
    given = pictures(3)
    found = RIVALS[name].path(given, num_points, draws())
    assert found.path.shape == (3, num_points, 1, 4, 4) and found.path.dtype == torch.float32
    ends = given.at(RIVALS[name].space)
    assert torch.equal(found.path[:, [0, -1]], ends)
    assert found.path.isfinite().all()
    # Between them it is a path: no step is longer than the way from end to end.
    steps = found.path.diff(dim=1).flatten(2).norm(dim=2)
    assert (steps < (ends[:, 1] - ends[:, 0]).flatten(1).norm(dim=1)[:, None]).all()


@each
def test_its_counts_are_what_the_score_was_asked(name: str) -> None:
    given = pictures(3)
    found = RIVALS[name].path(given, 6, draws())
    assert int(found.score_evaluations.sum()) == count(given.field)
    assert len(found.status) == len(found.iterations) == 3


@each
def test_a_pair_does_not_know_of_the_others(name: str) -> None:
    given = pictures(3, dtype=torch.float64)
    together = RIVALS[name].path(given, 6, draws())
    alone = RIVALS[name].path(
        replace(given, clean=given.clean[1:2], lifted=given.lifted[1:2]), 6, draws()
    )
    # Batched sums and solves round differently.
    torch.testing.assert_close(together.path[1:2], alone.path, atol=1e-9, rtol=0)
    assert (
        together.score_evaluations[1] == alone.score_evaluations[0]
        and together.status[1] == alone.status[0]
    )


@each
@pytest.mark.parametrize("num_points", [0, 2, 5.0, True])
def test_too_few_points_are_refused(name: str, num_points: int) -> None:
    with pytest.raises(ConfigError, match=rf"num_points of baseline\.{name} = {num_points!r}"):
        RIVALS[name].path(pictures(), num_points, draws())


@each
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_ends_that_are_not_numbers_are_refused(name: str, bad: float) -> None:
    lifted = pictures().lifted.clone()
    lifted[1, 0, 0, 2, 2] = bad
    with pytest.raises(DataError, match=rf"baseline\.{name}: an end of pair 1 is not finite"):
        RIVALS[name].path(replace(pictures(), lifted=lifted), 5, draws())


@each
def test_equal_ends_are_refused(name: str) -> None:
    given = pictures()
    equal = given.lifted.clone()
    equal[1, 1] = equal[1, 0]
    with pytest.raises(DataError, match=rf"baseline\.{name}: the ends of pair 1 are equal"):
        RIVALS[name].path(replace(given, lifted=equal), 5, draws())


def test_scale_is_that_of_the_variance_preserving_model() -> None:
    """Standard normal data at sigma has variance 1 + sigma^2; divided by the scale, 1."""
    given: Ends = pictures(sigma=3.0)
    assert given.scale == pytest.approx(10**0.5, rel=1e-15)


@each
@pytest.mark.parametrize("kind", [torch.int64, torch.complex64, None])
def test_ends_that_are_of_no_real_numbers(name: str, kind: torch.dtype | None) -> None:
    given = pictures(2)
    ends: Any = given.clean.flatten(2).tolist() if kind is None else given.clean.to(kind)
    with pytest.raises(DataError, match=f"baseline.{name}: ends are of .*floating point"):
        RIVALS[name].path(replace(given, clean=ends, lifted=ends), 6, draws())
    three = given.clean[:, [0, 0, 1]]
    with pytest.raises(DataError, match=rf"baseline.{name}: ends have shape \[2, 3, 1, 4, 4\]"):
        RIVALS[name].path(replace(given, clean=three, lifted=three), 6, draws())
