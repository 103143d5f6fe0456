"""What a run is made of, and its methods: each maps the same endpoint pairs to paths."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as default
from functools import cached_property, partial

import torch

from scoregeo.baseline.base import CLOSED_FORM as CLOSED_FORM  # also the status of other paths that no iteration made
from scoregeo.baseline.base import NOISE, AbstractBaseline, Ends
from scoregeo.core.errors import ConfigError
from scoregeo.core.seed import generator
from scoregeo.dataset.base import AbstractDataset, Pairs
from scoregeo.extrapolation.base import AbstractExtrapolation
from scoregeo.initializer.base import AbstractInitializer, Starter
from scoregeo.initializer.several import Initializer, parts, solve_all
from scoregeo.inversion.base import AbstractInversion
from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.score.text_model import TextModel
from scoregeo.settings import RunSettings
from scoregeo.solver.base import AbstractSolver, Step
from scoregeo.tracker.base import AbstractTracker

TRUTH = "truth"

OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Experiment:
    """Built objects. `solvers` and `baselines` by method name; the first solver gives the number of points of the others' paths.

    `field.score` counts its evaluations; the metric is made of the same field. Where there are `extrapolations`, by method name,
    they are the run's methods: they continue the first solver's geodesics, and baselines have no row.

    Where there is a `text_model`, the pairs are pictures and each is joined in its latent space, in a field of its own, that of
    its prompts; `metric_of` makes the same metric of it, and `field`, `metric` are those of the empty prompt.
    """

    settings: RunSettings
    dataset: AbstractDataset
    field: ScoreField
    inversion: AbstractInversion
    initializer: Initializer
    initializer_name: str
    metric: AbstractMetric
    solvers: Mapping[str, AbstractSolver]
    baselines: Mapping[str, AbstractBaseline] = default(default_factory=dict)
    extrapolations: Mapping[str, AbstractExtrapolation] = default(default_factory=dict)
    trackers: Sequence[AbstractTracker] = ()
    metric_of: Callable[[ScoreField], AbstractMetric] | None = None
    text_model: TextModel | None = None

    @property
    def num_points(self) -> int:
        return next(iter(self.solvers.values())).num_points

    def evaluations(self) -> int:
        """Score evaluations so far."""
        assert isinstance(self.field.score, CountingScore)
        return self.field.score.count


@dataclass(frozen=True)
class Outcome:
    """Paths of one method and what they cost.

    `path` [pairs, points, *shape]; `noisy` says that it lies at the noise level. `status`, `iterations`, `score_evaluations`
    (for making the path), `start_evaluations` (for the path it started from), `stationarity`, and `more` measures by name: one a
    pair; `seconds`: the batch's. `start`: the initializer whose path was kept, `reason`: the solution's; one a pair, empty for a
    method without one.
    """

    path: torch.Tensor
    noisy: bool
    status: tuple[str, ...]
    iterations: torch.Tensor
    score_evaluations: torch.Tensor
    start_evaluations: torch.Tensor
    seconds: float
    stationarity: torch.Tensor | None = None
    history: tuple[Step, ...] = ()
    more: Mapping[str, torch.Tensor] = default(default_factory=dict)
    start: tuple[str, ...] = ()
    reason: tuple[str, ...] = ()


@dataclass(frozen=True)
class Starts:
    """Starting paths [pairs, starts, points, *shape], the name of each start, and what all of a pair's cost together.

    `score_evaluations` [pairs]: each pair's share, what was prepared for all included. `seconds`: the batch's.
    """

    paths: torch.Tensor
    names: tuple[str, ...]
    score_evaluations: torch.Tensor
    seconds: float

    def at(self, kept: torch.Tensor) -> torch.Tensor:
        """The path of start `kept` [pairs] of each pair, [pairs, points, *shape]."""
        return self.paths[torch.arange(len(kept)), kept]

    def names_at(self, kept: torch.Tensor) -> tuple[str, ...]:
        """The name of start `kept` [pairs] of each pair."""
        return tuple(self.names[index] for index in kept.tolist())


def closed_form(path: torch.Tensor, noisy: bool, seconds: float, evaluations: torch.Tensor | None = None) -> Outcome:
    """The outcome of a method without iterations; `evaluations` [pairs], none where not given."""
    zero = torch.zeros(len(path), dtype=torch.int64)
    spent = zero if evaluations is None else evaluations
    return Outcome(path, noisy, (CLOSED_FORM,) * len(path), zero, spent, zero, seconds)


class AbstractProblem(ABC):
    """The rows of a run, and the methods that give each row a path.

    `pairs`: one a row. `noisy`: whether solvers meet the ends at a noise level. `end_given`: whether every method's path of a row
    has the same second end; else that end is measured too, and energies, which compare paths between the same ends, are not.
    """

    experiment: Experiment
    pairs: Pairs
    noisy: bool
    end_given: bool

    @abstractmethod
    def methods(self) -> dict[str, Callable[[OnStep | None], Outcome]]:
        """Each method's name and the function that runs it, in the order of the tables."""

    @abstractmethod
    def budget(self, method: str) -> int | None:
        """Iterations a method takes at most, for a progress bar; None for a method without iterations."""

    @abstractmethod
    def truth(self, num_points: int) -> torch.Tensor | None:
        """What every method should give, [pairs, num_points, *shape], on the CPU, or None where it is not known."""

    @abstractmethod
    def true_length(self) -> torch.Tensor | None:
        """Euclidean length of the truth, [pairs], or None."""

    @abstractmethod
    def pictured(self, frames: Mapping[str, torch.Tensor]) -> tuple[Pairs, dict[str, torch.Tensor]]:
        """Of all clean paths, by method, those that pictures show, and the pairs they are of."""

    def frames(self, outcome: Outcome, decode: bool, at: torch.Tensor | None = None) -> torch.Tensor | None:
        """A method's paths as clean frames [pairs, points, *frame], or None where they stay noisy for `decode` is false.

        `at` [pairs, points]: how far along its pair each point is, from 0 to 1; evenly by default.
        """
        if not outcome.noisy:
            return outcome.path
        return self.decode(outcome.path) if decode else None

    def measure(self, path: torch.Tensor, rule: Quadrature) -> PathMeasure:
        """Energy, length and bound of each of `path` [pairs, points, *shape] in the metric, a pair at a time."""
        parts = [self.experiment.metric.measure(one, rule) for one in path.split(1)]
        return PathMeasure(*(torch.cat(values) for values in zip(*(vars(part).values() for part in parts), strict=True)))

    @cached_property
    def true_path(self) -> torch.Tensor | None:
        """The truth at the number of points of the methods' paths."""
        return self.truth(self.experiment.num_points)

    def decode(self, path: torch.Tensor) -> torch.Tensor:
        """Noisy paths [pairs, points, *shape] to clean frames, same shape."""
        return self.experiment.inversion.decode(path.flatten(0, 1), self.experiment.field).reshape(path.shape)


