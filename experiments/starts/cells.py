"""How often each start leads to the best known geodesic: a cell for each case and start.

For every pair and start: Gauss-Newton from the start, and the energy of the path it ends at,
certified on a finer quadrature. The best known energy of a pair is the least of these over all its
starts; a start has reached it where its own is within 5 %."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import DataError, ScoreError, bad_value
from scoregeo._utils.files import read_json, write_json
from scoregeo._utils.results import FORMAT
from scoregeo.initializer.base import AbstractInitializer
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.run.build import build
from scoregeo.run.instantiate import make, option_name
from scoregeo.run.own_runner import reads
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.certificate import REFINEMENT
from scoregeo.solver.gauss_newton import GaussNewton

log = logging.getLogger(__name__)

CELLS = "methods"  # the cells' folder in a run's, which is cleared where a run is made anew

Values = tuple[float | None, ...]  # one a pair; None (null in JSON) where there is no finite number


@dataclass(frozen=True)
class Problem:
    """What a case's starts work on: ends, a metric, and its data.

    `ends` [pairs, 2, *shape], with the group of each pair, such as the angle between its ends.
    `references(count)` gives data points [count, *shape].
    """

    ends: torch.Tensor
    groups: tuple[str, ...]
    metric: SteinMetric
    references: Callable[[int], torch.Tensor]


@dataclass(frozen=True)
class Case:
    """One problem of the study. `problem` is called when its first cell is computed.

    `far` are the starts that lie far from a geodesic: from these lam is raised step by step, as a
    user would.
    """

    name: str
    problem: Callable[[], Problem]
    starts: Mapping[str, AbstractInitializer]
    solver: GaussNewton
    far: tuple[str, ...] = ("lerp", "slerp", "perturbed")

    def solver_from(self, start: str) -> GaussNewton:
        """The solver, with continuation where the start is far."""
        return replace(self.solver, continuation=start in self.far)


@dataclass(frozen=True)
class Cell:
    """One start on one case; a value a pair. `groups`: as of `Problem`.

    `energy`: certified, of the geodesic; `start_energy`: of the start itself, on the same
    quadrature; None where there is none. `start_evaluations`, `solver_evaluations`: score
    evaluations a pair, what the start prepares for all pairs shared among them. `seconds`: the
    batch's.
    """

    case: str
    start: str
    groups: tuple[str, ...]
    energy: Values
    start_energy: Values
    start_evaluations: Values
    solver_evaluations: Values
    status: tuple[str, ...]
    tunnelled: tuple[bool, ...]
    seconds: float
    failure: str = ""

    @property
    def finite_energy(self) -> torch.Tensor:
        """`energy` with infinity where there is none, [pairs] float64."""
        return numbers_of(self.energy)


@reads("dataset", "score", "metric", "solver", "seed", "device", "memory_gib")
def run(
    path: Path,
    config: Mapping[str, Any],
    case: str | None,
    starts: Mapping[str, Mapping[str, Any]],
    far: Sequence[str],
) -> None:
    """The work of one job of `study=starts`: a cell for each start, in the run's folder `path`.

    `config`: the run's, whose dataset, score, metric and solver make the problem. `case`: the
    case's name. `starts`: nodes of initializers, by name. `far`: as of `Case`; names that are no
    starts do nothing. A cell that lies in the folder already is not computed again.
    Raises ConfigError for a metric other than `stein`, a solver other than `gauss_newton`, and
    whatever the parts refuse.
    """
    made = {}
    for name, node in starts.items():
        made[name] = make("initializer", node, f"runner.starts.{name}")
    solver = make("solver", config["solver"])
    if not isinstance(solver, GaussNewton):
        raise bad_value("solver", option_name(config["solver"]), "'gauss_newton' for this study")
    if case is None:
        raise bad_value("runner.case", case, "a case's name, as the options of case/starts have it")
    found = Case(case, lambda: problem_of(config), made, solver, tuple(far))
    for cell in run_case(found, path / CELLS):
        log.info("%s, %s: %.1f s", cell.case, cell.start, cell.seconds)


def problem_of(config: Mapping[str, Any]) -> Problem:
    """Pairs, metric and references of a run's configuration.

    Raises ConfigError where it has another metric than `stein`.
    """
    experiment = build(config)
    dataset, metric, settings = experiment.dataset, experiment.metric, experiment.settings
    if not isinstance(metric, SteinMetric):
        raise bad_value("metric", metric.name, "'stein' for this study")
    pairs = dataset.pairs(settings.seed)
    return Problem(
        pairs.ends.to(settings.device),
        pairs.groups,
        metric,
        lambda count: dataset.sample(count, settings.seed).to(settings.device),
    )


def run_case(case: Case, folder: Path) -> Iterator[Cell]:
    """The cells of a case, from `folder` where they are there, else computed and kept."""
    problem: Problem | None = None
    for start in case.starts:
        path = folder / f"{start}.json"
        cell = load_cell(path)
        if cell is None:
            problem = problem or case.problem()
            cell = run_cell(case, problem, start)
            write_json(path, {"format": FORMAT, **vars(cell)})
        yield cell


@torch.no_grad()
def run_cell(case: Case, problem: Problem, start: str) -> Cell:
    """Prepare one start, solve from it, certify. A start that meets a bad score has no energies,
    and its reason as `failure`.
    """
    counting = CountingScore(problem.metric.field.score)
    metric = SteinMetric(ScoreField(counting, problem.metric.field.sigma), problem.metric.lam)
    pairs, began = len(problem.ends), time.perf_counter()
    try:
        paths = case.starts[start].prepare(metric, problem.references)
        path = paths(problem.ends, case.solver.num_points)
        spent = counting.count / pairs
        rule = Quadrature("trapezoid", REFINEMENT * case.solver.subnodes)
        start_energy = torch.cat([metric.energy(one, rule) for one in path.split(1)])
        solution = case.solver_from(start).solve(metric, path)
    except ScoreError as error:
        log.warning("%s, %s: %s", case.name, start, error)
        nothing = (None,) * pairs
        return Cell(
            case.name,
            start,
            problem.groups,
            nothing,
            nothing,
            nothing,
            nothing,
            ("failed",) * pairs,
            (False,) * pairs,
            time.perf_counter() - began,
            str(error),
        )
    return Cell(
        case=case.name,
        start=start,
        groups=problem.groups,
        energy=tuple(solution.certified_energy.tolist()),
        start_energy=tuple(start_energy.tolist()),
        start_evaluations=(spent,) * pairs,
        solver_evaluations=tuple(float(value) for value in solution.score_evaluations.tolist()),
        status=solution.status,
        tunnelled=tuple(solution.tunnelled.tolist()),
        seconds=time.perf_counter() - began,
    )


def numbers_of(values: Values) -> torch.Tensor:
    """[pairs] float64, infinity where there is no finite value."""
    found = torch.tensor(
        [torch.inf if value is None else value for value in values], dtype=torch.float64
    )
    return found.nan_to_num(torch.inf, torch.inf)


def load_cell(path: Path) -> Cell | None:
    """A cell written before, or None where there is none or it is damaged."""
    try:
        found: dict[str, Any] = read_json(path)
        if found.pop("format") != FORMAT:
            return None
        lists = {key: tuple(value) for key, value in found.items() if isinstance(value, list)}
        return Cell(**found | lists)
    except (DataError, TypeError, KeyError, AttributeError):
        return None
