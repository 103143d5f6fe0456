"""The metric that other libraries are given is ours: else they would be timed on
another problem.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from experiments.benchmark.outside import (
    default_dtype_kept,
    geodesic_equation,
    geomstats_space,
    import_geomstats,
    scipy_bvp,
    scipy_ivp,
)
from scoregeo.metric.stein import SteinMetric
from scoregeo.score.field import ScoreField
from tests.fields import mixture, wavy

METRIC = SteinMetric(ScoreField(mixture(3), 0.6), 5.0)


def states() -> tuple[torch.Tensor, torch.Tensor]:
    return wavy(6, 3)[0], torch.randn(
        6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )


def test_geodesic_equation_is_the_christoffel_action() -> None:
    x, v = states()
    state = np.concatenate([x.numpy().T, v.numpy().T])
    flow = geodesic_equation(METRIC)(0.0, state)
    np.testing.assert_array_equal(flow[:3], v.numpy().T)
    np.testing.assert_allclose(flow[3:], -METRIC.christoffel(x, v, v).numpy().T, rtol=1e-12)
    np.testing.assert_allclose(geodesic_equation(METRIC)(0.0, state[:, 0]), flow[:, 0], rtol=1e-12)


def test_shooting_along_a_boundary_solution_recovers_it() -> None:
    ends = wavy(2, 3)[0] * torch.tensor([[1.0], [0.7]])
    curve, message = scipy_bvp(METRIC, ends, 1e-6)
    assert curve is not None and message == ""
    np.testing.assert_allclose(curve(np.array([0.0, 1.0])), ends.numpy(), atol=1e-6)
    step = 1e-4
    velocity = (
        4 * curve(np.array([step]))[0]
        - curve(np.array([2 * step]))[0]
        - 3 * curve(np.array([0.0]))[0]
    ) / (2 * step)
    shot = scipy_ivp(METRIC, ends[0].numpy(), velocity, 1e-9)
    # The boundary solution's own residual of 1e-6, magnified by the flow over unit time.
    np.testing.assert_allclose(shot(np.linspace(0, 1, 5)), curve(np.linspace(0, 1, 5)), atol=1e-3)


def test_geomstats_has_our_matrix_and_christoffel_symbols() -> None:
    # In a process of its own: geomstats chooses its backend once, and other tests need the other
    # one.
    environment = {
        **os.environ,
        "GEOMSTATS_BACKEND": "pytorch",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    command = [
        sys.executable,
        "-c",
        "from tests.experiments.benchmark.test_outside import compare_with_geomstats as f; f()",
    ]
    subprocess.run(command, check=True, env=environment)


def compare_with_geomstats() -> None:
    with default_dtype_kept():
        assert import_geomstats() is not None
        x, v = states()
        theirs = geomstats_space(METRIC, 3).metric
        torch.testing.assert_close(theirs.metric_matrix(x), METRIC.matrix(x))
        symbols = theirs.christoffels(x)
        torch.testing.assert_close(
            torch.einsum("bkij,bi,bj->bk", symbols, v, v), METRIC.christoffel(x, v, v)
        )
    assert torch.get_default_dtype() == torch.float32