class InterpolationProblem(AbstractProblem):
    """The pairs of a run, lifted once, and the methods that join them."""

    end_given = True

    def __init__(self, experiment: Experiment, lifted: torch.Tensor | None = None) -> None:
        """`lifted` [pairs, 2, *shape]: the ends at the noise level, where the caller has lifted them; else the inversion does."""
        self.experiment = experiment
        self.pairs: Pairs = experiment.dataset.pairs(experiment.settings.seed)
        device = experiment.settings.device
        self.clean = self.pairs.ends.to(device)
        self.lifted = self._lift(self.clean, "noise") if lifted is None else lifted
        self.noisy = not torch.equal(self.clean, self.lifted)
        self._kept: torch.Tensor | None = None  # which start the first solver's path was kept from, [pairs]

    def methods(self) -> dict[str, Callable[[OnStep | None], Outcome]]:
        """The truth where it is known, baselines, the start, solvers.

        Raises ConfigError where a baseline needs ends at a noise level and the inversion left them clean.
        """
        experiment = self.experiment
        for name, baseline in experiment.baselines.items():
            if baseline.needs_noise and not self.noisy:
                raise ConfigError(
                    f"baseline = {name!r} needs ends at a noise level, and inversion = {type(experiment.inversion).__name__} "
                    "leaves them clean: inversion must be shared_noise or ddim, or the baseline left out."
                )
        found: dict[str, Callable[[OnStep | None], Outcome]] = {}
        if self.true_path is not None:
            found[TRUTH] = self._truth
        for name, baseline in experiment.baselines.items():
            found[name] = partial(self._baseline, name, baseline)
        start = {f"start_{experiment.initializer_name}": self._start}
        solvers = {f"{experiment.metric.name}_{name}": partial(self._solve, s) for name, s in experiment.solvers.items()}
        # Of several starts, the row is that of the path the first solver kept: known once it has run.
        first = dict([next(iter(solvers.items()))]) if len(self._initializers) > 1 else {}
        return found | first | start | solvers

    def budget(self, method: str) -> int | None:
        solver = self.experiment.solvers.get(method.removeprefix(f"{self.experiment.metric.name}_"))
        return getattr(solver, "max_iterations", getattr(solver, "iterations", None))

    def truth(self, num_points: int) -> torch.Tensor | None:
        return self.experiment.dataset.true_path(self.pairs, num_points)

    def true_length(self) -> torch.Tensor | None:
        return self.experiment.dataset.true_length(self.pairs)

    def pictured(self, frames: Mapping[str, torch.Tensor]) -> tuple[Pairs, dict[str, torch.Tensor]]:
        return self.pairs, dict(frames)

    def geodesic(self) -> Outcome:
        """The first solver's paths."""
        return self._solve(self._first_solver, None)

    def _truth(self, _: OnStep | None) -> Outcome:
        assert self.true_path is not None
        return closed_form(self.true_path.to(self.clean), noisy=False, seconds=0.0)

    def _baseline(self, name: str, baseline: AbstractBaseline, _: OnStep | None) -> Outcome:
        experiment = self.experiment
        ends = Ends(self.clean, self.lifted, experiment.field)
        began = time.perf_counter()
        found = baseline.path(ends, experiment.num_points, generator(experiment.settings.seed, f"baseline {name}"))
        return Outcome(
            path=found.path,
            noisy=baseline.space == NOISE and self.decodes,
            status=found.status,
            iterations=found.iterations,
            score_evaluations=found.score_evaluations,
            start_evaluations=torch.zeros_like(found.score_evaluations),
            seconds=time.perf_counter() - began,
        )

    def _start(self, _: OnStep | None) -> Outcome:
        starts = self._make_starts(self.experiment.num_points)
        if self._kept is None and len(starts.names) > 1:  # the solver's row was taken from an interrupted run
            self._solve(self._first_solver, None)
        kept = torch.zeros(len(starts.paths), dtype=torch.int64) if self._kept is None else self._kept
        outcome = closed_form(starts.at(kept), self.decodes, starts.seconds, starts.score_evaluations)
        return replace(outcome, start=starts.names_at(kept))

    @property
    def decodes(self) -> bool:
        """Whether points on a solver's path are not yet clean frames."""
        return self.noisy or self.experiment.inversion.decode_evaluations > 0

    def _solve(self, solver: AbstractSolver, on_step: OnStep | None) -> Outcome:
        starts = self._make_starts(solver.num_points)
        solution, kept = solve_all(solver, self.experiment.metric, starts.paths, on_step)
        if solver is self._first_solver:
            self._kept = kept
        return Outcome(
            path=solution.path.detach(),
            noisy=self.decodes,
            status=solution.status,
            iterations=solution.iterations,
            score_evaluations=solution.score_evaluations,
            start_evaluations=starts.score_evaluations,
            seconds=solution.seconds,
            stationarity=solution.stationarity,
            history=solution.history,
            more={"tunnelled": solution.tunnelled.double()},
            start=starts.names_at(kept),
            reason=solution.reason,
        )

    @torch.no_grad()
    def _make_starts(self, num_points: int) -> Starts:
        starters, prepared, seconds = self._starters
        before, began = self.experiment.evaluations(), time.perf_counter()
        paths = torch.stack([starter(self.lifted, num_points) for starter in starters.values()], 1)
        share = (prepared + self.experiment.evaluations() - before) / len(paths)
        shares = torch.full((len(paths),), share, dtype=torch.float64)
        return Starts(paths, tuple(starters), shares, seconds + time.perf_counter() - began)

    @cached_property
    def _starters(self) -> tuple[dict[str, Starter], int, float]:
        experiment = self.experiment
        before, began = experiment.evaluations(), time.perf_counter()
        with torch.no_grad():
            starters = {
                name: initializer.prepare(experiment.metric, self._references, self.noisy)
                for name, initializer in self._initializers.items()
            }
        return starters, experiment.evaluations() - before, time.perf_counter() - began

    @property
    def _initializers(self) -> Mapping[str, AbstractInitializer]:
        return parts(self.experiment.initializer_name, self.experiment.initializer)

    @property
    def _first_solver(self) -> AbstractSolver:
        return next(iter(self.experiment.solvers.values()))

    def _references(self, count: int) -> torch.Tensor:
        points = self.experiment.dataset.sample(count, self.experiment.settings.seed).to(self.clean)
        return self._lift(points[:, None], "reference noise")[:, 0]

    def _lift(self, points: torch.Tensor, purpose: str) -> torch.Tensor:
        source = generator(self.experiment.settings.seed, purpose)
        with torch.no_grad():
            return self.experiment.inversion.lift(points, self.experiment.field, source)
