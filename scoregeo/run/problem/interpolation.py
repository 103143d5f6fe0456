"""Interpolation as a run: the pairs' ends taken to the noise level once, and the methods that
interpolate between them.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial

import torch

from scoregeo._utils.errors import ConfigError
from scoregeo._utils.part import Part
from scoregeo._utils.seed import generator
from scoregeo.baseline.base import NOISE, AbstractBaseline, Ends
from scoregeo.dataset.base import Pairs
from scoregeo.initializer.several import finish_of, parts
from scoregeo.run.experiment import Experiment
from scoregeo.run.problem.base import BASELINE, OURS, START, TRUTH, AbstractProblem, OnStep
from scoregeo.run.problem.outcome import Outcome, closed_form
from scoregeo.run.problem.starts import StartMaker
from scoregeo.solver.base import AbstractSolver
from scoregeo.solver.multistart import solve_multistart


class InterpolationProblem(AbstractProblem):
    """The pairs of a run at the noise level, and the methods that interpolate between them."""

    end_given = True

    def __init__(self, experiment: Experiment, lifted: torch.Tensor | None = None) -> None:
        """`lifted` [pairs, 2, *shape]: the ends at the noise level, where the caller has computed
        them; else the inversion does.
        """
        self.experiment = experiment
        every = experiment.dataset.pairs(experiment.settings.seed)
        self.part = experiment.settings.part(len(every))
        self.pairs: Pairs = every.part(self.part)
        device = experiment.settings.device
        self.clean = self.pairs.ends.to(device)
        initializers = parts(experiment.initializer_name, experiment.initializer)
        every_lifted = lifted
        if lifted is not None:
            self.lifted = lifted
        elif any(initializer.joint for initializer in initializers.values()):
            every_lifted = self._lift(every.ends.to(device), "noise")
            self.lifted = every_lifted[self.part.rows]
        else:
            self.lifted = self._lift(self.clean, "noise", self.part)
        self.noisy = not torch.equal(self.clean, self.lifted)
        self.starts = StartMaker(
            experiment,
            initializers,
            self._references,
            ends=self.lifted,
            every_end=every_lifted,
            part=self.part,
            noisy=self.noisy,
        )
        # Which start the first solver's path was kept from, [pairs]
        self._kept: torch.Tensor | None = None

    def methods(self) -> dict[str, Callable[[OnStep | None], Outcome]]:
        """The truth where it is known, baselines, the start, solvers.

        Raises ConfigError where a baseline needs ends at a noise level and the inversion left them
        clean.
        """
        experiment = self.experiment
        for name, baseline in experiment.baselines.items():
            if baseline.needs_noise and not self.noisy:
                raise ConfigError(
                    f"baseline = {name!r} needs ends at a noise level, and inversion ="
                    f" {type(experiment.inversion).__name__} leaves them clean: inversion must be"
                    " shared_noise or ddim, or the baseline left out."
                )
        found: dict[str, Callable[[OnStep | None], Outcome]] = {}
        if self.true_path is not None:
            found[TRUTH] = self._truth
        for name, baseline in experiment.baselines.items():
            found[name] = partial(self._baseline, name, baseline)
        start = {f"start_{experiment.initializer_name}": self._start}
        solvers = {
            f"{experiment.metric.name}_{name}": partial(self._solve, s)
            for name, s in experiment.solvers.items()
        }
        # Of several starts, the row is that of the path the first solver kept: known once it has
        # run.
        several = len(self.starts.initializers) > 1
        first = dict([next(iter(solvers.items()))]) if several else {}
        return found | first | start | solvers

    def role(self, method: str) -> str:
        if method in (TRUTH, f"start_{self.experiment.initializer_name}"):
            return TRUTH if method == TRUTH else START
        return BASELINE if method in self.experiment.baselines else OURS

    def budget(self, method: str) -> int | None:
        solver = self.experiment.solvers.get(method.removeprefix(f"{self.experiment.metric.name}_"))
        return getattr(solver, "max_iterations", getattr(solver, "iterations", None))

    def truth(self, num_points: int) -> torch.Tensor | None:
        return self.experiment.dataset.true_path(self.pairs, num_points)

    def other_truth(self, num_points: int) -> torch.Tensor | None:
        return self.experiment.dataset.other_true_path(self.pairs, num_points)

    def true_length(self) -> torch.Tensor | None:
        return self.experiment.dataset.true_length(self.pairs)

    def pictured(self, frames: Mapping[str, torch.Tensor]) -> tuple[Pairs, dict[str, torch.Tensor]]:
        return self.pairs, dict(frames)

    def decode(self, path: torch.Tensor) -> torch.Tensor:
        """Noisy paths [pairs, points, *shape] to clean frames, same shape; the ends, every method's
        own, are decoded once.
        """
        if path.shape[1] < 3 or not torch.equal(path[:, [0, -1]], self.lifted):
            return super().decode(path)
        ends = self._decoded_ends
        return torch.cat([ends[:, :1], super().decode(path[:, 1:-1]), ends[:, 1:]], 1)

    @cached_property
    def _decoded_ends(self) -> torch.Tensor:
        return super().decode(self.lifted)

    def geodesic(self) -> Outcome:
        """The first solver's paths."""
        return self._solve(self._first_solver, None)

    def _truth(self, _: OnStep | None) -> Outcome:
        assert self.true_path is not None
        return closed_form(self.true_path.to(self.clean), noisy=False, seconds=0.0)

    def _baseline(self, name: str, baseline: AbstractBaseline, _: OnStep | None) -> Outcome:
        def compute() -> Outcome:
            return self._baseline_path(name, baseline)

        points = self.experiment.num_points
        key = (name, points, str(self.part), self.clean, self.lifted)
        found = self.experiment.work.outcome(compute, *key)
        return found.at(self.clean.device)

    def _baseline_path(self, name: str, baseline: AbstractBaseline) -> Outcome:
        experiment = self.experiment
        ends = Ends(self.clean, self.lifted, experiment.field, self._clean_references)
        began = time.perf_counter()
        source = generator(experiment.settings.seed, f"baseline {name}", self.part)
        found = baseline.path(ends, experiment.num_points, source)
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
        starts = self.starts.make(self.experiment.num_points)
        if self._kept is None and len(starts.names) > 1:
            self._solve(self._first_solver, None)  # its row was taken from an interrupted run
        kept = self._kept
        if kept is None:
            kept = torch.zeros(len(starts.paths), dtype=torch.int64)
        outcome = closed_form(
            starts.at(kept), self.decodes, starts.seconds, starts.score_evaluations
        )
        return replace(
            outcome, start=starts.names_at(kept), shared=starts.shared("score_evaluations")
        )

    @property
    def decodes(self) -> bool:
        """Whether points on a solver's path are not yet clean frames."""
        return self.noisy or self.experiment.inversion.decode_evaluations > 0

    def _solve(self, solver: AbstractSolver, on_step: OnStep | None) -> Outcome:
        starts, metric = self.starts.make(solver.num_points), self.experiment.metric
        if len(starts.names) == 1:
            solution = solver.solve(metric, starts.paths[:, 0], on_step)
            kept = torch.zeros(len(starts.paths), dtype=torch.int64)
        else:
            finish = finish_of(self.experiment.initializer, solver.num_points)
            solution, kept = solve_multistart(solver, metric, starts.paths, on_step, finish)
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
            shared=starts.shared("start_evaluations"),
        )

    @property
    def _first_solver(self) -> AbstractSolver:
        return next(iter(self.experiment.solvers.values()))

    def _clean_references(self, count: int) -> torch.Tensor:
        seed = self.experiment.settings.seed
        return self.experiment.dataset.reference_points(count, seed).to(self.clean)

    def _references(self, count: int) -> torch.Tensor:
        points = self._clean_references(count)
        return self._lift(points[:, None], "reference noise")[:, 0]

    def _lift(self, points: torch.Tensor, purpose: str, part: Part | None = None) -> torch.Tensor:
        experiment = self.experiment

        @torch.no_grad()
        def lift() -> torch.Tensor:
            source = generator(experiment.settings.seed, purpose, part)
            return experiment.inversion.lift(points, experiment.field, source)

        # What is spent on references is counted where they are lifted (`StartMaker`).
        if not experiment.inversion.lift_evaluations or purpose != "noise":
            return lift()
        return experiment.work.tensor("lifted", lift, purpose, str(part), points)
