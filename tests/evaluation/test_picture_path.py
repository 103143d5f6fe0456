"""Measures of picture paths against numpy and against cases whose answer is plain."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.perceptual import Features, PerceptualDistance
from scoregeo.evaluation.picture_path import (
    distances_along,
    distances_to_truth,
    end_psnr,
    evenness,
)


class Brightness(PerceptualDistance):
    """Distance of mean brightness: every answer can be worked out by hand. Counts images."""

    batch_size = 2
    seen = 0
    description = "brightness"

    def features(self, images: torch.Tensor) -> Features:
        assert len(images) <= self.batch_size
        self.seen += len(images)
        return [images.flatten(1).mean(1)]

    def compare(self, first: Features, second: Features) -> torch.Tensor:
        return (first[0] - second[0]).abs().double()


def grey(*levels: float) -> torch.Tensor:
    """One path of flat pictures."""
    return torch.tensor(levels, dtype=torch.float64)[None, :, None, None, None].expand(
        1, len(levels), 3, 16, 16
    )


def test_evenness_is_numpys() -> None:
    steps = torch.rand(3, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = evenness(steps)
    np.testing.assert_allclose(found.total, steps.numpy().sum(1), rtol=1e-12)
    np.testing.assert_allclose(found.deviation, steps.numpy().std(1), rtol=1e-12)
    np.testing.assert_allclose(found.greatest, steps.numpy().max(1), rtol=1e-12)


def test_an_even_path_has_no_deviation_and_a_jump_shows() -> None:
    even, jump = (
        evenness(Brightness().neighbours(grey(*levels)))
        for levels in ((-1, -0.5, 0, 0.5, 1), (-1, -1, 1, 1, 1))
    )
    assert float(even.deviation) == 0 and float(even.total) == 2 and float(even.greatest) == 0.5
    assert (
        float(jump.total) == 2
        and float(jump.greatest) == 2
        and float(jump.deviation) == pytest.approx(3**0.5 / 2)
    )


def test_the_nearer_end_counts() -> None:
    frames, ends = grey(-1, -0.75, 0.5, 1), grey(-1, 1)
    found = distances_along(Brightness(), frames, ends)
    assert float(found["_nearer_end"]) == pytest.approx((0.25 + 0.5) / 2)
    assert float(found["_sum"]) == pytest.approx(2) and float(found["_greatest"]) == 1.25


def test_ends_against_the_given_pictures() -> None:
    frames, ends = grey(-0.9, 0.3, 0.8), grey(-1, 1)
    wanted = [
        peak_signal_noise_ratio(np.full((3, 16, 16), a), np.full((3, 16, 16), b), data_range=2)
        for a, b in ((-1, -0.9), (1, 0.8))
    ]
    assert float(end_psnr(frames, ends)) == pytest.approx(np.mean(wanted), rel=1e-6)
    assert float(distances_along(Brightness(), frames, ends)["_ends"]) == pytest.approx(0.15)


@pytest.mark.parametrize("batch", (1, 2, 3, 7))
def test_each_image_is_seen_once_whatever_the_batch(batch: int) -> None:
    levels, true = (-1, -0.7, -0.1, 0.2, 1), (-1, -0.5, 0, 0.5, 0.9)
    one, other = Brightness(), Brightness()
    one.batch_size = other.batch_size = batch
    frames = torch.cat([grey(*levels), grey(*reversed(levels))])
    ends = torch.cat([grey(-1, 1), grey(1, -1)])
    along = distances_along(one, frames, ends)
    assert one.seen == 2 * (5 + 2)
    np.testing.assert_allclose(along["_deviation"], [np.abs(np.diff(levels)).std()] * 2, rtol=1e-6)
    truth = torch.cat([grey(*true), grey(*reversed(true))])
    to_truth = distances_to_truth(other, frames, truth)
    assert other.seen == 2 * (5 + 5)
    wanted = np.abs(np.array(levels) - np.array(true))
    np.testing.assert_allclose(to_truth[""], [wanted[1:-1].mean()] * 2, rtol=1e-6)
    last = distances_to_truth(other, frames, truth, with_last=True)[""]
    np.testing.assert_allclose(last, [wanted[1:].mean(), wanted[:-1].mean()], rtol=1e-6)


def test_too_short_paths_are_refused() -> None:
    with pytest.raises(DataError, match="2 frames"):
        distances_along(Brightness(), grey(0, 1), grey(0, 1))
    with pytest.raises(DataError, match="points at least 2"):
        evenness(torch.zeros(2, 0))
