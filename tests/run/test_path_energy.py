"""The common rule of all methods: the metric's own numbers, and no path measured twice."""

from dataclasses import replace

import torch

from scoregeo.path.quadrature import Quadrature
from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.run.path_energy import PathEnergy
from scoregeo.run.problem.interpolation import InterpolationProblem
from tests.commands import PLAIN

PAIRS, POINTS, PARTS = 3, 6, 4


def test_equal_paths_are_measured_once() -> None:
    sizes = (
        f"dataset.num_pairs={PAIRS}",
        f"solver.num_points={POINTS}",
        f"evaluation.certify_subnodes={PARTS}",
    )
    config, _ = compose(["experiment=sphere", "~rivals.adam", *sizes, *PLAIN])
    experiment = build(config)
    problem = InterpolationProblem(experiment)
    energy = PathEnergy(experiment, problem)
    line = problem.methods()["start_lerp"](None)
    other = replace(line, path=line.path.clone())
    other.path[:, 1:-1] *= 1.01
    found, spent = [], []
    for outcome in (line, replace(line, path=line.path.clone()), other, line):
        before = experiment.evaluations()
        found.append(energy.values(outcome))
        spent.append(experiment.evaluations() - before)
    each = PAIRS * ((POINTS - 1) * PARTS + 1)
    assert spent == [each, 0, each, 0]
    for outcome, values in zip((line, line, other, line), found, strict=True):
        measured = problem.measure(outcome.path, Quadrature("trapezoid", PARTS))
        for name, expected in (
            ("energy", measured.energy),
            ("energy_excess", measured.excess),
            ("metric_length", measured.length),
        ):
            assert torch.equal(values[name], expected)  # type: ignore[arg-type]  # a tensor for these
