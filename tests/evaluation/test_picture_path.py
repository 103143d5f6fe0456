"""Measures of picture paths against numpy and against cases whose answer is plain."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.picture_path import distance_to_ends, end_distance, end_psnr, evenness


class Brightness:
    """Distance of mean brightness: every answer can be worked out by hand."""

    def distance(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return (first.flatten(1).mean(1) - second.flatten(1).mean(1)).abs().double()

    def neighbours(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.flatten(2).mean(2).diff(dim=1).abs().double()


def grey(*levels: float) -> torch.Tensor:
    """One path of flat pictures."""
    return torch.tensor(levels, dtype=torch.float64)[None, :, None, None, None].expand(
        1, len(levels), 3, 16, 16
    )


def test_evenness_is_numpys() -> None:
    steps = torch.rand(3, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = evenness(steps)
    np.testing.assert_allclose(found.total, steps.numpy().sum(1), rtol=1e-12)
    np.testing.assert_allclose(found.spread, steps.numpy().std(1), rtol=1e-12)
    np.testing.assert_allclose(found.greatest, steps.numpy().max(1), rtol=1e-12)


def test_an_even_path_has_no_spread_and_a_jump_shows() -> None:
    even, jump = (
        evenness(Brightness().neighbours(grey(*levels)))
        for levels in ((-1, -0.5, 0, 0.5, 1), (-1, -1, 1, 1, 1))
    )
    assert float(even.spread) == 0 and float(even.total) == 2 and float(even.greatest) == 0.5
    assert (
        float(jump.total) == 2
        and float(jump.greatest) == 2
        and float(jump.spread) == pytest.approx(3**0.5 / 2)
    )


def test_the_nearer_end_counts() -> None:
    frames, ends = grey(-1, -0.75, 0.5, 1), grey(-1, 1)
    assert float(distance_to_ends(Brightness(), frames, ends)) == pytest.approx((0.25 + 0.5) / 2)


def test_ends_against_the_given_pictures() -> None:
    frames, ends = grey(-0.9, 0.3, 0.8), grey(-1, 1)
    wanted = [
        peak_signal_noise_ratio(np.full((3, 16, 16), a), np.full((3, 16, 16), b), data_range=2)
        for a, b in ((-1, -0.9), (1, 0.8))
    ]
    assert float(end_psnr(frames, ends)) == pytest.approx(np.mean(wanted), rel=1e-6)
    assert float(end_distance(Brightness(), frames, ends)) == pytest.approx(0.15)


def test_too_short_paths_are_refused() -> None:
    with pytest.raises(DataError, match="2 frames"):
        distance_to_ends(Brightness(), grey(0, 1), grey(0, 1))
    with pytest.raises(DataError, match="points at least 2"):
        evenness(torch.zeros(2, 0))
