"""The score of tones against the quadrature over pitch and phase, and autograd of its density."""

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.chirps import Chirps
from scoregeo.dataset.tones import Tones
from scoregeo.score.manifold import manifold_score
from scoregeo.score.tones import tones_score


def small() -> Tones:
    return Tones(samples=128, rate=4000.0, high=600.0, intervals=(100,))


def points(data: Tones, sigma: float) -> torch.Tensor:
    """Noisy tones, one beyond the pitches, the sum of two, and one nearly silent."""
    x = data.sample(6, 0)
    source = torch.Generator().manual_seed(1)
    x = x + 0.3 * sigma * torch.randn(x.shape, generator=source, dtype=x.dtype)
    x[0] = data.embed(torch.tensor([640.0, 0.5], dtype=torch.float64))
    x[1] = x[2] + x[3]
    x[4] *= 1e-3
    return x


@pytest.mark.parametrize("sigma", [0.15, 0.5])
def test_against_the_quadrature_over_pitch_and_phase(sigma: float) -> None:
    data = small()
    x = points(data, sigma)
    own = tones_score(data, 0, sigma)(x)
    other = manifold_score(data, 0, sigma, nodes_per_sigma=1.5)(x)
    # The norms of these tones differ from 1 by 2e-5, and that over sigma^2 goes into the density.
    assert ((own - other).norm(dim=1) / (1 / sigma + other.norm(dim=1))).max() < 1e-4


def test_autograd_and_finite_differences() -> None:
    data, sigma = small(), 0.2
    x, score = points(data, sigma), tones_score(data, 0, sigma).score
    probe = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(score.log_density(probe, sigma).sum(), probe)  # type: ignore[attr-defined]
    value = score.score(x, sigma)
    assert ((slope - value).norm(dim=1) / (1 / sigma + value.norm(dim=1))).max() < 1e-11
    v = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=x.dtype)
    product = score.jvp(x, v, sigma)[1]
    step = 1e-5
    expected = (score.score(x + step * v, sigma) - score.score(x - step * v, sigma)) / (2 * step)
    assert ((product - expected).norm(dim=1) / product.norm(dim=1)).max() < 1e-6
    torch.testing.assert_close(score.vjp(x, v, sigma)[1], product, rtol=1e-8, atol=1e-6)


def test_silence_has_a_finite_score() -> None:
    data = small()
    score = tones_score(data, 0, 0.2).score
    silence = torch.zeros(1, 128, dtype=torch.float64)
    value, product = score.jvp(silence, torch.ones_like(silence), 0.2)
    assert value.abs().max() == 0 and product.isfinite().all()


def test_pieces_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    data = small()
    x, field = points(data, 0.2), tones_score(data, 0, 0.2)
    whole = field(x)
    monkeypatch.setattr("scoregeo.score.tones._AT_ONCE", 1)
    torch.testing.assert_close(field(x), whole, rtol=1e-12, atol=1e-12)


def test_what_is_refused() -> None:
    with pytest.raises(ConfigError, match="Chirps"):
        tones_score(Chirps(), 0, 0.1)
    with pytest.raises(ConfigError, match=r"score\.timestep"):
        tones_score(small(), 0, timestep=400)
    for sigma in (0.0, "auto"):
        with pytest.raises(ConfigError, match=r"score\.sigma"):
            tones_score(small(), 0, sigma)  # type: ignore[arg-type]
