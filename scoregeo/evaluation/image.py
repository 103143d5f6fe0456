"""PSNR and SSIM of images in [-1, 1] (data range 2) by torchmetrics, and their means over a path's
inner frames.
"""

from collections.abc import Callable

import torch

from scoregeo._utils.errors import DataError

DATA_RANGE = 2.0
PSNR_CAP = 100.0  # dB; equal images have no finite PSNR, and one infinity would swallow a mean
LARGEST = 100.0  # a path carried far past its end may leave [-1, 1] by much, but not by this
SSIM_WINDOW = 11  # pixels: the Gaussian window of Wang et al. 2004, sigma 1.5
SSIM_SIGMA = 1.5


def check_images(images: torch.Tensor, name: str) -> torch.Tensor:
    """Images [..., channels, height, width] in [-1, 1], values beyond clamped as a picture file
    would clamp them.

    Raises DataError for values that are not finite (naming the first image), fewer than four axes,
    channels other than 1 or 3, and for what can only be another range: nothing below 0 and
    something above 2 (0 to 255), or a size above 100 (-128 to 127). Images in [0, 1] cannot be
    distinguished from dark ones in [-1, 1].
    """
    if images.ndim < 4 or images.shape[-3] not in (1, 3) or 0 in images.shape[-2:]:
        raise DataError(
            f"{name}: images have shape [..., channels 1 or 3, height, width]; these have"
            f" {list(images.shape)}."
        )
    if not images.is_floating_point():
        raise DataError(f"{name}: images are floating point in [-1, 1]; these are {images.dtype}.")
    if images.numel() == 0:
        return images
    finite = images.isfinite().flatten(-3).all(-1)
    if not bool(finite.all()):
        index = (~finite).nonzero()[0].tolist()
        raise DataError(f"{name}: the image at index {index} holds values that are not finite.")
    low, high = float(images.min()), float(images.max())
    if (low >= 0 and high > 2) or max(-low, high) > LARGEST:
        raise DataError(
            f"{name}: values run from {low:g} to {high:g}; images in [-1, 1] are expected."
        )
    return images.clamp(-1, 1)


def psnr(images: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """`10 log10(4 / mean squared error)` in dB for each of a batch [batch, channels, height,
    width]: [batch], float64.

    At most 100 dB (`PSNR_CAP`), which equal images get.
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio

    images, truth = _both(images, truth)
    values = peak_signal_noise_ratio(
        images, truth, data_range=DATA_RANGE, reduction="none", dim=(1, 2, 3)
    )
    return values.clamp_max(PSNR_CAP).reshape(len(images))


def ssim(images: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Structural similarity for each of a batch [batch, channels, height, width]: [batch], float64,
    at most 1.

    Gaussian window of 11 pixels, sigma 1.5, K1 0.01, K2 0.03, biased covariances, mean over the
    windows that lie wholly inside the image (Wang et al. 2004), then over channels. The same as
    scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=2)`.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    images, truth = _both(images, truth)
    if min(images.shape[-2:]) < SSIM_WINDOW:
        raise DataError(
            f"SSIM needs images of at least {SSIM_WINDOW} x {SSIM_WINDOW} pixels; these are"
            f" {list(images.shape)}."
        )
    if len(images) == 0:
        return images.new_empty(0)
    _, full = structural_similarity_index_measure(
        images,
        truth,
        sigma=SSIM_SIGMA,
        data_range=DATA_RANGE,
        reduction="none",
        return_full_image=True,
    )
    # torchmetrics also averages the windows that hang over the edge, on reflected pixels: leave
    # them out.
    edge = SSIM_WINDOW // 2
    return full[..., edge:-edge, edge:-edge].flatten(1).mean(1)


def check_paths(frames: torch.Tensor, truth: torch.Tensor) -> None:
    """Raise DataError unless both are images [pairs, 3 or more points, channels, height, width],
    naming the pair and the frame of a bad one.
    """
    if frames.shape != truth.shape or frames.ndim != 5:
        raise DataError(
            f"Frames {list(frames.shape)} and truth {list(truth.shape)} must both be [pairs,"
            " points, channels, height, width]."
        )
    if frames.shape[1] < 3:
        raise DataError(
            f"Measures on inner frames need at least three points a path; got {frames.shape[1]}."
        )
    check_images(frames, "frames")
    check_images(truth, "true frames")


def inner_frame_mean(
    measure: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    frames: torch.Tensor,
    truth: torch.Tensor,
    *,
    with_last: bool = False,
) -> torch.Tensor:
    """Mean of `measure(images, truth)` over each path's inner frames, [pairs], float64.

    `frames`, `truth` [pairs, points, channels, height, width]. The two ends are left out: they are
    given, and would flatter every method alike; `with_last` counts the last frame, for paths whose
    second end is not given. Frames are compared at the same index. Raises DataError below three
    points.
    """
    check_paths(frames, truth)
    free = slice(1, None if with_last else -1)
    values = frames.new_empty(len(frames), dtype=torch.float64)
    for pair, (f, t) in enumerate(zip(frames, truth, strict=True)):
        values[pair] = measure(f[free], t[free]).double().mean()
    return values


def inner_frame_psnr(
    frames: torch.Tensor, truth: torch.Tensor, *, with_last: bool = False
) -> torch.Tensor:
    """Mean PSNR in dB over each path's inner frames, [pairs], as `inner_frame_mean`."""
    return inner_frame_mean(psnr, frames, truth, with_last=with_last)


def inner_frame_ssim(
    frames: torch.Tensor, truth: torch.Tensor, *, with_last: bool = False
) -> torch.Tensor:
    """Mean SSIM over each path's inner frames, [pairs], as `inner_frame_mean`."""
    return inner_frame_mean(ssim, frames, truth, with_last=with_last)


def _both(images: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    if images.shape != truth.shape or images.ndim != 4:
        raise DataError(
            f"Images {list(images.shape)} and truth {list(truth.shape)} must both be [batch,"
            " channels, height, width]."
        )
    return check_images(images, "images").double(), check_images(truth, "true images").double()
