"""Measures of all of a method's frames together, against images that no method has seen."""

from typing import TYPE_CHECKING

from scoregeo.evaluation.registry import HIGHER, LOWER, Column, set_measure

if TYPE_CHECKING:
    from scoregeo.evaluation.path_batch import Context
    from scoregeo.evaluation.set_measures import FrameSets, SetMeasures


def _note(context: "Context") -> str | None:
    from scoregeo.evaluation.feature_network import FeatureNetwork
    from scoregeo.evaluation.precision_recall import NEIGHBOURS

    network, settings = context.networks.features, context.settings
    if not isinstance(network, FeatureNetwork):
        return None
    return (
        f"FID, KID, precision, recall: features of {network.description}, inner"
        f" frames of all pairs against {context.references} images that no method has seen."
        " Beside each FID stand both counts: FID of few frames is biased upwards, the more the"
        " fewer they are, so only rows with equal counts compare, and none with other papers'. The"
        f" covariance of the references has rank {context.references - 1} at most and is singular"
        " where the features are more."
        f" KID is the mean over {settings.kid_subsets} random subsets of"
        f" {settings.kid_subset_size} images; beside it the deviation between subsets. KID has no"
        " interval of fewer than six pairs, which would cover too rarely. It is"
        " unbiased for independent images. Frames of one pair resemble each other, which raises KID"
        " and FID the more, the fewer the pairs and the more alike a method's frames of one pair"
        f" are. Precision and recall go by the distance to the {NEIGHBOURS} nearest neighbours."
        " Recall is shown and not compared: the nearest frames are mostly of the same pair, so it"
        " follows a path's steps more than what it covers."
        " Intervals of FID, KID and recall and tests of FID and KID go by the jackknife over pairs,"
        " all frames of a pair together. At p < 0.05 two methods of equal distribution on 6 to 24"
        " simulated pairs differ in 1 to 6 % (FID) and 0 to 5 % (KID) of cases, least where their"
        " distribution is the reference's; methods a quarter of a deviation apart on 10 pairs in"
        " 73 and 58 %."
    )


@set_measure(
    {
        "fid": Column("FID", LOWER, True),
        "kid": Column("KID", LOWER),
        "precision": Column("precision", HIGHER),
        "recall": Column("recall"),
    },
    note=_note,
)
def distribution(sets: "FrameSets") -> "SetMeasures":
    """FID, KID, precision and recall."""
    from scoregeo.evaluation.set_measures import distribution_measures

    return distribution_measures(sets)


def _confidence_note(context: "Context") -> str | None:
    if getattr(context.networks.features, "head", None) is None:
        return None
    return (
        "The classifier's confidence is its greatest class probability, mean of inner"
        " frames: how sure it is, not whether it is right."
    )


@set_measure({"confidence": Column("classifier's confidence", HIGHER)}, note=_confidence_note)
def confidence(sets: "FrameSets") -> "SetMeasures":
    """How sure the feature network's classifier is, where it has one."""
    from scoregeo.evaluation.set_measures import SetMeasures

    sure = sets.frames.confidence
    return SetMeasures(rows={} if sure is None else {"confidence": sure})
