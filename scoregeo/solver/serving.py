"""Which solver serves which metric, in one table."""

from scoregeo._utils.errors import ConfigError

# gauss_newton needs an energy whose residuals are log-density differences; georce an inverse
# metric; the others an energy.
SERVES: dict[str, tuple[str, ...]] = {
    "gauss_newton": ("stein", "euclidean"),
    "georce": ("stein", "conformal", "euclidean"),
    "lbfgs": ("stein", "pullback", "conformal", "euclidean"),
    "adam": ("stein", "pullback", "conformal", "euclidean"),
}


def check_served(solver: str, metric: str) -> None:
    """Raise ConfigError, naming every couple that works, where `solver` cannot serve `metric`."""
    if metric not in SERVES[solver]:
        couples = "; ".join(
            f"solver={name} with metric={', '.join(metrics)}" for name, metrics in SERVES.items()
        )
        raise ConfigError(
            f"solver = {solver!r} does not serve metric = {metric!r}; what works: {couples}."
        )
