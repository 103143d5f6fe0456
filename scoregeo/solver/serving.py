"""Which solver serves which metric: what each needs, and the refusal that says so."""

from scoregeo._utils.errors import ConfigError

# The package's own metrics, for the message. The solvers decide by what a metric declares:
# gauss_newton needs `least_squares` (or a flat metric), georce `linearise`, string_method
# `score_chords`, the others an energy.
SERVES: dict[str, tuple[str, ...]] = {
    "gauss_newton": ("stein", "euclidean"),
    "georce": ("stein", "conformal", "euclidean"),
    "string_method": ("pullback",),
    "lbfgs": ("stein", "pullback", "conformal", "euclidean"),
    "adam": ("stein", "pullback", "conformal", "euclidean"),
}


def refusal(solver: str, metric: str, needed: str) -> ConfigError:
    """The error of a solver that needs what the metric does not have, naming every couple that
    works.
    """
    couples = "; ".join(
        f"solver={name} with metric={', '.join(metrics)}" for name, metrics in SERVES.items()
    )
    return ConfigError(
        f"solver = {solver!r} does not serve metric = {metric!r}, which has no {needed}; what"
        f" works: {couples}. Metrics of your own: lbfgs and adam serve each."
    )
