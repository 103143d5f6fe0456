"""Several starts: each pair keeps the better of two known ways, at the cost of both."""

import json
import math
from pathlib import Path

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo._utils.files import load_tensors
from scoregeo.initializer.lerp import LerpInitializer
from scoregeo.initializer.several import SeveralInitializer, parts, solve_all
from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.run.problem.interpolation import InterpolationProblem
from scoregeo.solver.base import Step
from scoregeo.solver.gauss_newton import GaussNewton
from tests.commands import PLAIN, run_here
from tests.initializer.cases import (
    RoundInitializer,
    across_ends,
    along_ends,
    counted_gap_metric,
    given,
    open_ring,
)

STEP = 2 * math.pi / 60


def starts(ends: torch.Tensor, num_points: int) -> torch.Tensor:
    metric, _ = counted_gap_metric()
    several = SeveralInitializer({"lerp": LerpInitializer(), "round": RoundInitializer()})
    made = [
        part.prepare(metric, given(open_ring()))(ends, num_points)
        for part in parts("several", several).values()
    ]
    return torch.stack(made, 1)


def test_each_pair_keeps_the_better_way() -> None:
    """Across the gap LERP is caught and the arc is right; a start through its middle is wrong along
    the data.
    """
    metric, score = counted_gap_metric()
    both = starts(torch.cat([along_ends(), across_ends()]), 33)
    through = both[0, 0].clone()
    through[1:-1] += (
        torch.tensor([-2.0, -1.5]) * torch.sin(torch.linspace(0, math.pi, 33))[1:-1, None]
    )  # crosses the hole and the gap
    both[0, 1] = through
    solver = GaussNewton(33, subnodes=4, max_iterations=40)
    before = score.count
    solution, kept = solve_all(solver, metric, both)
    assert kept.tolist() == [0, 1]
    spent = solution.score_evaluations + solution.certificate_evaluations
    assert int(spent.sum()) == score.count - before  # the batch's whole cost, none of it lost
    alone = [solver.solve(metric, both[:, start]) for start in (0, 1)]
    for pair, start in enumerate(kept.tolist()):
        certified = [float(one.certified_energy[pair]) for one in alone]
        assert certified[start] < 0.7 * certified[1 - start]
        assert float(solution.certified_energy[pair]) == pytest.approx(certified[start], rel=1e-6)
        torch.testing.assert_close(solution.path[pair], alone[start].path[pair])
        evaluations = sum(int(one.score_evaluations[pair]) for one in alone)
        assert int(solution.score_evaluations[pair]) == evaluations
        assert solution.status[pair] == alone[start].status[pair]
        assert float(solution.stationarity[pair]) == pytest.approx(
            float(alone[start].stationarity[pair]), rel=1e-3
        )
    # Known lengths of the two ways, blurring aside.
    assert float(solution.certified_energy[0]) == pytest.approx((12 * STEP) ** 2 / 2, rel=0.03)
    assert float(solution.length[1]) == pytest.approx(43 * STEP, rel=0.3)
    assert len(solution.history) > 1 and all(step.energy.shape == (2,) for step in solution.history)
    assert solution.history[-1].score_evaluations.tolist() == solution.score_evaluations.tolist()


def test_one_start_is_solved_as_before() -> None:
    metric, _ = counted_gap_metric()
    start = starts(along_ends(), 17)[:, :1]
    solver = GaussNewton(17)
    solution, kept = solve_all(solver, metric, start)
    plain = solver.solve(metric, start[:, 0])
    assert (
        kept.tolist() == [0]
        and torch.equal(solution.path, plain.path)
        and solution.status == plain.status
    )
    assert torch.equal(solution.score_evaluations, plain.score_evaluations) and len(
        solution.history
    ) == len(plain.history)


def test_steps_tell_the_best_so_far() -> None:
    metric, _ = counted_gap_metric()
    steps: list[Step] = []
    solution, kept = solve_all(
        GaussNewton(9, max_iterations=3), metric, starts(across_ends(), 9), steps.append
    )
    assert kept.tolist() == [1] and all(step.energy.shape == (1,) for step in steps)
    assert float(steps[-1].energy) < 1000  # LERP stays above ten thousand
    assert int(steps[-1].score_evaluations) <= int(solution.score_evaluations)


