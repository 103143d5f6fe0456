"""What is measured, and on how much. Imports no torch."""

from dataclasses import dataclass, field

from scoregeo._utils.errors import bad_value, check_choice, check_number

_MOST_SUBNODES = 1024  # whose weights are a square matrix
_MOST_SUBSETS = 10_000  # of KID, half a minute of them a method
METRICS = ("stein", "pullback", "conformal", "euclidean")  # of `evaluation.metrics`


@dataclass
class EvaluationSettings:
    """What is measured, and on how much.

    Attributes:
        decode: decode noisy paths to clean frames before comparing them with the truth.
        certify_subnodes: sub-nodes of a segment on which all methods' energies are measured alike;
            finer than the solver's; at most 1024.
        network: feature network of FID and KID, "digit_classifier", "inception" or
            "efficientnet_lite0"; null leaves both out.
        metrics: further metrics, "stein", "pullback", "conformal" or "euclidean", in which every
            path's energy and length are measured, on the quadrature of `certify_subnodes`. The
            run's own keeps its parameters, others have their defaults. What that costs in score
            evaluations has a column of its own.
        departure: whether to measure how far each path departs from its chord, and along what;
            costs one score evaluation an inner point, not counted in any row.
        lpips: backbone of LPIPS, "alex", "vgg" or "squeeze"; null leaves LPIPS out.
        feature_distance: whether picture paths without a known truth also get the distance on
            EfficientNet-Lite0's features.
        even_frames: whether frames of picture paths are moved along their path to equal perceptual
            distances (LPIPS, or else the feature distance), by decoding three times; measures of
            frames are then of these.
        download: whether backbones may be fetched.
        reference_frames, kid_subset_size, kid_subsets (at most 10,000): of FID and KID.
        extra: modules of one's own that declare measures (`scoregeo.evaluation.measure`).
        saved_pairs: pairs of each group whose frames are written as pictures. figures: whether any
            picture is.
    """

    decode: bool = True
    certify_subnodes: int = 8
    network: str | None = "digit_classifier"
    metrics: list[str] = field(default_factory=list)
    departure: bool = False
    lpips: str | None = "alex"
    feature_distance: bool = False
    even_frames: bool = False
    download: bool = True
    reference_frames: int = 2000
    kid_subset_size: int = 100
    kid_subsets: int = 100
    extra: list[str] = field(default_factory=list)
    saved_pairs: int = 2
    figures: bool = True

    def check(self) -> None:
        """Raise ConfigError for a value out of range."""
        for name, most in (("certify_subnodes", _MOST_SUBNODES), ("kid_subsets", _MOST_SUBSETS)):
            value = getattr(self, name)
            check_number(f"evaluation.{name}", value, at_least=1, at_most=most, integer=True)
        for name in ("reference_frames", "kid_subset_size"):
            check_number(f"evaluation.{name}", getattr(self, name), at_least=2, integer=True)
        check_number("evaluation.saved_pairs", self.saved_pairs, at_least=0, integer=True)
        check_choice(
            "evaluation.network",
            self.network,
            ("digit_classifier", "inception", "efficientnet_lite0", None),
        )
        for name in ("departure", "feature_distance", "even_frames"):
            check_choice(f"evaluation.{name}", getattr(self, name), (True, False))
        if not isinstance(self.metrics, (list, tuple)) or any(
            one in self.metrics[:i] for i, one in enumerate(self.metrics)
        ):
            raise bad_value(
                "evaluation.metrics",
                self.metrics,
                f"a list without repetitions of {', '.join(METRICS)}",
            )
        for i, name in enumerate(self.metrics):
            check_choice(f"evaluation.metrics[{i}]", name, METRICS)
        if not isinstance(self.extra, (list, tuple)) or not all(
            isinstance(name, str) and name for name in self.extra
        ):
            raise bad_value("evaluation.extra", self.extra, "a list of names of modules")
        check_choice("evaluation.lpips", self.lpips, ("alex", "vgg", "squeeze", None))
