"""Extrapolation as a run: geodesics solved once, and continued past their second ends by every
method.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial

import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.base import Pairs
from scoregeo.extrapolation.base import AbstractExtrapolation
from scoregeo.geometry.support import rule_of
from scoregeo.run.experiment import Experiment
from scoregeo.run.problem.base import BASELINE, OURS, TRUTH, AbstractProblem, OnStep
from scoregeo.run.problem.interpolation import InterpolationProblem
from scoregeo.run.problem.outcome import Outcome, Shared, closed_form
from scoregeo.solver.base import CONVERGED

log = logging.getLogger(__name__)

GEODESIC = "geodesic"  # the path that is continued, on a surface's figure


class ExtrapolationProblem(AbstractProblem):
    """Every pair at every reach: row `i * pairs + j` is pair j continued by `settings.reach[i]`
    times its length.

    The rows' `pairs` have the ends of the path that is continued; a method's path begins at the
    second of them. The geodesics are solved once, by the first solver, and shared: what they cost
    is every row's `start_evaluations`.
    """

    end_given = False

    def __init__(self, experiment: Experiment) -> None:
        """Raises ConfigError where the dataset knows no true continuation."""
        self.experiment = experiment
        self.interpolation = InterpolationProblem(experiment)
        self.noisy, self.part = self.interpolation.noisy, self.interpolation.part
        given, reaches = self.interpolation.pairs, experiment.settings.reach
        self.reach = torch.tensor(reaches, dtype=torch.float64).repeat_interleave(len(given))
        shares = [f"{100 * reach:.4g}" for reach in reaches]
        self.pairs = Pairs(
            first=_repeat(given.first, len(reaches)),
            second=_repeat(given.second, len(reaches)),
            names=tuple(f"{share}pct_{name}" for share in shares for name in given.names),
            groups=tuple(_group(group, share) for share in shares for group in given.groups),
            truth=None if given.truth is None else _repeat(given.truth, len(reaches)),
        )
        if self.truth(2) is None:
            raise ConfigError(
                f"extrapolation = {list(experiment.extrapolations)} needs a dataset that knows what"
                f" follows the true path; {type(experiment.dataset).__name__} does not, dataset"
                " must be one of sphere, torus, rotated_mnist."
            )

    def methods(self) -> dict[str, Callable[[OnStep | None], Outcome]]:
        """The truth and the extrapolations."""
        found: dict[str, Callable[[OnStep | None], Outcome]] = {TRUTH: self._truth}
        for name, extrapolation in self.experiment.extrapolations.items():
            shown = f"{self.experiment.metric.name}_{name}" if extrapolation.of_metric else name
            found[shown] = partial(self._extrapolate, extrapolation)
        return found

    def role(self, method: str) -> str:
        """The steps of other papers and straight lines are baselines, though they begin at the
        metric's geodesic.
        """
        if method == TRUTH:
            return TRUTH
        return BASELINE if method in self.experiment.extrapolations else OURS

    @property
    def units(self) -> tuple[str, ...]:
        """A pair at several reaches is one observation, not several."""
        return self.interpolation.pairs.names * len(self.experiment.settings.reach)

    def budget(self, method: str) -> int | None:
        return None

    def truth(self, num_points: int) -> torch.Tensor | None:
        return self.experiment.dataset.true_continuation(self.pairs, self.reach, num_points)

    def true_length(self) -> torch.Tensor | None:
        length = self.experiment.dataset.true_length(self.pairs)
        return None if length is None else self.reach * length

    def pictured(self, frames: Mapping[str, torch.Tensor]) -> tuple[Pairs, dict[str, torch.Tensor]]:
        """The rows of the greatest reach, which hold those of the others. The geodesic comes before
        each method's images and sounds.
        """
        count, at = len(self.interpolation.pairs), int(self.reach.argmax())
        rows = {name: path[at : at + count] for name, path in frames.items()}
        before = self._geodesic_frames
        dataset = self.experiment.dataset
        if len(dataset.shape) == 3 or dataset.sound is not None:
            true_path = self.interpolation.true_path
            leads = {TRUTH: before if true_path is None else true_path.to(before)}
            shown = {
                name: torch.cat([leads.get(name, before), path[:, 1:].to(before)], 1)
                for name, path in rows.items()
            }
            names, groups = self.pairs.names[at : at + count], self.pairs.groups[at : at + count]
            given = self.interpolation.pairs
            return Pairs(given.first, given.second, names, groups), shown
        return self.interpolation.pairs, {GEODESIC: before, **rows}

    @cached_property
    def _geodesic(self) -> Outcome:
        outcome = self.interpolation.geodesic()
        states = ", ".join(
            f"{outcome.status.count(state)} {state}" for state in dict.fromkeys(outcome.status)
        )
        log.info("geodesics to continue: %s; %.2f s", states, outcome.seconds)
        return outcome

    @cached_property
    def _geodesic_frames(self) -> torch.Tensor:
        """The geodesics as clean frames, on the CPU."""
        path = self._geodesic.path
        return (self.decode(path) if self._geodesic.noisy else path).cpu()

    def _truth(self, _: OnStep | None) -> Outcome:
        assert self.true_path is not None
        return closed_form(self.true_path.to(self.interpolation.clean), noisy=False, seconds=0.0)

    def _extrapolate(self, extrapolation: AbstractExtrapolation, _: OnStep | None) -> Outcome:
        experiment, geodesic = self.experiment, self._geodesic
        times = len(experiment.settings.reach)
        path = _repeat(geodesic.path, times)
        rule = rule_of(next(iter(experiment.solvers.values())))
        found = extrapolation.extend(
            experiment.metric, path, self.reach, experiment.num_points, rule
        )
        more = {"reached": found.reached}
        if found.energy_drift is not None:
            more["energy_drift"] = found.energy_drift
        return Outcome(
            path=found.path.detach(),
            noisy=geodesic.noisy,
            # What ends well may have begun badly.
            status=tuple(
                status if before == CONVERGED else f"{status} (geodesic {before})"
                for status, before in zip(found.status, geodesic.status * times, strict=True)
            ),
            iterations=torch.zeros(len(path), dtype=torch.int64),
            score_evaluations=found.score_evaluations,
            start_evaluations=_repeat(
                geodesic.score_evaluations + geodesic.start_evaluations, times
            ),
            seconds=found.seconds,
            more=more,
            shared=self._shared(times),
        )

    def _shared(self, times: int) -> Shared | None:
        """The geodesics' starts, as shared by all rows of a pair."""
        start = self._geodesic.shared
        return (
            None
            if start is None
            else replace(start, own=_repeat(self._geodesic.score_evaluations, times))
        )


def _repeat(values: torch.Tensor, times: int) -> torch.Tensor:
    """The whole batch `times` times, one after the other."""
    return values.repeat(times, *[1] * (values.dim() - 1))


def _group(group: str, share: str) -> str:
    return f"{share} %" if group == "all" else f"{group}, {share} %"