def test_a_start_that_is_not_finite_is_not_kept() -> None:
    metric, _ = counted_gap_metric()
    both = starts(along_ends(), 9)

    class OneBad:
        """A solver whose last path has an energy of NaN."""

        def solve(self, *arguments: object) -> object:
            solution = GaussNewton(9).solve(*arguments)  # type: ignore[arg-type]
            solution.certified_energy[0] = math.nan
            return solution

    _, kept = solve_all(OneBad(), metric, both)  # type: ignore[arg-type]
    assert kept.tolist() == [1]


def test_rows_name_the_start_and_show_its_path(tmp_path: Path) -> None:
    overrides = [
        *PLAIN,
        "initializer=several",
        "initializer.starts.graph.cache=false",
        "initializer.starts.graph.num_references=200",
        "dataset.num_pairs=2",
        "solver.num_points=8",
    ]
    folder, reason = run_here(overrides, tmp_path)
    assert reason is None
    lines = [
        json.loads(line)
        for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    rows = {(line["method"], line["pair"]): line for line in lines}
    methods = list(dict.fromkeys(line["method"] for line in lines))
    assert "start_several" in methods and "start" not in rows["lerp", lines[0]["pair"]]
    points = {
        m: load_tensors(folder / "paths" / f"{m}.safetensors")["points"]
        for m in ("start_several", "lerp")
    }
    for index, pair in enumerate(dict.fromkeys(line["pair"] for line in lines)):
        start, solved = rows["start_several", pair], rows["stein_gauss_newton", pair]
        assert start["start"] == solved["start"] and start["start"] in (
            "lerp",
            "graph",
            "perturbed",
        )
        is_lerp = torch.allclose(points["start_several"][index], points["lerp"][index])
        assert is_lerp == (start["start"] == "lerp")
        assert start["score_evaluations"] == solved["measures"]["start_evaluations"] > 0
        assert solved["score_evaluations"] % 8 == 0 and solved["score_evaluations"] >= 3 * 2 * 8


def test_the_start_s_row_does_not_depend_on_the_order() -> None:
    """As where an interrupted run left the solver's row and not the start's."""
    config, _ = compose(
        [
            *PLAIN,
            "dataset.num_pairs=2",
            "solver.num_points=8",
            "initializer=several",
            "~initializer.starts.graph",
        ]
    )
    alone, after = (InterpolationProblem(build(config)).methods() for _ in range(2))
    first = alone["start_several"](None)
    after["stein_gauss_newton"](None)
    second = after["start_several"](None)
    assert first.start == second.start and torch.equal(first.path, second.path)
    assert torch.equal(first.score_evaluations, second.score_evaluations)


def test_what_is_no_start_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"initializer\.starts = \{\}"):
        SeveralInitializer({})
    with pytest.raises(ConfigError, match=r"initializer\.starts\.twice is a SeveralInitializer"):
        SeveralInitializer({"twice": SeveralInitializer({"lerp": LerpInitializer()})})  # type: ignore[dict-item]


def test_inner_settings_are_checked_with_their_place(tmp_path: Path) -> None:
    wrong = ["initializer=several", *PLAIN]
    _, reason = run_here([*wrong, "+initializer.starts.graph.neighbour=3"], tmp_path / "a")
    assert reason is not None and "initializer.starts.graph.neighbour is not a setting" in reason
    _, reason = run_here([*wrong, "initializer.starts.graph.neighbours=0"], tmp_path / "b")
    assert (
        reason is not None
        and "initializer.neighbours = 0" in reason
        and "initializer.starts.graph" in reason
    )
    _, reason = run_here(
        [
            *wrong,
            "+initializer@initializer.starts.late=continued",
            "initializer.starts.late.sigma_start=0.01",
        ],
        tmp_path,
    )
    assert reason is not None and "initializer.sigma_start = 0.01" in reason
