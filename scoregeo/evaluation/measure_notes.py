"""What a reader of a run's tables must know of its measures: networks, counts, scales and biases, a
line each.
"""

from collections.abc import Sequence

from scoregeo.evaluation.feature_network import FeatureNetwork
from scoregeo.evaluation.networks import Networks
from scoregeo.evaluation.precision_recall import NEIGHBOURS
from scoregeo.evaluation.settings import EvaluationSettings
from scoregeo.evaluation.statistics import NotAvailable

TWO_TRUTHS = (
    "Where two true paths are equally long (half a turn, either way round), each path is compared"
    " with the nearer."
)


def measure_notes(
    settings: EvaluationSettings,
    networks: Networks,
    num_points: Sequence[int],
    reference_frames: int,
    truth_known: bool,
    metrics: Sequence[str],
) -> list[str]:
    """Notes for the measures that the settings ask for.

    `num_points`: the numbers of points of the methods' paths, in order; `reference_frames`: images
    that FID and KID compare with; `metrics`: descriptions of those of `evaluation.metrics`.
    """
    frames = f"{num_points[0]}" if len(num_points) == 1 else f"{num_points[0]} to {num_points[-1]}"
    found = [
        "Straightness is chord over length of the clean path, variation of speed the standard"
        f" deviation of its segments' lengths over their mean: Euclidean, of {frames} points."
    ]
    if isinstance(networks.features, FeatureNetwork):
        found.append(
            f"FID, KID, precision, recall: features of {networks.features.description}, inner"
            f" frames of all pairs against {reference_frames} images that no method has seen."
            " Beside each FID stand both counts: FID of few frames is biased upwards, the more the"
            " fewer they are, so only rows with equal counts compare, and none with other papers'."
            f" KID, which is not biased, is the mean over {settings.kid_subsets} random subsets of"
            f" {settings.kid_subset_size} images; beside it the deviation between subsets."
            f" Precision and recall go by the distance to the {NEIGHBOURS} nearest neighbours."
            f" Intervals of FID, KID and recall are of {settings.fid_resamples} resamples of pairs,"
            " all frames of a pair together."
        )
        if networks.features.head is not None:
            found.append(
                "The classifier's confidence is its greatest class probability, mean of inner"
                " frames: how sure it is, not whether it is right."
            )
    if settings.departure:
        found.append(
            "The greatest departure is the part of a path's way across the chord of its ends, where"
            " the metric is met, over the chord; the shares are of its square, summed over inner"
            " points, along the score at the chord and along the true path's departure. A direction"
            " without relation to it has a share of one in the number of pixels."
        )
    named = {"LPIPS (PPL, PDV)": networks.lpips, "Feature distance": networks.feature_distance}
    for name, distance in named.items():
        if distance is None or isinstance(distance, NotAvailable):
            continue
        to = "to the truth, mean of inner frames; " if truth_known else ""
        found.append(
            f"{name}: {distance.description}; {to}sum and standard deviation over the distances"
            f" between neighbours of {frames} frames, not scaled: both depend on the number of"
            " frames."
        )
    if metrics:
        found.append(
            f"Energy and length in further metrics: {'; '.join(metrics)}, on"
            f" {settings.certify_subnodes} parts a segment."
        )
    return found
