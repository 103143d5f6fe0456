"""Gauss-Newton on a device that is not the processor (`tests.devices`): it gives the processor's
numbers, and copies and waits for no more than it must.
"""

from dataclasses import replace

import pytest
import torch

from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import Solution
from scoregeo.solver.gauss_newton import GaussNewton
from scoregeo.solver.string_method import StringMethod
from tests.devices import FakeDevice, fake_device
from tests.fields import QuarticShell

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason="a GPU is there: its own guard would refuse cuda:1"
)
SOLVERS = {
    "adaptive": GaussNewton(17, refinement="adaptive"),
    "plain": GaussNewton(9, refinement="none"),
    "finer": GaussNewton(9, refinement="none", max_subnodes=4, coarsest=3),
}
ENDS = torch.tensor([[[1.0, 0.1, 0.0], [0.0, 0.6, 0.9]], [[0.0, 1.0, 0.2], [0.9, 0.0, -0.6]]])
# For all pairs at once an iteration waits for whether lam rises, whether a step is negligible, the
# score's check for finite numbers, which steps are accepted, what the others are, and the energy
# that is reported; on meshes, which are lists, four times more for the numbers of the pairs. It
# copies those numbers to the device, twice, and one mask.
READS, COPIES = {"adaptive": 12, "plain": 8}, 4


def solved(solver: GaussNewton, pairs: int, device: str = "cpu") -> Solution:
    """The first of `ENDS` on even rows, the second on odd ones."""
    ends = ENDS.double()[torch.arange(pairs) % 2].to(device)
    metric = SteinMetric(ScoreField(QuarticShell(), 0.3), 1.0)
    return solver.solve(metric, linear(ends, solver.num_points))


@pytest.mark.parametrize("name", SOLVERS)
def test_the_numbers_are_the_processors(name: str) -> None:
    with fake_device("cuda:1"):
        there = solved(SOLVERS[name], 2, "cuda:1")
        assert there.path.device == torch.device("cuda:1")
        path = there.path.cpu()
        assert {there.energy.device.type, there.certified_energy.device.type} == {"cpu"}
    here = solved(SOLVERS[name], 2)
    assert torch.equal(path, here.path) and there.status == here.status
    assert torch.equal(there.energy, here.energy)
    assert torch.equal(there.score_evaluations, here.score_evaluations)


def test_the_string_method_relaxes_there_as_here() -> None:
    """Paths and scores; what measures a solution takes a backward pass, which the device lacks."""
    metric = PullbackMetric(ScoreField(QuarticShell(), 0.3))
    start, solver = linear(ENDS.double(), 9), StringMethod(9)
    with fake_device("cuda:1"):
        there = [found.cpu() for found in solver.relax(metric, start.to("cuda:1"))]
    for found, here in zip(there, solver.relax(metric, start), strict=True):
        assert torch.equal(found, here)


def per_iteration(name: str, pairs: int) -> dict[str, float]:
    """What two more iterations count, by the iteration; none of them stops before."""
    solver = replace(SOLVERS[name], tolerance=1e-14, damping=50.0)
    found: list[FakeDevice] = []
    for iterations in (1, 1, 3):  # the first fills what is kept a process
        with fake_device("cuda:1") as there:
            done = solved(replace(solver, max_iterations=iterations), pairs, "cuda:1")
        assert set(done.status) == {"out_of_budget"}, done.status
        found.append(there)
    return {key: (found[2].counted[key] - found[1].counted[key]) / 2 for key in ("reads", "copies")}


@pytest.mark.parametrize("name", ["adaptive", "plain"])
def test_an_iteration_copies_and_waits_as_often_for_many_pairs_as_for_two(name: str) -> None:
    few, many = per_iteration(name, 2), per_iteration(name, 4)
    assert few == many
    assert 0 < few["reads"] <= READS[name] and 0 < few["copies"] <= COPIES


def test_the_fake_device_counts_and_refuses() -> None:
    with fake_device("cuda:1") as there:
        x = torch.arange(4.0).to("cuda:1")
        assert there.counted == {"copies": 1} and x.device == torch.device("cuda:1")
        y = x + torch.ones(4, device="cuda:1")
        assert there.counted == {"copies": 1}
        assert float(y[2]) == 3 and y.cpu().tolist() == [1, 2, 3, 4] and bool((y > 0).all())
        assert there.counted["reads"] == 3
        y[torch.tensor([True, False, False, True])] = 0.0
        assert x[torch.tensor([1, 2])].tolist() == [1, 2] and there.counted["copies"] == 3
        with pytest.raises(RuntimeError, match="cuda:1 and on the processor"):
            x + torch.ones(4)
