"""The common rule of all methods: the metric's own numbers, and no path measured twice."""

import torch

from scoregeo.evaluation.metric_length import further_metrics
from scoregeo.evaluation.path_energy import PathEnergy
from scoregeo.path.quadrature import Quadrature
from scoregeo.run.build import build
from scoregeo.run.command import compose
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
    metrics = further_metrics(["conformal"], experiment.metric, experiment.metric_of)
    energy = PathEnergy(problem.measure, metrics, PARTS)
    line = problem.methods()["start_lerp"](None).path
    other = line.clone()
    other[:, 1:-1] *= 1.01
    each = PAIRS * ((POINTS - 1) * PARTS + 1)
    for path, expected in ((line, each), (line.clone(), 0), (other, each), (line, 0)):
        before = experiment.evaluations()
        found = energy.own(path)
        assert experiment.evaluations() - before == expected
        measured = problem.measure(path, Quadrature("trapezoid", PARTS))
        for name in ("energy", "excess", "length"):
            assert torch.equal(getattr(found, name), getattr(measured, name))
    for path, expected in ((line, each), (line.clone(), 0), (other, each)):
        before = experiment.evaluations()
        assert energy.further(path).score_evaluations == each
        assert experiment.evaluations() - before == expected
