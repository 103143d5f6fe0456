"""The scalars of a run and where the configs are. Imports no torch: the command line must answer at once."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from scoregeo.core.errors import bad_value, check_choice, check_number
from scoregeo.core.part import Part, part_of

METRICS = ("stein", "pullback", "conformal", "euclidean")  # of `evaluation.metrics`
DEVICES = ("cpu", "cuda")
REACH = (0.25, 0.5, 1.0)
# What says where results go, how they are told and in which parts they are computed, not what they are.
_NOT_HASHED = ("output", "overwrite", "results", "profile", "page", "shards", "shard")


class Profile(Enum):
    """The two sizes of an experiment: the one that `make reproduce-paper` runs by default, and the paper's."""

    quick = "quick"
    full = "full"


@dataclass
class PageSettings:
    """What the page of an experiment or a study says beside its numbers.

    Attributes:
        title: its heading. question: what the page answers, in a sentence.
        measures: columns of its table that come first; of a study's table the few others are those that every page has.
        key: of a study whose rows are named cases: the heading of the column that holds their names.
        case: the name of this job's case; null where the swept values name the rows.
        figure: of a study: whether its measures are drawn against the swept values.
        writer: of a study whose jobs have runners of their own: the function, as `package.module.function`, that is called with
            the study (`scoregeo.report.result_page.Study`) and the folder that it writes `NAME.md` and `NAME.csv` to.
    """

    title: str = ""
    question: str = ""
    measures: list[str] = field(default_factory=list)
    key: str | None = None
    case: str | None = None
    figure: bool = True
    writer: str | None = None


@dataclass
class EvaluationSettings:
    """What is measured, and on how much.

    Attributes:
        decode: decode noisy paths to clean frames before comparing them with the truth.
        certify_subnodes: parts of a segment on which all methods' energies are measured alike; finer than the solver's.
        bootstrap: resamples of the 95 % intervals of means. fid_resamples: likewise for FID and KID.
        network: feature network of FID and KID, "digit_classifier", "inception" or "efficientnet_lite0";
            null leaves both out.
        metrics: further metrics, "stein", "pullback", "conformal" or "euclidean", in which every path's energy and length are
            measured, on the quadrature of `certify_subnodes`. The run's own keeps its parameters, others have their defaults.
            What that costs in score evaluations has a column of its own.
        departure: whether to measure how far each path departs from its chord, and along what; costs one score evaluation an
            inner point, not counted in any row.
        lpips: backbone of LPIPS, "alex", "vgg" or "squeeze"; null leaves LPIPS out.
        feature_distance: whether picture paths without a known truth also get the distance on EfficientNet-Lite0's features.
        even_frames: whether frames of picture paths are moved along their path to equal perceptual distances (LPIPS, or else the
            feature distance), by decoding three times; measures of frames are then of these.
        download: whether backbones may be fetched.
        reference_frames, kid_subset_size, kid_subsets: of FID and KID.
        saved_pairs: pairs of each group whose frames are written as pictures. figures: whether any picture is.
    """

    decode: bool = True
    certify_subnodes: int = 8
    bootstrap: int = 9999
    fid_resamples: int = 100
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
    saved_pairs: int = 2
    figures: bool = True

    def check(self) -> None:
        """Raise ConfigError for a value out of range."""
        for name in ("certify_subnodes", "bootstrap", "kid_subsets"):
            check_number(f"evaluation.{name}", getattr(self, name), at_least=1, integer=True)
        for name in ("fid_resamples", "reference_frames", "kid_subset_size"):
            check_number(f"evaluation.{name}", getattr(self, name), at_least=2, integer=True)
        check_number("evaluation.saved_pairs", self.saved_pairs, at_least=0, integer=True)
        check_choice("evaluation.network", self.network, ("digit_classifier", "inception", "efficientnet_lite0", None))
        for name in ("departure", "feature_distance", "even_frames"):
            check_choice(f"evaluation.{name}", getattr(self, name), (True, False))
        if not isinstance(self.metrics, (list, tuple)) or len(set(self.metrics)) < len(self.metrics):
            raise bad_value("evaluation.metrics", self.metrics, f"a list without repetitions of {', '.join(METRICS)}")
        for i, name in enumerate(self.metrics):
            check_choice(f"evaluation.metrics[{i}]", name, METRICS)
        check_choice("evaluation.lpips", self.lpips, ("alex", "vgg", "squeeze", None))


