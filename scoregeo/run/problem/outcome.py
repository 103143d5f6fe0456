"""What a method gives: paths, and what they cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as default

import torch

from scoregeo.baseline.base import CLOSED_FORM
from scoregeo.solver.base import Step
from scoregeo.solver.parts import joined_histories


@dataclass(frozen=True)
class Shared:
    """Score evaluations that all pairs of a run have equal shares of.

    The measure `of` of each row is `own + (prepared + spent) / pairs`, `own` [rows]. `prepared`
    were spent once for all pairs of the run, and again by every shard; `spent` for the `pairs` at
    hand.
    """

    of: str
    own: torch.Tensor
    prepared: int
    spent: int
    pairs: int


@dataclass(frozen=True)
class Outcome:
    """Paths of one method and what they cost.

    `path` [pairs, points, *shape]; `noisy` says that it lies at the noise level. `status`,
    `iterations`, `score_evaluations` (for making the path), `start_evaluations` (for the path it
    started from), `stationarity`, and `more` measures by name: one a pair; `seconds`: the batch's.
    `start`: the initializer whose path was kept, `reason`: the solution's; one a pair, empty for a
    method without one. `shared`: what one of the counts holds of the evaluations that pairs share;
    None where they share none."""

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
    shared: Shared | None = None

    def at(self, device: torch.device) -> "Outcome":
        """With its path on `device`."""
        return replace(self, path=self.path.to(device))


def closed_form(
    path: torch.Tensor, noisy: bool, seconds: float, evaluations: torch.Tensor | None = None
) -> Outcome:
    """The outcome of a method without iterations; `evaluations` [pairs], none where not given."""
    zero = torch.zeros(len(path), dtype=torch.int64)
    spent = zero if evaluations is None else evaluations
    return Outcome(path, noisy, (CLOSED_FORM,) * len(path), zero, spent, zero, seconds)


def concatenated(outcomes: Sequence[Outcome]) -> Outcome:
    """Outcomes of some pairs each as one, their histories as `joined_histories`."""
    first = outcomes[0]
    return Outcome(
        path=torch.cat([outcome.path for outcome in outcomes]),
        noisy=first.noisy,
        status=tuple(state for outcome in outcomes for state in outcome.status),
        iterations=torch.cat([outcome.iterations for outcome in outcomes]),
        score_evaluations=torch.cat([outcome.score_evaluations for outcome in outcomes]),
        start_evaluations=torch.cat([outcome.start_evaluations for outcome in outcomes]),
        seconds=sum(outcome.seconds for outcome in outcomes),
        stationarity=None
        if first.stationarity is None
        else torch.cat([_given(o.stationarity) for o in outcomes]),
        history=joined_histories([outcome.history for outcome in outcomes]),
        more={name: torch.cat([outcome.more[name] for outcome in outcomes]) for name in first.more},
        start=tuple(name for outcome in outcomes for name in outcome.start),
        reason=tuple(reason for outcome in outcomes for reason in outcome.reason),
    )


def _given(values: torch.Tensor | None) -> torch.Tensor:
    assert values is not None
    return values
