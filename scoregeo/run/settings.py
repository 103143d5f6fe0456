"""The root of the configuration. Imports no torch: the command line must answer at once."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from scoregeo._utils.device import check_device_name
from scoregeo._utils.errors import bad_value, check_length, check_number
from scoregeo._utils.memory import DEFAULT_GIB
from scoregeo._utils.names import check_name
from scoregeo._utils.part import Part, part_of
from scoregeo.evaluation.columns import COLUMNS
from scoregeo.evaluation.registry import load
from scoregeo.evaluation.settings import EvaluationSettings
from scoregeo.report.page_settings import PageSettings

_MOST_THREADS = 4096  # torch reserves memory for each
REACH = (0.25, 0.5, 1.0)


class Profile(Enum):
    """The two sizes of an experiment: the one that `make reproduce-paper` runs by default, and the
    paper's.
    """

    quick = "quick"
    full = "full"


@dataclass
class Settings:
    """The root of the configuration: scalars here, one node for each group.

    Attributes:
        name: of the experiment; names its folder.
        seed: everything random follows from it.
        device: "cpu", "cuda", of several GPUs "cuda:1", "mps" (Apple's GPU: a text-to-image
            model's networks run there, the rest on the processor), or "auto", the first of CUDA,
            Apple's GPU and the processor that is there.
        threads: of torch; 0 leaves torch's choice.
        memory_gib: GiB that the tensors of solves, graphs and measures may take: pairs and edges
            that do not fit are computed one batch after another. Libraries and a model come on top.
        profile: which of two counts is taken where a configuration has both, as
            `${quick_or_full:8,64}`.
        output: folder of all runs. overwrite: compute anew in a folder that holds results.
        results: folder that the pages of a multirun are written to; null: the multirun's own.
        page: title, question and measures of the page.
        runner: a function of one's own, by `_target_`, in place of the runner: called with the
            run's folder and its settings, it writes `NAME.md` and `NAME.csv` there, or what the
            study's `page.writer` reads. What it lists as `models` are shipped models that it reads.
        rivals: further solvers on the same pairs and starts, by name.
        extrapolation: where it names methods, the run continues the solver's geodesics past their
            second ends by these, instead of comparing paths between the ends: baselines have no
                row, and rivals are refused.
        reach: how far, as shares of the geodesic's length; each above 0, each with its own rows.
        shards: jobs that the run's pairs are divided among. shard: which of them this is, from 0;
            null, with several shards, merges them (`scoregeo.run.shards`).
    """

    name: str = "custom"
    seed: int = 0
    device: str = "cpu"
    threads: int = 0
    memory_gib: float = DEFAULT_GIB
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
    memory_gib: float = DEFAULT_GIB
    shards: int = 1
    shard: int | None = None

    def __post_init__(self) -> None:
        check_shards(self.shards, self.shard)
        check_number("seed", self.seed, at_least=0, integer=True)
        check_number("threads", self.threads, at_least=0, at_most=_MOST_THREADS, integer=True)
        check_number("memory_gib", self.memory_gib, above=0.0)
        check_device_name(self.device)
        if (
            not isinstance(self.reach, (list, tuple))
            or len(self.reach) == 0
            or any(one in self.reach[:i] for i, one in enumerate(self.reach))
        ):
            raise bad_value(
                "reach",
                self.reach,
                "a list of one or more numbers above 0 without repetitions, such as [0.5, 1.0]",
            )
        for i, reach in enumerate(self.reach):
            check_length(f"reach[{i}]", reach)
        self.evaluation.check()

    def part(self, pairs: int) -> Part:
        """Which of the run's `pairs` are computed. Raises ConfigError where there are fewer pairs
        than shards.
        """
        return part_of(pairs, self.shard, self.shards)


def settings_of(config: Mapping[str, Any]) -> RunSettings:
    """The checked scalars of a resolved configuration; imports the measures of one's own. Raises
    ConfigError, naming the key, for one that cannot be used.
    """
    settings = check_scalars(config)
    load(settings.evaluation.extra)
    check_measures(config)
    return settings


def check_scalars(config: Mapping[str, Any]) -> RunSettings:
    """`settings_of` without the measures: imports nothing."""
    check_place(config)
    return RunSettings(
        name=config["name"],
        seed=config["seed"],
        device=config["device"],
        threads=config["threads"],
        evaluation=_evaluation(config["evaluation"]),
        reach=config["reach"],
        memory_gib=config["memory_gib"],
        shards=config["shards"],
        shard=config["shard"],
    )


def _evaluation(given: Any) -> EvaluationSettings:
    known = [item.name for item in fields(EvaluationSettings)]
    if not isinstance(given, Mapping) or not set(given) <= set(known):
        raise bad_value(
            "evaluation", given, f"settings by their keys, which are {', '.join(known)}"
        )
    return EvaluationSettings(**given)


def check_measures(config: Mapping[str, Any]) -> None:
    """Raise ConfigError for a measure of the page that is none: it would be passed over. Those of a
    runner of one's own are not known.
    """
    page = config["page"]
    named = page.get("measures") if isinstance(page, Mapping) else None
    for name in named if isinstance(named, list) and config["runner"] is None else ():
        if name not in COLUMNS:
            near = difflib.get_close_matches(str(name), COLUMNS, 3) or list(COLUMNS)
            raise bad_value("page.measures", name, f"measures, such as {', '.join(near)}")


def check_place(config: Mapping[str, Any]) -> None:
    """Raise ConfigError where `output` and `name` do not name the folder of a run, and where a run
    is to be divided that a runner of one's own computes.
    """
    if not isinstance(config["output"], str) or not config["output"].strip():
        raise bad_value("output", config["output"], "the folder of all runs, such as 'outputs'")
    check_name("name", config["name"])
    shards = config["shards"]
    if config["runner"] is not None and isinstance(shards, int) and shards > 1:
        raise bad_value("shards", shards, "1 where the experiment has a runner of its own")


def check_shards(shards: Any, shard: Any) -> None:
    """Raise ConfigError for fewer than one shard, and for a shard that is none of them."""
    check_number("shards", shards, at_least=1, integer=True)
    if shard is None:
        return
    if shards == 1:
        raise bad_value("shard", shard, "null where shards = 1: one job computes all pairs")
    check_number("shard", shard, at_least=0, at_most=shards - 1, integer=True)
