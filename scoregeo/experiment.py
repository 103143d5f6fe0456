"""What a run is made of, and its methods: each maps the same endpoint pairs to paths."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from functools import cached_property, partial

import torch

from scoregeo.baseline.base import NOISE, AbstractBaseline
from scoregeo.core.seed import generator
from scoregeo.dataset.base import AbstractDataset, Pairs
from scoregeo.initializer.base import AbstractInitializer, Starter
from scoregeo.inversion.base import AbstractInversion
from scoregeo.metric.base import AbstractMetric
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.settings import RunSettings
from scoregeo.solver.base import AbstractSolver, Step
from scoregeo.tracker.base import AbstractTracker

TRUTH = "truth"
CLOSED_FORM = "closed_form"  # status of a path that no iteration made

OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Experiment:
    """Built objects. `solvers` and `baselines` by method name; the first solver gives the number of points of the others' paths.

    `field.score` counts its evaluations; the metric is made of the same field.
    """

    settings: RunSettings
    dataset: AbstractDataset
    field: ScoreField
    inversion: AbstractInversion
    initializer: AbstractInitializer
    initializer_name: str
    metric: AbstractMetric
    solvers: Mapping[str, AbstractSolver]
    baselines: Mapping[str, AbstractBaseline] = default(default_factory=dict)
    trackers: Sequence[AbstractTracker] = ()

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
    (for making the path), `start_evaluations` (for the path it started from), `stationarity`: one a pair; `seconds`: the batch's.
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


class Problem:
    """The pairs of a run, lifted once, and the methods that join them."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.pairs: Pairs = experiment.dataset.pairs(experiment.settings.seed)
        device = experiment.settings.device
        self.clean = self.pairs.ends.to(device)
        self.lifted = self._lift(self.clean, "noise")
        self.noisy = not torch.equal(self.clean, self.lifted)

    def methods(self) -> dict[str, Callable[[OnStep | None], Outcome]]:
        """Each method's name and the function that runs it: the truth where it is known, baselines, the start, solvers."""
        experiment = self.experiment
        found: dict[str, Callable[[OnStep | None], Outcome]] = {}
        if self.true_path is not None:
            found[TRUTH] = self._truth
        for name, baseline in experiment.baselines.items():
            found[name] = partial(self._baseline, baseline)
        found[f"start_{experiment.initializer_name}"] = self._start
        for name, solver in experiment.solvers.items():
            found[f"{experiment.metric.name}_{name}"] = partial(self._solve, solver)
        return found

    def budget(self, method: str) -> int | None:
        """Iterations a method takes at most, for a progress bar; None for a method without iterations."""
        solver = self.experiment.solvers.get(method.removeprefix(f"{self.experiment.metric.name}_"))
        return getattr(solver, "max_iterations", getattr(solver, "iterations", None))

    @cached_property
    def true_path(self) -> torch.Tensor | None:
        """At the number of points of the methods' paths, [pairs, points, *shape], on the CPU, or None."""
        return self.experiment.dataset.true_path(self.pairs, self.experiment.num_points)

    def decode(self, path: torch.Tensor) -> torch.Tensor:
        """Noisy paths [pairs, points, *shape] to clean frames, same shape."""
        return self.experiment.inversion.decode(path.flatten(0, 1), self.experiment.field).reshape(path.shape)

    def _truth(self, _: OnStep | None) -> Outcome:
        assert self.true_path is not None
        return self._given(self.true_path.to(self.clean), noisy=False, seconds=0.0)

    def _baseline(self, baseline: AbstractBaseline, _: OnStep | None) -> Outcome:
        noisy = baseline.space == NOISE and self._decodes
        began = time.perf_counter()
        path = baseline.path(self.lifted if noisy else self.clean, self.experiment.num_points)
        return self._given(path, noisy, time.perf_counter() - began)

    def _start(self, _: OnStep | None) -> Outcome:
        path, evaluations, seconds = self._make_start(self.experiment.num_points)
        return self._given(path, self._decodes, seconds, evaluations)

    @property
    def _decodes(self) -> bool:
        """Whether points on a solver's path are not yet clean frames."""
        return self.noisy or self.experiment.inversion.decode_evaluations > 0

    def _solve(self, solver: AbstractSolver, on_step: OnStep | None) -> Outcome:
        start, start_evaluations, _ = self._make_start(solver.num_points)
        solution = solver.solve(self.experiment.metric, start, on_step)
        return Outcome(
            path=solution.path.detach(),
            noisy=self._decodes,
            status=solution.status,
            iterations=solution.iterations,
            score_evaluations=solution.score_evaluations,
            start_evaluations=start_evaluations,
            seconds=solution.seconds,
            stationarity=solution.stationarity,
            history=solution.history,
        )

    def _given(self, path: torch.Tensor, noisy: bool, seconds: float, evaluations: torch.Tensor | None = None) -> Outcome:
        zero = torch.zeros(len(path), dtype=torch.int64)
        spent = zero if evaluations is None else evaluations
        return Outcome(path, noisy, (CLOSED_FORM,) * len(path), zero, spent, zero, seconds)

    @torch.no_grad()
    def _make_start(self, num_points: int) -> tuple[torch.Tensor, torch.Tensor, float]:
        """Starting paths, each pair's share of the evaluations they cost (what was prepared for all included), and seconds."""
        starter, prepared, seconds = self._starter
        before, began = self.experiment.evaluations(), time.perf_counter()
        path = starter(self.lifted, num_points)
        share = (prepared + self.experiment.evaluations() - before) / len(path)
        return path, torch.full((len(path),), share, dtype=torch.float64), seconds + time.perf_counter() - began

    @cached_property
    def _starter(self) -> tuple[Starter, int, float]:
        experiment = self.experiment
        before, began = experiment.evaluations(), time.perf_counter()
        with torch.no_grad():
            starter = experiment.initializer.prepare(experiment.metric, self._references)
        return starter, experiment.evaluations() - before, time.perf_counter() - began

    def _references(self, count: int) -> torch.Tensor:
        points = self.experiment.dataset.sample(count, self.experiment.settings.seed).to(self.clean)
        return self._lift(points[:, None], "reference noise")[:, 0]

    def _lift(self, points: torch.Tensor, purpose: str) -> torch.Tensor:
        source = generator(self.experiment.settings.seed, purpose)
        with torch.no_grad():
            return self.experiment.inversion.lift(points, self.experiment.field, source)
