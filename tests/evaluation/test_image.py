"""PSNR and SSIM against scikit-image."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.image import inner_frame_psnr, inner_frame_ssim, psnr, ssim


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    """Smooth random images in [-1, 1]."""
    noise = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.avg_pool2d(noise.reshape(-1, 1, *shape[-2:]), 5, 1, 2).reshape(
        shape
    )
    return (2.5 * smooth).clamp(-1, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_match_scikit_image(channels: int) -> None:
    truth = images(6, channels, 28, 28)
    other = (truth + 0.3 * images(6, channels, 28, 28, seed=1)).clamp(-1, 1)
    for index in range(6):
        a, b = truth[index].double().numpy(), other[index].double().numpy()
        wanted = peak_signal_noise_ratio(a, b, data_range=2.0)
        # torchmetrics keeps the data range and the base of its logarithm in float32.
        assert float(psnr(other, truth)[index]) == pytest.approx(wanted, abs=1e-5)
        wanted = structural_similarity(
            a,
            b,
            data_range=2.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=0,
        )
        # Both truncate the same Gaussian at 3.5 sigma; scikit-image's window is separable, sums
        # differ in rounding.
        assert float(ssim(other, truth)[index]) == pytest.approx(wanted, abs=1e-9)


def test_known_values() -> None:
    truth = torch.zeros(1, 1, 16, 16)
    assert float(psnr(truth + 0.2, truth)) == pytest.approx(20.0, abs=1e-5)  # float32 0.2
    assert float(psnr(truth, truth)) == 100.0
    assert float(ssim(images(1, 1, 16, 16), images(1, 1, 16, 16))) == pytest.approx(1.0, abs=1e-12)


def test_values_beyond_the_range_count_as_clamped() -> None:
    truth = torch.ones(1, 1, 16, 16)
    assert float(psnr(truth * 1.7, truth)) == 100.0


def test_inner_frames_only() -> None:
    truth = images(2, 5, 1, 16, 16)
    frames = truth.clone()
    frames[:, [0, -1]] = -1
    assert inner_frame_psnr(frames, truth).tolist() == [100.0, 100.0]
    frames = truth.clone()
    frames[1, 2] = images(1, 16, 16, seed=5)
    wanted = np.mean([100, float(psnr(frames[1, 2:3], truth[1, 2:3])), 100])
    assert inner_frame_psnr(frames, truth).tolist() == pytest.approx([100.0, wanted])
    assert inner_frame_ssim(frames, truth)[0] == pytest.approx(1.0)
    assert inner_frame_ssim(frames, truth)[1] < 0.9
    # A last frame that is not given counts too; the first never does.
    frames = truth.clone()
    frames[0, -1] = images(1, 16, 16, seed=5)
    frames[1, 0] = -1
    wanted = np.mean([100, 100, 100, float(psnr(frames[0, -1:], truth[0, -1:]))])
    assert inner_frame_psnr(frames, truth, with_last=True).tolist() == pytest.approx(
        [wanted, 100.0]
    )
    assert inner_frame_ssim(frames, truth, with_last=True)[0] < 0.99


def test_bad_input() -> None:
    good = images(2, 1, 16, 16)
    with pytest.raises(DataError, match="must both be"):
        psnr(good, good[:1])
    with pytest.raises(DataError, match="at least 11 x 11"):
        ssim(good[..., :8], good[..., :8])
    with pytest.raises(DataError, match="from 0 to 255"):
        psnr(torch.linspace(0, 255, 512).reshape(2, 1, 16, 16), good)
    with pytest.raises(DataError, match="from -128 to 127"):
        psnr(torch.linspace(-128, 127, 512).reshape(2, 1, 16, 16), good)
    with pytest.raises(DataError, match=r"\[2, 1, 16, 16\] and truth \[2, 1, 16, 20\]"):
        psnr(good, images(2, 1, 16, 20))
    with pytest.raises(DataError, match="floating point"):
        psnr(torch.zeros(2, 1, 16, 16, dtype=torch.uint8), good)
    frames = images(2, 4, 1, 16, 16)
    broken = frames.clone()
    broken[1, 2, 0, 3, 3] = float("nan")
    with pytest.raises(DataError, match=r"index \[1, 2\]"):
        inner_frame_psnr(broken, frames)
    with pytest.raises(DataError, match="three points"):
        inner_frame_psnr(frames[:, :2], frames[:, :2])
