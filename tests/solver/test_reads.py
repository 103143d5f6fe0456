"""Values that a solve reads back from its device: no more of them for more pairs.

On a GPU each read waits for all the work before it. Counted are the operations that need a value on
the processor: a tensor's truth or number, `nonzero`, and an index by a mask."""

from dataclasses import is_dataclass, replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import scoregeo
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import BUDGET, AbstractSolver
from scoregeo.solver.certificate import certify
from tests.fields import QuarticShell

aten = torch.ops.aten
READS = (aten._local_scalar_dense.default, aten.nonzero.default, aten.equal.default)
MASKED = (aten.index.Tensor, aten.index_put_.default, aten._index_put_impl_.default)
# None of these stops before its iterations are spent.
SOLVERS = (
    scoregeo.GaussNewton(num_points=9, subnodes=2, tolerance=1e-14, max_iterations=5),
    scoregeo.Georce(num_points=9, tolerance=1e-14, max_iterations=5),
    scoregeo.Adam(num_points=9, iterations=5),
)


class Reads(TorchDispatchMode):
    """Counts them while it is entered."""

    count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        masks = func in MASKED and any(
            one is not None and one.dtype == torch.bool for one in args[1]
        )
        self.count += int(func in READS or masks)
        return func(*args, **(kwargs or {}))


def case(pairs: int) -> tuple[SteinMetric, torch.Tensor]:
    """So many copies of one pair."""
    ends = torch.tensor([[1.0, 0.1, 0.0], [0.0, 0.6, 0.9]], dtype=torch.float64)
    return SteinMetric(ScoreField(QuarticShell(), 0.3), lam=1.0), ends.expand(pairs, 2, 3).clone()


def reads(solver: AbstractSolver, pairs: int, iterations: int) -> int:
    metric, ends = case(pairs)
    name = "iterations" if isinstance(solver, scoregeo.Adam) else "max_iterations"
    assert is_dataclass(solver) and not isinstance(solver, type)
    with Reads() as counted:
        found = replace(solver, **{name: iterations}).solve(metric, linear(ends, 9))
    assert set(found.status) == {BUDGET} and not found.tunnelled.any()
    return counted.count


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
def test_an_iteration_reads_as_much_for_many_pairs_as_for_two(solver: AbstractSolver) -> None:
    few, many = (reads(solver, pairs, 5) - reads(solver, pairs, 3) for pairs in (2, 12))
    assert 0 < few == many
    assert few / 2 <= 40


def test_a_count_that_depends_on_the_pairs_is_seen() -> None:
    with Reads() as counted:
        for value in torch.arange(5.0):
            float(value)
        torch.arange(3)[torch.tensor([True, False, True])]
    assert counted.count == 6


def test_a_certificate_reads_its_values_once() -> None:
    found = []
    for pairs in (2, 12):
        metric, ends = case(pairs)
        path, rule = linear(ends, 9), scoregeo.path.Quadrature()
        own = metric.energy(path, rule)
        with Reads() as counted:
            certify(metric, path, own, rule)
        found.append(counted.count / pairs)
    # The score's own check for numbers that are not finite, once a call
    assert found == [1.0, 1.0]
