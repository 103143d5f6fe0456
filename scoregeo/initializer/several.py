"""Several starts of one problem, for a multi-start solve (`scoregeo.solver.multistart`)."""

from collections.abc import Mapping
from dataclasses import dataclass

from scoregeo._utils.errors import ConfigError
from scoregeo.initializer.base import AbstractInitializer
from scoregeo.metric.base import AbstractMetric


@dataclass(frozen=True)
class SeveralInitializer:
    """Initializers by name, each of which gives every pair a start; costs the sum of theirs, and so
    many times the solver's work.

    It is no initializer itself, for it gives a pair more than one path: `parts` gives its
    initializers, `solve_multistart` chooses."""

    starts: Mapping[str, AbstractInitializer]

    def __post_init__(self) -> None:
        if not isinstance(self.starts, Mapping) or not self.starts:
            raise ConfigError(
                f"initializer.starts = {self.starts!r} is not allowed: it must name one or more"
                " initializers."
            )
        for name, start in self.starts.items():
            if not isinstance(start, AbstractInitializer):
                raise ConfigError(
                    f"initializer.starts.{name} is a {type(start).__name__}: it must be an"
                    " initializer that gives one path."
                )

    def check(self, metric: AbstractMetric) -> None:
        """Raise ConfigError where one of the starts cannot be made for the metric."""
        for start in self.starts.values():
            start.check(metric)


Initializer = AbstractInitializer | SeveralInitializer


def parts(name: str, initializer: Initializer) -> Mapping[str, AbstractInitializer]:
    """The initializers that each give one start, by name: those of `several`, or any other itself
    as `name`.
    """
    return (
        initializer.starts if isinstance(initializer, SeveralInitializer) else {name: initializer}
    )
