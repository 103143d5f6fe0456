"""Several starts of one problem, and multi-start solving from them in one call."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch

from scoregeo._utils.errors import ConfigError, ScoreError, bad_value, check_function
from scoregeo.initializer.base import AbstractInitializer, References, Starter
from scoregeo.initializer.continued import ContinuedInitializer
from scoregeo.initializer.graph import GraphInitializer
from scoregeo.initializer.high_noise import HighNoiseInitializer
from scoregeo.initializer.lerp import LerpInitializer
from scoregeo.initializer.modes import ModesInitializer
from scoregeo.initializer.perturbed import PerturbedInitializer
from scoregeo.initializer.slerp import SlerpInitializer
from scoregeo.metric.base import AbstractMetric
from scoregeo.score.base import CountingScore
from scoregeo.solver.base import AbstractSolver, Solution, Step
from scoregeo.solver.multistart import solve_multistart

log = logging.getLogger(__name__)

# The names of configs/initializer, for starts named in Python.
NAMED: dict[str, Callable[[], AbstractInitializer]] = {
    "lerp": LerpInitializer,
    "slerp": SlerpInitializer,
    "perturbed": PerturbedInitializer,
    "modes": ModesInitializer,
    "graph": GraphInitializer,
    "continued": ContinuedInitializer,
    "high_noise": HighNoiseInitializer,
}


@dataclass(frozen=True)
class SeveralInitializer:
    """Initializers by name, each of which gives every pair a start; costs the sum of theirs, and so
    many times the solver's work.

    It is no initializer itself, for it gives a pair more than one path: `parts` gives its
    initializers, `solve_multistart` chooses.

    Attributes:
        starts: the initializers.
        finish: a solver that solves on from each pair's best two, as many points as the run's
            solver has, whatever its own `num_points`; None: the run's solver has the last word.
    """

    starts: Mapping[str, AbstractInitializer]
    finish: AbstractSolver | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.starts, Mapping) or not self.starts:
            raise ConfigError(
                f"initializer.starts = {self.starts!r} is not allowed: it must name one or more"
                " initializers."
            )
        for name, start in self.starts.items():
            if not isinstance(start, AbstractInitializer):
                raise ConfigError(
                    f"initializer.starts.{name} is a {type(start).__name__}: it must be an"
                    " initializer that gives one path."
                )
        if not (self.finish is None or isinstance(self.finish, AbstractSolver)):
            raise bad_value("initializer.finish", self.finish, "a solver or null")

    @property
    def needs_references(self) -> bool:
        """Whether one of the starts does."""
        return any(start.needs_references for start in self.starts.values())

    def check(self, metric: AbstractMetric) -> None:
        """Raise ConfigError where one of the starts cannot be made for the metric, its settings
        named as they are within this one, or the last solver does not serve it.
        """
        for name, start in self.starts.items():
            try:
                start.check(metric)
            except ConfigError as error:
                own = str(error).replace("initializer.", f"initializer.starts.{name}.")
                raise ConfigError(own) from error
        if self.finish is not None:
            self.finish.check(metric)


Initializer = AbstractInitializer | SeveralInitializer


def parts(name: str, initializer: Initializer) -> Mapping[str, AbstractInitializer]:
    """The initializers that each give one start, by name: those of `several`, or any other itself
    as `name`.
    """
    return (
        initializer.starts if isinstance(initializer, SeveralInitializer) else {name: initializer}
    )


def finish_of(initializer: Initializer, num_points: int) -> AbstractSolver | None:
    """The solver that has the last word on paths of so many points, if there is one."""
    last = initializer.finish if isinstance(initializer, SeveralInitializer) else None
    return None if last is None else replace(last, num_points=num_points)  # type: ignore[type-var]


def several(
    starts: Iterable[str] | Mapping[str, AbstractInitializer] | SeveralInitializer,
    finish: AbstractSolver | None = None,
) -> SeveralInitializer:
    """Starts by the names of `NAMED`, each with its default settings, or initializers by any names;
    a `SeveralInitializer` as it is.

    Raises ConfigError for a name that is not known, and where there is no start.
    """
    if isinstance(starts, SeveralInitializer):
        return starts
    if isinstance(starts, Mapping):
        return SeveralInitializer(starts, finish)
    if not isinstance(starts, Iterable):
        raise bad_value("starts", starts, "names, or initializers by name")
    names = [starts] if isinstance(starts, str) else list(starts)
    for name in names:
        if not isinstance(name, str) or name not in NAMED:
            raise bad_value("starts", name, f"one of {', '.join(NAMED)}")
    if not names:
        raise bad_value("starts", names, f"one or more of {', '.join(NAMED)}")
    return SeveralInitializer({name: NAMED[name]() for name in names}, finish)


def starters(
    initializers: Mapping[str, AbstractInitializer],
    metric: AbstractMetric,
    references: References,
    noisy: bool = False,
) -> dict[str, Starter]:
    """What each initializer's `prepare` returns. Where there are several, one at which the score is
    not finite gives starts of NaN, which `solve_multistart` leaves out, and a line of log.
    """
    if len(initializers) == 1:
        return {name: one.prepare(metric, references, noisy) for name, one in initializers.items()}
    found: dict[str, Starter] = {}
    for name, one in initializers.items():
        try:
            found[name] = partial(_tried, name, one.prepare(metric, references, noisy))
        except ScoreError as error:
            found[name] = partial(_nothing, name, error)
    return found


def _tried(name: str, starter: Starter, ends: torch.Tensor, num_points: int) -> torch.Tensor:
    try:
        return starter(ends, num_points)
    except ScoreError as error:
        return _nothing(name, error, ends, num_points)


def _nothing(name: str, error: ScoreError, ends: torch.Tensor, num_points: int) -> torch.Tensor:
    log.warning("no start %s, which is left out: %s", name, error)
    return ends.new_full((len(ends), num_points, *ends.shape[2:]), torch.nan)


def solve_from_several(
    solver: AbstractSolver,
    metric: AbstractMetric,
    ends: torch.Tensor,
    starts: SeveralInitializer,
    references: References | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Solution:
    """Multi-start in one call: every start between `ends` [pairs, 2, *shape], a solve from all of
    them as one batch, and of each pair the path of least certified energy (`solve_multistart`).

    Returns the solution, its `start` the name of each pair's. Evaluations are those of all starts'
    solves, and of making them where the metric's score is a `CountingScore`, each pair its share.
    `references(count)`: points of the data at the ends' noise level, for `graph`.

    Raises ConfigError where a start cannot be made for the metric or without references, ScoreError
    as `solve_multistart`.
    """
    starts.check(metric)
    solver.check(metric)
    check_function("on_step", on_step)
    before = _count(metric)
    with torch.no_grad():
        made = starters(starts.starts, metric, references or _no_references)
        paths = [starter(ends, solver.num_points) for starter in made.values()]
    making = math.ceil((_count(metric) - before) / max(1, len(ends)))

    def whole(step: Step) -> Step:
        return replace(step, score_evaluations=step.score_evaluations + making)

    report = None if on_step is None else lambda step: on_step(whole(step))
    solution, kept = solve_multistart(
        solver, metric, torch.stack(paths, 1), report, finish_of(starts, solver.num_points)
    )
    names = tuple(made)
    return replace(
        solution,
        score_evaluations=solution.score_evaluations + making,
        history=tuple(whole(step) for step in solution.history),
        start=tuple(names[index] for index in kept.tolist()),
    )


def _count(metric: AbstractMetric) -> int:
    """Score evaluations so far, 0 where they are not counted."""
    score = None if metric.field is None else metric.field.score
    return score.count if isinstance(score, CountingScore) else 0


def _no_references(count: int) -> torch.Tensor:
    raise ConfigError(
        "references = None is not allowed with a start through the data, such as graph: give points"
        " of the data at the ends' noise level, [count, *shape]."
    )
