"""How often each start leads to the best known geodesic: one cell a problem and start, kept as it is done.

For every pair and start: Gauss-Newton from the start, and the energy of the path it ends at, certified on a finer quadrature. The
best known energy of a pair is the least of these over all its starts; a start has reached it where its own is within 5 %.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scoregeo.core.errors import DataError, ScoreError
from scoregeo.core.files import read_json, write_json
from scoregeo.initializer.base import AbstractInitializer
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.certificate import REFINEMENT
from scoregeo.solver.gauss_newton import GaussNewton

log = logging.getLogger(__name__)

REACHED = 1.05  # of the best known energy
_FORMAT = 1

Values = tuple[float | None, ...]  # one a pair; None (null in JSON) where there is no finite number


@dataclass(frozen=True)
class Joining:
    """What a case's starts work on: `ends` [pairs, 2, *shape] with the `angles` between them, a metric, and its data.

    `references(count)` gives data points [count, *shape].
    """

    ends: torch.Tensor
    angles: tuple[float, ...]
    metric: SteinMetric
    references: Callable[[int], torch.Tensor]


@dataclass(frozen=True)
class Case:
    """One problem of the study. `joining` is called when its first cell is computed; `settings` say what it depends on.

    `far` are the starts that lie far from a geodesic: from these lam is raised step by step, as a user would.
    """

    name: str
    title: str
    joining: Callable[[], Joining]
    settings: Mapping[str, Any]
    starts: Mapping[str, AbstractInitializer]
    num_points: int = 33
    subnodes: int = 4
    max_iterations: int = 50
    far: tuple[str, ...] = ("lerp", "slerp", "perturbed")

    def solver(self, start: str) -> GaussNewton:
        return GaussNewton(
            self.num_points, subnodes=self.subnodes, max_iterations=self.max_iterations, continuation=start in self.far
        )

    def key(self, start: str) -> str:
        """Eight hexadecimal digits of all that a cell depends on."""
        facts = [_FORMAT, self.name, dict(self.settings), repr(self.starts[start]), repr(self.solver(start))]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Cell:
    """One start on one case; a value a pair.

    `energy`: certified, of the geodesic; `start_energy`: of the start itself, on the same quadrature; None where there is none.
    `start_evaluations`, `solver_evaluations`: score evaluations a pair, what the start prepares for all pairs shared among them.
    `seconds`: the batch's.
    """

    case: str
    start: str
    angles: tuple[float, ...]
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
        return _numbers(self.energy)


def run_case(case: Case, folder: Path, on_cell: Callable[[Cell], None] | None = None) -> list[Cell]:
    """The cells of a case, from `folder` where they are there, else computed and kept. `on_cell` is told each."""
    cells: list[Cell] = []
    joining: Joining | None = None
    for start in case.starts:
        path = folder / f"{case.name}-{start}-{case.key(start)}.json"
        cell = _load(path)
        if cell is None:
            joining = joining or case.joining()
            cell = run_cell(case, joining, start)
            write_json(path, {"format": _FORMAT, **vars(cell)})
        cells.append(cell)
        if on_cell is not None:
            on_cell(cell)
    return cells


@torch.no_grad()
def run_cell(case: Case, joining: Joining, start: str) -> Cell:
    """Prepare one start, solve from it, certify. A start that meets a bad score has no energies, and its reason as `failure`."""
    counting = CountingScore(joining.metric.field.score)
    metric = SteinMetric(ScoreField(counting, joining.metric.field.sigma), joining.metric.lam)
    pairs, began = len(joining.ends), time.perf_counter()
    try:
        path = case.starts[start].prepare(metric, joining.references)(joining.ends, case.num_points)
        spent = counting.count / pairs
        rule = Quadrature("trapezoid", REFINEMENT * case.subnodes)
        start_energy = torch.cat([metric.energy(one, rule) for one in path.split(1)])
        solution = case.solver(start).solve(metric, path)
    except ScoreError as error:
        log.warning("%s, %s: %s", case.name, start, error)
        nothing = (None,) * pairs
        return Cell(
            case.name, start, joining.angles, nothing, nothing, nothing, nothing, ("failed",) * pairs, (False,) * pairs,
            time.perf_counter() - began, str(error),
        )  # fmt: skip
    return Cell(
        case=case.name,
        start=start,
        angles=joining.angles,
        energy=tuple(solution.certified_energy.tolist()),
        start_energy=tuple(start_energy.tolist()),
        start_evaluations=(spent,) * pairs,
        solver_evaluations=tuple(float(value) for value in solution.score_evaluations.tolist()),
        status=solution.status,
        tunnelled=tuple(solution.tunnelled.tolist()),
        seconds=time.perf_counter() - began,
    )


@dataclass(frozen=True)
class Share:
    """What came of one start on one case at one angle (None: all of them): medians over `pairs` pairs.

    `reached`: pairs within 5 % of the best known energy. `ratio`: geodesic's energy over the best known; `start_ratio`: the
    start's own.
    """

    case: str
    start: str
    angle: float | None
    pairs: int
    reached: int
    ratio: float
    start_ratio: float
    start_evaluations: float
    solver_evaluations: float


def shares(cells: Sequence[Cell]) -> list[Share]:
    """Every start at every angle and at all of them, from the cells of one case."""
    best = torch.stack([cell.finite_energy for cell in cells]).amin(0)
    found = []
    for cell in cells:
        angles = torch.tensor(cell.angles)
        for angle in [*dict.fromkeys(cell.angles), None]:
            chosen = torch.ones(len(angles), dtype=torch.bool) if angle is None else angles == angle
            found.append(_share(cell, angle, chosen, best))
    return found


def _share(cell: Cell, angle: float | None, chosen: torch.Tensor, best: torch.Tensor) -> Share:
    ratio = (cell.finite_energy / best)[chosen].nan_to_num(torch.inf, torch.inf)  # infinite over infinite: no start has an energy
    own = (_numbers(cell.start_energy) / best)[chosen].nan_to_num(torch.inf, torch.inf)
    return Share(
        case=cell.case,
        start=cell.start,
        angle=angle,
        pairs=int(chosen.sum()),
        reached=int((ratio <= REACHED).sum()),
        ratio=_median(ratio),
        start_ratio=_median(own),
        start_evaluations=_median(_numbers(cell.start_evaluations)[chosen]),
        solver_evaluations=_median(_numbers(cell.solver_evaluations)[chosen]),
    )


def _numbers(values: Values) -> torch.Tensor:
    """[pairs] float64, infinity where there is no finite value."""
    found = torch.tensor([torch.inf if value is None else value for value in values], dtype=torch.float64)
    return found.nan_to_num(torch.inf, torch.inf)


def _median(values: torch.Tensor) -> float:
    """The lower of the two in the middle, so that one infinity of two does not hide the other."""
    return float(values.median())


def _load(path: Path) -> Cell | None:
    """A cell written before, or None where there is none or it is damaged."""
    try:
        found: dict[str, Any] = read_json(path)
        if found.pop("format") != _FORMAT:
            return None
        lists = {key: tuple(value) for key, value in found.items() if isinstance(value, list)}
        return Cell(**found | lists)
    except (DataError, TypeError, KeyError, AttributeError):
        return None
