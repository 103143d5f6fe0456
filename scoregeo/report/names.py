"""Human names of methods, for tables and figures. Files keep the ids."""

import textwrap

METRICS = {
    "stein": "Stein",
    "pullback": "pullback",
    "conformal": "conformal",
    "euclidean": "Euclidean",
}
SOLVERS = {
    "gauss_newton": "Gauss-Newton",
    "gauss_newton_adaptive": "Gauss-Newton, adaptive refinement",
    "gauss_newton_exact": "Gauss-Newton, exact gradient",
    "adam": "Adam",
    "adam_differentiated": "Adam, network differentiated",
    "adam_midpoint": "Adam, midpoint rule",
    "lbfgs": "L-BFGS",
    "spline_lbfgs": "Cubic spline, L-BFGS",
    "string_method": "string method",
    "georce": "GEORCE",
}
_STARTS = {"lerp": "LERP", "slerp": "SLERP", "graph_relaxed": "graph, relaxed edges"}
_METHODS = {
    "truth": "Truth",
    "lerp": "LERP",
    "slerp": "SLERP",
    "lerp_noise": "LERP at the noise level",
    "slerp_noise": "SLERP at the noise level",
    "graph_euclidean": "Euclidean graph, no score",
    "graph_power": "Euclidean graph, 4th powers, no score",
    "nao": "NAO",
    "nao_short": "NAO (cut budget)",
    "linear_combination": "Linear combination of latents",
    "noise_diffusion": "NoiseDiffusion",
    "density_geodesic": "Density geodesic",
    "density_geodesic_short": "Density geodesic (cut budget)",
    "spacetime": "Spacetime geodesic",
    "spacetime_short": "Spacetime geodesic (cut budget)",
    "stein": "Geodesic (Stein)",
    "pullback": "Geodesic (pullback)",
    "conformal": "Geodesic (conformal)",
    "land": "Geodesic (LAND, no score)",
    "rbf": "Geodesic (RBF, no score)",
    "paper": "Paper's extrapolation",
    "density": "Density extrapolation",
    "straight": "Straight, last direction",
    "straight_chord": "Straight, along the chord",
    **SOLVERS,
}


def method_name(method: str) -> str:
    """The name of a method's id, such as "Geodesic (Stein, Gauss-Newton)" of `stein_gauss_newton`.

    An id that is not known, as of a solver of one's own, keeps its words; what is no id is given
    back as it is.
    """
    if method in _METHODS:
        return _METHODS[method]
    kind, _, rest = method.partition("_")
    if not rest or not method.replace("_", "").isalnum():
        return method
    if kind == "start":
        return f"Start ({_STARTS.get(rest, rest.replace('_', ' '))})"
    if kind not in METRICS:
        return method
    if rest == "exponential":
        return f"Geodesic continued ({METRICS[kind]})"
    return f"Geodesic ({METRICS[kind]}, {SOLVERS.get(rest, rest.replace('_', ' '))})"


def wrapped(text: str, width: int) -> str:
    """A text in lines of at most `width` characters, its own line ends kept."""
    return "\n".join(textwrap.fill(line, width) for line in text.split("\n"))
