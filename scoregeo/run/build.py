"""From a composed configuration to built objects."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from scoregeo._utils.device import device_of
from scoregeo._utils.errors import ConfigError, bad_value
from scoregeo._utils.memory import set_memory_limit
from scoregeo._utils.names import check_name
from scoregeo.dataset.picture_size import check_frames
from scoregeo.dataset.prompts import Prompts
from scoregeo.extrapolation.base import AbstractExtrapolation
from scoregeo.initializer.several import Initializer, SeveralInitializer, parts
from scoregeo.inversion.base import AbstractInversion
from scoregeo.metric.base import AbstractMetric
from scoregeo.run.experiment import Experiment
from scoregeo.run.groups import GROUPS, MAPPINGS, check_root
from scoregeo.run.instantiate import (
    PASSED,
    Config,
    check_keys,
    level_keys,
    make,
    make_score,
    option_name,
)
from scoregeo.run.settings import settings_of
from scoregeo.run.sweep_work import SweepWork
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.score.memo import MemoizedScore, ScoreMemory
from scoregeo.score.text_to_image import TextModel
from scoregeo.solver.base import AbstractSolver
from scoregeo.solver.parts import check_memory
from scoregeo.tracker.base import AbstractTracker
from scoregeo.tracker.guarded import GuardedTracker
from scoregeo.tracker.jsonl import JsonlTracker


def build(config: Config, work: SweepWork | None = None) -> Experiment:
    """The experiment of a resolved configuration, as plain dicts. `work`: what it shares with other
    jobs of a sweep.

    Cheap parts come first: every setting is checked before a model is loaded.
    Raises ConfigError, naming the key, for settings that cannot be used.
    """
    work = work or SweepWork()
    settings = settings_of(config)
    settings = replace(settings, device=device_of(settings.device))
    set_memory_limit(settings.memory_gib)
    check_nodes(config)
    dataset = make("dataset", config["dataset"])
    inversion: AbstractInversion = make("inversion", config["inversion"])
    initializer: Initializer = make("initializer", config["initializer"])
    solvers: dict[str, AbstractSolver] = {
        option_name(config["solver"]): make("solver", config["solver"])
    }
    for name, node in config["rivals"].items():
        if name not in solvers:
            solvers[name] = make("solver", node, where=f"rivals.{name}")
    baselines = {
        name: make("baseline", node, where=f"baseline.{name}")
        for name, node in config["baseline"].items()
    }
    extrapolations: dict[str, AbstractExtrapolation] = {
        name: make("extrapolation", node, where=f"extrapolation.{name}")
        for name, node in config["extrapolation"].items()
    }
    if extrapolations and config["rivals"]:
        raise bad_value(
            "rivals",
            list(config["rivals"]),
            "empty where extrapolation is not: one solver makes the geodesics",
        )
    trackers = trackers_of(config)
    for name, solver in solvers.items():
        _of_kind(
            AbstractSolver, "solver" if name not in config["rivals"] else f"rivals.{name}", solver
        )
    if settings.evaluation.departure and any(one.num_points < 3 for one in solvers.values()):
        raise bad_value(
            "evaluation.departure", True, "false for paths of two points (solver.num_points = 2)"
        )
    made_metric = _of_kind(AbstractMetric, "metric", make("metric", config["metric"], field=None))
    _check_metric(made_metric, solvers, extrapolations)

    made = make_score(config["score"], dataset=dataset, seed=settings.seed)
    text_model = made.to(settings.device) if isinstance(made, TextModel) else None
    if text_model is not None and extrapolations:
        raise bad_value(
            "extrapolation",
            list(extrapolations),
            "empty for a text-to-image model: no true continuation is known",
        )
    if text_model is not None:
        dataset = dataset.sized(text_model.model.size_like(dataset.ratio))
        sides = (dataset.shape[1], dataset.shape[2])
        for solver in solvers.values():
            check_frames("solver.num_points", solver.num_points, sides, size="dataset.size")
    if isinstance(dataset, Prompts) and text_model is not None:
        dataset = dataset.painted_by(text_model.paint)
    if settings.evaluation.decode and len(dataset.shape) == 3:
        for solver in solvers.values():
            if solver.num_points < 3:
                allowed = "at least 3 for pictures, whose inner frames are measured"
                raise bad_value("solver.num_points", solver.num_points, allowed)
    field = made if text_model is None else text_model.field()
    if not isinstance(field, ScoreField):
        raise ConfigError(
            f"score ({config['score']['_target_']}) returned {type(field).__name__}: a score must"
            " be an AbstractScore, or a function that returns a ScoreField."
        )
    if text_model is None and field.shape != dataset.shape:
        raise ConfigError(
            f"score ({config['score']['_target_']}) takes points of shape {field.shape}, "
            f"those of dataset = {option_name(config['dataset'])!r} have {dataset.shape}."
        )
    if settings.device == "mps":
        if text_model is None:
            raise bad_value(
                "device", "mps", "'cpu' or 'cuda' where the score is no text-to-image model's"
            )
        settings = replace(settings, device="cpu")  # of points: Apple's GPU has no float64
    if text_model is None:
        methods = {f"baseline.{name}": one for name, one in baselines.items()}
        several = isinstance(initializer, SeveralInitializer)
        place = "initializer.starts." if several else ""
        methods |= {
            f"{place}{name}": one for name, one in parts("initializer", initializer).items()
        }
        for place, method in methods.items():
            if hasattr(method, "num_references"):
                dataset.check_count(f"{place}.num_references", method.num_references)
        move(field.score, settings.device)
        field = replace(field, score=CountingScore(MemoizedScore(field.score, ScoreMemory())))
        field = work.field(field)
    metric_of = partial(_metric_of, config["metric"])
    metric = metric_of(field)
    check_name("the metric's name", metric.name)
    initializer.check(metric)
    for solver in solvers.values():
        check_memory(solver, math.prod(field.shape))
    return Experiment(
        settings=settings,
        dataset=dataset,
        field=field,
        inversion=inversion,
        initializer=initializer,
        initializer_name=option_name(config["initializer"]),
        metric=metric,
        solvers=solvers,
        baselines=baselines,
        extrapolations=extrapolations,
        trackers=trackers,
        metric_of=metric_of,
        text_model=text_model,
        work=work,
    )


def trackers_of(config: Config) -> list[AbstractTracker]:
    """Those asked for, and a local log in any case; none can fail the run (`GuardedTracker`). A
    shard has the log alone: results are reported when all shards are merged.
    """
    found: list[AbstractTracker] = [
        _of_kind(AbstractTracker, f"tracker.{name}", make("tracker", node, where=f"tracker.{name}"))
        for name, node in config["tracker"].items()
    ]
    if not any(isinstance(tracker, JsonlTracker) for tracker in found):
        found.insert(0, JsonlTracker())
    return [
        GuardedTracker(tracker)
        for tracker in found
        if config["shard"] is None or isinstance(tracker, JsonlTracker)
    ]


def _of_kind(kind: type, where: str, made: Any) -> Any:
    """`made` itself. Raises ConfigError where the target at `where` gave something else."""
    if not isinstance(made, kind):
        raise ConfigError(
            f"{where}._target_ gave {type(made).__name__}: it must give an {kind.__name__}."
        )
    return made


def _metric_of(node: Config, field: ScoreField) -> AbstractMetric:
    metric: AbstractMetric = make("metric", node, field=field)
    return metric


def check_nodes(config: Config) -> None:
    """Raise ConfigError for a key that its option's target does not take, or that the configuration
    does not have.
    """
    check_root(config)
    for group in (*GROUPS, *MAPPINGS):
        check_group(group, config[group])


def check_group(group: str, node: Config) -> None:
    """The part of `check_nodes` that is of one group: its option, or its options by name."""
    if group in MAPPINGS:
        for name, inner in node.items():
            check_keys(f"{group}.{name}", inner, ())
        return
    also = level_keys(node["_target_"], group) if group == "score" else ()
    check_keys(group, node, PASSED.get(group, ()), also)


def move(score: AbstractScore, device: str) -> None:
    """Move a score's tensors and networks, which it holds as plain attributes, to `device`."""
    for name, value in vars(score).items():
        if isinstance(value, (torch.Tensor, torch.nn.Module)):
            setattr(score, name, value.to(device))
        elif isinstance(value, AbstractScore):
            move(value, device)


def _check_metric(
    metric: AbstractMetric,
    solvers: Mapping[str, AbstractSolver],
    extrapolations: Mapping[str, AbstractExtrapolation],
) -> None:
    for number, (name, solver) in enumerate(solvers.items()):
        try:
            solver.check(metric)
        except ConfigError as error:
            if number == 0:
                raise
            raise ConfigError(
                f"rivals.{name}: {error} rivals.{name}=null leaves it out."
            ) from error
    for extrapolation in extrapolations.values():
        extrapolation.check(metric)
