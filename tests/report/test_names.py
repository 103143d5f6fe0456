"""Names of methods for people; ids stay ids."""

import pytest

from scoregeo.report.names import method_name


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("truth", "Truth"),
        ("lerp", "LERP"),
        ("slerp_noise", "SLERP at the noise level"),
        ("start_lerp", "Start (LERP)"),
        ("start_graph", "Start (graph)"),
        ("stein_gauss_newton", "Geodesic (Stein, Gauss-Newton)"),
        ("stein_gauss_newton_adaptive", "Geodesic (Stein, Gauss-Newton, adaptive refinement)"),
        ("pullback_lbfgs", "Geodesic (pullback, L-BFGS)"),
        ("conformal", "Geodesic (conformal)"),
        ("stein_my_solver", "Geodesic (Stein, my solver)"),
        ("stein_exponential", "Geodesic continued (Stein)"),
        ("my_baseline", "my_baseline"),
        ("gauss_newton, trapezoid", "gauss_newton, trapezoid"),
        ("sigma = 0.1", "sigma = 0.1"),
    ],
)
def test_names(method: str, name: str) -> None:
    assert method_name(method) == name
