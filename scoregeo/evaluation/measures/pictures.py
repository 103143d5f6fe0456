"""Paths of images: likeness to the true ones where they are known; else how even they are, and how
well they keep their ends.
"""

from typing import TYPE_CHECKING

from scoregeo.evaluation.registry import HIGHER, LOWER, Column, measure

if TYPE_CHECKING:
    from scoregeo.evaluation.path_batch import Context, PathBatch, Values
    from scoregeo.evaluation.perceptual import PerceptualDistance
    from scoregeo.evaluation.statistics import NotAvailable

PDV = (
    " DiffMorpher's PDV is the variance of these distances, the square of each path's deviation, at"
    " 512 x 512 pixels: `scoregeo score` has it."
)
TWO_TRUTHS = (
    "Where two true paths are equally long (half a turn, in either direction), each path is"
    " compared with the nearer."
)


@measure(
    {
        "psnr": Column("PSNR (dB)", HIGHER),
        "psnr_end": Column("PSNR of the last frame (dB)", HIGHER),
        "ssim": Column("SSIM", HIGHER),
        "ssim_end": Column("SSIM of the last frame", HIGHER),
    },
    needs=("is_image",),
    note=lambda context: TWO_TRUTHS if context.two_truths else None,
)
def likeness(batch: "PathBatch") -> "Values":
    """PSNR and SSIM to the true frames, mean over inner ones and the last where it is not given;
    then of that alone as well.
    """
    from scoregeo.evaluation.image import inner_frame_psnr, inner_frame_ssim, psnr, ssim
    from scoregeo.evaluation.statistics import NOT_DECODED

    if batch.is_truth:
        return {}
    if batch.frames is None:
        return {"psnr": NOT_DECODED, "ssim": NOT_DECODED}
    frames, truth = batch.frames, batch.truth
    if truth is None:
        return {}
    found: Values = {
        "psnr": inner_frame_psnr(frames, truth, with_last=batch.end_free),
        "ssim": inner_frame_ssim(frames, truth, with_last=batch.end_free),
    }
    if batch.end_free:
        found["psnr_end"] = psnr(frames[:, -1], truth[:, -1])
        found["ssim_end"] = ssim(frames[:, -1], truth[:, -1])
    return found


def _distance_note(
    title: str,
    distance: "PerceptualDistance | NotAvailable | None",
    context: "Context",
    more: str = "",
) -> str | None:
    from scoregeo.evaluation.statistics import NotAvailable

    if distance is None or isinstance(distance, NotAvailable):
        return None
    points = context.num_points
    frames = f"{points[0]}" if len(points) == 1 else f"{points[0]} to {points[-1]}"
    to = f"to the truth, mean of {context.frames_compared}; " if context.truth_known else ""
    return (
        f"{title}: {distance.description}; {to}sum and standard deviation over the distances"
        f" between neighbours of {frames} frames, not scaled: both depend on the number of frames."
        f"{more}"
    )


@measure(
    {
        "lpips": Column("LPIPS", LOWER),
        "lpips_sum": Column("PPL: sum of LPIPS between neighbours", LOWER, True),
        "lpips_deviation": Column("standard deviation of LPIPS between neighbours", LOWER, True),
        "lpips_greatest": Column("greatest LPIPS between neighbours", LOWER, True),
        "lpips_nearer_end": Column("LPIPS to the nearer end"),  # 0 for a path that is only its ends
        "lpips_ends": Column("LPIPS of the decoded ends", LOWER),
    },
    needs=("is_image",),
    note=lambda context: _distance_note("LPIPS", context.networks.lpips, context, PDV),
)
def lpips(batch: "PathBatch") -> "Values":
    """LPIPS, `evaluation.lpips`."""
    return _perceptual("lpips", batch.networks.lpips, batch)


@measure(
    {
        "feature": Column("feature distance", LOWER),
        "feature_sum": Column("sum of feature distances between neighbours", LOWER, True),
        "feature_deviation": Column(
            "standard deviation of feature distances between neighbours", LOWER, True
        ),
        "feature_greatest": Column("greatest feature distance between neighbours", LOWER, True),
        "feature_nearer_end": Column("feature distance to the nearer end"),
        "feature_ends": Column("feature distance of the decoded ends", LOWER),
    },
    needs=("is_image",),
    note=lambda context: _distance_note(
        "Feature distance", context.networks.feature_distance, context
    ),
)
def feature(batch: "PathBatch") -> "Values":
    """The distance on EfficientNet-Lite0's features, `evaluation.feature_distance`."""
    return _perceptual("feature", batch.networks.feature_distance, batch)


@measure(
    {"psnr_ends": Column("PSNR of the decoded ends (dB)", HIGHER)}, needs=("is_image", "frames")
)
def psnr_ends(batch: "PathBatch") -> "Values":
    """PSNR of a path's ends to the given pictures, where the truth between them is not known."""
    from scoregeo.evaluation.picture_path import end_psnr

    if batch.is_truth or batch.truth is not None:
        return {}
    assert batch.frames is not None
    return {"psnr_ends": end_psnr(batch.frames, batch.ends)}


def _perceptual(
    name: str, distance: "PerceptualDistance | NotAvailable | None", batch: "PathBatch"
) -> "Values":
    """To the truth, and between neighbours; without a known truth, to the ends."""
    from scoregeo.evaluation.picture_path import distances_along, distances_to_truth
    from scoregeo.evaluation.statistics import NOT_DECODED, NotAvailable

    if distance is None or batch.is_truth:
        return {}
    if batch.frames is None:
        return {name: NOT_DECODED}
    truth = batch.truth
    if isinstance(distance, NotAvailable):
        known = ("", "_sum", "_deviation")
        unknown = ("_sum", "_deviation", "_greatest", "_nearer_end", "_ends")
        return {f"{name}{what}": distance for what in (unknown if truth is None else known)}
    found = (
        distances_along(distance, batch.frames, batch.ends)
        if truth is None
        else distances_to_truth(distance, batch.frames, truth, with_last=batch.end_free)
    )
    return {f"{name}{what}": values for what, values in found.items()}
