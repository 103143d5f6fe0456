"""What can be said of a path of pictures without knowing the true one: how even it is, and how it
keeps its ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.words import count
from scoregeo.evaluation.image import check_paths, psnr
from scoregeo.evaluation.perceptual import Along, PerceptualDistance, along_path
from scoregeo.evaluation.statistics import deviation
from scoregeo.path.resampling import resample_by

POOR_END = 20.0  # dB of PSNR below which a picture has not come back from the noise level
EVENINGS = 2  # times that frames are moved to equal perceptual distances


@dataclass(frozen=True)
class Evenness:
    """Of the distances between neighbouring frames; each [pairs], float64.

    `total`: their sum, PPL as DiffMorpher (Zhang et al. 2024) has it. `deviation`: their standard
    deviation (dividing by their number); its square is their variance, which that paper calls PDV
    and averages over pairs, of LPIPS at 512 x 512 pixels. `greatest`: the largest jump. All depend
    on the number of frames, which a table must state."""

    total: torch.Tensor
    deviation: torch.Tensor
    greatest: torch.Tensor


def evenness(steps: torch.Tensor) -> Evenness:
    """Sum, standard deviation and greatest of distances between neighbouring frames, `steps`
    [pairs, points - 1].
    """
    if steps.ndim != 2 or steps.shape[1] == 0:
        raise DataError(
            "Distances between neighbours are [pairs, points - 1], points at least 2; these are"
            f" {list(steps.shape)}."
        )
    return Evenness(steps.sum(1), deviation(steps), steps.amax(1))


def end_psnr(frames: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """PSNR in dB of a path's first and last frames against the given pictures, their mean, [pairs],
    float64.
    """
    both = frames[:, [0, -1]].flatten(0, 1)
    return psnr(both, ends.to(both).flatten(0, 1)).reshape(len(frames), 2).mean(1)


def poor_end(name: str, back: float, codec: float) -> str:
    """What to tell of a picture that came `back` from inversion and decoding at so many dB of PSNR,
    `codec` dB from encoding and decoding alone; empty from `POOR_END` on.
    """
    if back >= POOR_END:
        return ""
    said = f"{name} comes back at {back:.1f} dB PSNR"
    if codec < POOR_END:
        return (
            f"{said}, {codec:.1f} dB from the autoencoder alone: the model does not know such"
            " pictures, and its frames will not look like them."
        )
    return (
        f"{said}, {codec:.1f} dB from the autoencoder alone: inversion and decoding lose it. More"
        " steps, or a lower noise level, may help."
    )


def distances_to_truth(
    measure: PerceptualDistance,
    frames: torch.Tensor,
    truth: torch.Tensor,
    *,
    with_last: bool = False,
) -> dict[str, torch.Tensor]:
    """What a distance says of paths whose true frames are known, [pairs] each, float64, by suffix
    of its name.

    "": mean distance to `truth` of inner frames, and of the last `with_last`; "_sum", "_deviation":
    `evenness`. `frames`, `truth` [pairs, points, C, H, W] in [-1, 1]. Raises DataError below three
    points.
    """
    check_paths(frames, truth)
    free = slice(1, None if with_last else -1)
    means, steps = [], []
    for path, true in zip(frames, truth, strict=True):
        found = along_path(measure, path, truth=true)
        assert found.to_truth is not None
        means.append(found.to_truth[free].mean())
        steps.append(found.steps)
    even = evenness(_stacked(steps, frames))
    return {"": _stacked(means), "_sum": even.total, "_deviation": even.deviation}


def distances_along(
    measure: PerceptualDistance, frames: torch.Tensor, ends: torch.Tensor
) -> dict[str, torch.Tensor]:
    """What a distance says of paths whose true frames are not known, [pairs] each, float64, by
    suffix of its name.

    "_sum", "_deviation", "_greatest": `evenness`; "_nearer_end": mean over the inner frames of the
    distance to the nearer of the two given pictures; "_ends": of the first and the last frame to
    these, the mean. `frames` [pairs, points, C, H, W] in [-1, 1], `ends` [pairs, 2, C, H, W].
    Raises DataError below three points.
    """
    if frames.shape[1] < 3:
        raise DataError(f"a path of {count(frames.shape[1], 'frame')} has no inner ones.")
    found = [
        along_path(measure, path, given.to(path)) for path, given in zip(frames, ends, strict=True)
    ]
    even = evenness(_stacked([one.steps for one in found], frames))
    return {
        "_sum": even.total,
        "_deviation": even.deviation,
        "_greatest": even.greatest,
        "_nearer_end": _stacked([one.to_ends[1:-1].amin(1).mean() for one in found]),
        "_ends": _stacked([_of_ends(one) for one in found]),
    }


def _stacked(rows: Sequence[torch.Tensor], frames: torch.Tensor | None = None) -> torch.Tensor:
    """One value a pair, [pairs] float64, or one for each step of the `frames`, [pairs, points - 1];
    also of no pairs.
    """
    if rows:
        return torch.stack(list(rows))
    return torch.zeros(0, *(() if frames is None else (frames.shape[1] - 1,)), dtype=torch.float64)


def _of_ends(found: Along) -> torch.Tensor:
    return (found.to_ends[0, 0] + found.to_ends[-1, 1]) / 2


def even_frames(
    measure: PerceptualDistance,
    path: torch.Tensor,
    frames: torch.Tensor,
    decode: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """The frames of `path` [pairs, points, *shape], moved along it to equal perceptual distances.

    `frames` [pairs, points, C, H, W]: those of `path` as it is; `decode(path, at)`: those of
    another, whose points lie at the fractions `at` [pairs, points] of the path. Decodes the path
    `EVENINGS` times.
    """
    points = path.shape[1]
    at = torch.linspace(0, 1, points, dtype=torch.float64).repeat(len(path), 1)
    # Distances do not add up along a segment, so once is not enough.
    for _ in range(EVENINGS):
        steps = measure.neighbours(frames.cpu())
        path = resample_by(path, steps, points)
        at = resample_by(at[:, :, None], steps, points)[:, :, 0]
        frames = decode(path, at)
    return frames
