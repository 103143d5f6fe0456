"""Part 2: how the cost grows with the points of a path, the dimension, the weight of the score, and
the pairs.
"""

from dataclasses import dataclass, replace
from typing import Any

from experiments.benchmark.problem import sphere
from experiments.benchmark.race import SPLINE, RaceSettings, exact_solvers, least, outcome
from experiments.benchmark.trace import trace

QUANTITIES = ("points", "dimension", "lam", "pairs")


@dataclass(frozen=True)
class GrowthSettings:
    """Sweeps on S^2, exact score at sigma 0.05, each around the other settings here. `limit`:
    seconds a run may take.
    """

    points: int = 64
    dimension: int = 3
    lam: float = 1000.0
    pairs: int = 4
    max_iterations: int = 100
    limit: float = 20.0
    sweeps: tuple[tuple[str, tuple[float, ...]], ...] = (
        ("points", (8, 16, 32, 64, 128, 256, 512)),
        ("dimension", (3, 50, 784, 4096, 16384)),
        ("lam", (1, 10, 100, 1000, 10000)),
        ("pairs", (1, 4, 16, 64)),
    )


def growth(settings: GrowthSettings, quantity: str, value: float, seed: int) -> dict[str, Any]:
    """One value of one sweep; as `race.race` without Adam, spline and reference."""
    here = replace(settings, **{quantity: value if quantity == "lam" else int(value)})  # type: ignore[arg-type]
    case = sphere(here.dimension, here.pairs, here.points, seed)
    solvers = exact_solvers(
        RaceSettings("sphere", points=here.points, max_iterations=here.max_iterations)
    )
    del solvers[SPLINE]
    traces = {name: trace(solver, case, here.lam, here.limit) for name, solver in solvers.items()}
    return outcome(case, traces, least(list(traces.values())))
