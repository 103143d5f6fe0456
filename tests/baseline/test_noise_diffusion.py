"""NoiseDiffusion against its formula written out in numpy, point by point."""

import numpy as np
import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.baseline.noise_diffusion import NoiseDiffusion
from tests.baseline.cases import draws, pictures


def by_hand(clean: np.ndarray, lifted: np.ndarray, sigma: float, u: float) -> np.ndarray:
    """One point, from ends [2, D], with the released settings: gamma 0."""
    abar = 1 / (1 + sigma**2)
    a_t, b_t = (np.clip(np.sqrt(abar) * x, -2, 2) for x in lifted)
    al, be = np.cos(np.pi * u / 2), np.sin(np.pi * u / 2)
    mu, nu = 1.2 * al / (al + be), 1.2 * be / (al + be)
    x = (
        al * a_t
        + be * b_t
        + (mu - al) * np.sqrt(abar) * clean[0]
        + (nu - be) * np.sqrt(abar) * clean[1]
    )
    return np.clip(x, -2, 2) / np.sqrt(abar)


@pytest.mark.parametrize("given_ends", [True, False])
def test_points_are_those_of_the_formula(given_ends: bool) -> None:
    sigma, points = 1.5, 7
    given = pictures(2, sigma, torch.float64)
    found = (
        NoiseDiffusion(given_ends=given_ends).path(given, points, draws()).path.flatten(2).numpy()
    )
    clean, lifted = given.clean.flatten(2).numpy(), given.lifted.flatten(2).numpy()
    assert (np.abs(lifted) / (1 + sigma**2) ** 0.5 > 2).any()  # the clipping is at work
    for pair in range(2):
        for k in range(points):
            wanted = by_hand(clean[pair], lifted[pair], sigma, k / (points - 1))
            if given_ends and k in (0, points - 1):
                wanted = lifted[pair, 0 if k == 0 else 1]
            np.testing.assert_allclose(found[pair, k], wanted, atol=1e-13)  # rounding


def test_the_formula_misses_its_own_ends() -> None:
    """At u = 0 it is the clipped end and a fifth of the clean one, which is why the given ends are
    put there.
    """
    given = pictures(dtype=torch.float64)
    found = NoiseDiffusion(given_ends=False, boundary=None).path(given, 5, draws()).path
    torch.testing.assert_close(
        found[:, 0], given.lifted[:, 0] + 0.2 * given.clean[:, 0], atol=1e-13, rtol=0
    )


def test_without_signal_and_clipping_pure_noise_keeps_its_norm() -> None:
    """With mu = nu = 0 and clean ends at 0 it turns one end into the other on a circle, for
    orthogonal ends of equal norm.
    """
    given = pictures(1, dtype=torch.float64)
    a, b = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    a[0, 0, 0], b[0, 1, 1] = 2.0, 2.0
    apart = type(given)(
        torch.stack([0 * a, 0 * b + 1e-300])[None], torch.stack([a, b])[None], given.field
    )
    path = NoiseDiffusion(boundary=None, signal=0.0).path(apart, 9, draws()).path
    torch.testing.assert_close(
        path.flatten(2).norm(dim=2), torch.full((1, 9), 2.0, dtype=torch.float64)
    )


def test_fresh_noise_is_seeded_and_of_the_right_size() -> None:
    """With gamma 1, no clipping and no signal all that is left is `gamma sqrt(1 - abar) eps`: sigma
    here.
    """
    sigma = 1.5
    given = pictures(40, sigma, torch.float64)
    method = NoiseDiffusion(boundary=None, gamma=1.0, signal=0.0, given_ends=False)
    first, again, other = (method.path(given, 20, draws(seed)).path for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    # 12,800 draws: the standard error of their deviation is 0.6 %.
    assert first.std().item() == pytest.approx(sigma, rel=0.025)
    assert torch.equal(
        NoiseDiffusion().path(given, 5, draws(0)).path,
        NoiseDiffusion().path(given, 5, draws(1)).path,
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("boundary", 0.0),
        ("gamma", 1.1),
        ("gamma", -0.1),
        ("signal", float("nan")),
        ("given_ends", "yes"),
    ],
)
def test_bad_settings_are_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"baseline\.noise_diffusion\.{key} = {value!r}"):
        NoiseDiffusion(**{key: value})  # type: ignore[arg-type]