@dataclass
class Settings:
    """The root of the configuration: scalars here, one node for each group.

    Attributes:
        name: of the experiment; names its folder.
        seed: everything random follows from it.
        device: "cpu" or "cuda". threads: of torch; 0 leaves torch's choice.
        profile: which of two counts is taken where a configuration has both, as `${quick_or_full:8,64}`.
        output: folder of all runs. overwrite: compute anew in a folder that holds results.
        results: folder that the pages of a multirun are written to; null: the multirun's own.
        page: title, question and measures of the page.
        runner: a function of one's own, by `_target_`, in place of the runner: called with the run's folder and its settings,
            it writes `NAME.md` and `NAME.csv` there, or what the study's `page.writer` reads. What it lists as `models` are
            shipped models that it reads.
        rivals: further solvers on the same pairs and starts, by name.
        extrapolation: where it names methods, the run continues the solver's geodesics past their second ends by these, instead
            of comparing paths between the ends: baselines have no row, and rivals are refused.
        reach: how far, as shares of the geodesic's length; each above 0, each with its own rows.
        shards: jobs that the run's pairs are divided among. shard: which of them this is, from 0; null, with several shards,
            merges them (`scoregeo.shards`).
    """

    name: str = "custom"
    seed: int = 0
    device: str = "cpu"
    threads: int = 0
    profile: Profile = Profile.quick
    output: str = "outputs"
    overwrite: bool = False
    results: str | None = None
    page: PageSettings = field(default_factory=PageSettings)
    runner: Any = None
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    dataset: Any = None
    score: Any = None
    inversion: Any = None
    initializer: Any = None
    metric: Any = None
    solver: Any = None
    rivals: Any = field(default_factory=dict)
    baseline: Any = field(default_factory=dict)
    extrapolation: Any = field(default_factory=dict)
    reach: Any = field(default_factory=lambda: list(REACH))
    shards: int = 1
    shard: int | None = None
    tracker: Any = field(default_factory=dict)


@dataclass(frozen=True)
class RunSettings:
    """The checked scalars a run needs, plain."""

    name: str
    seed: int
    device: str
    threads: int
    evaluation: EvaluationSettings
    reach: Sequence[float] = REACH
    shards: int = 1
    shard: int | None = None

    def __post_init__(self) -> None:
        check_shards(self.shards, self.shard)
        check_number("seed", self.seed, at_least=0, integer=True)
        check_number("threads", self.threads, at_least=0, integer=True)
        check_choice("device", self.device, DEVICES)
        if not isinstance(self.reach, (list, tuple)) or len(self.reach) == 0 or len(set(self.reach)) < len(self.reach):
            raise bad_value("reach", self.reach, "a list of one or more numbers above 0 without repetitions, such as [0.5, 1.0]")
        for i, reach in enumerate(self.reach):
            check_number(f"reach[{i}]", reach, above=0.0)
        self.evaluation.check()

    def part(self, pairs: int) -> Part:
        """Which of the run's `pairs` are computed. Raises ConfigError where there are fewer pairs than shards."""
        return part_of(pairs, self.shard, self.shards)


def check_shards(shards: Any, shard: Any) -> None:
    """Raise ConfigError for fewer than one shard, and for a shard that is none of them."""
    check_number("shards", shards, at_least=1, integer=True)
    if shard is None:
        return
    if shards == 1:
        raise bad_value("shard", shard, "null where shards = 1: one job computes all pairs")
    check_number("shard", shard, at_least=0, at_most=shards - 1, integer=True)


def config_dir() -> Path:
    """The folder of the configs: inside an installed package, at the top of a clone."""
    package = Path(__file__).parent
    inside = package / "configs"
    return inside if (inside / "config.yaml").is_file() else package.parent / "configs"


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved configuration that says what is computed."""
    return {key: value for key, value in config.items() if key not in (*_NOT_HASHED, "hydra")}


def config_hash(config: Mapping[str, Any]) -> str:
    """Ten hexadecimal digits of a resolved configuration's identity."""
    return digest(json.dumps(identity(config), sort_keys=True, default=str))


def digest(text: str) -> str:
    """Ten hexadecimal digits of the SHA-256 of `text`."""
    return hashlib.sha256(text.encode()).hexdigest()[:10]
