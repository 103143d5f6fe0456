"""Several starts as a run's initializer: what its rows say, and what is refused."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import scoregeo
from scoregeo._utils.errors import ConfigError, ScoreError
from scoregeo._utils.files import load_tensors
from scoregeo.initializer.base import References, Starter
from scoregeo.initializer.lerp import LerpInitializer
from scoregeo.initializer.perturbed import PerturbedInitializer
from scoregeo.initializer.several import SeveralInitializer, solve_from_several
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.run.problem.interpolation import InterpolationProblem
from scoregeo.solver.base import Solution
from scoregeo.solver.gauss_newton import GaussNewton
from tests.commands import PLAIN, run_here
from tests.fields import MixtureScore
from tests.initializer.cases import across_ends, along_ends, counted_gap_metric, open_ring


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
            "modes",
        )
        is_lerp = torch.allclose(points["start_several"][index], points["lerp"][index])
        assert is_lerp == (start["start"] == "lerp")
        # A pair's share of what all starts cost, a whole number in the start's own row
        assert start["score_evaluations"] == int(solved["measures"]["start_evaluations"]) > 0
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


def test_a_second_solver_has_the_last_word_in_a_run() -> None:
    plain = [*PLAIN, "dataset.num_pairs=2", "solver.num_points=8", "initializer=several"]
    plain.append("~initializer.starts.graph")
    made = []
    for more in ([], ["+solver@initializer.finish=gauss_newton_fine"]):
        config, _ = compose([*plain, *more])
        experiment = build(config)
        outcome = InterpolationProblem(experiment).methods()["stein_gauss_newton"](None)
        energy = experiment.metric.energy(outcome.path, Quadrature("trapezoid", 16))
        made.append((energy, outcome.score_evaluations))
    assert (made[1][0] <= made[0][0]).all() and (made[1][0] < 0.999 * made[0][0]).any()
    assert (made[1][1] > made[0][1]).all()


def test_what_is_no_start_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"initializer\.finish = 3 is not allowed"):
        SeveralInitializer({"lerp": LerpInitializer()}, 3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"initializer\.starts = \{\}"):
        SeveralInitializer({})
    with pytest.raises(ConfigError, match=r"initializer\.starts\.twice is a SeveralInitializer"):
        SeveralInitializer({"twice": SeveralInitializer({"lerp": LerpInitializer()})})  # type: ignore[dict-item]


def test_inner_settings_are_checked_with_their_place(tmp_path: Path) -> None:
    wrong = ["initializer=several", *PLAIN]
    _, reason = run_here([*wrong, "+initializer.starts.graph.neighbour=3"], tmp_path / "a")
    assert reason is not None and "initializer.starts.graph.neighbour is not a setting" in reason
    _, reason = run_here([*wrong, "initializer.starts.graph.neighbours=0"], tmp_path / "b")
    assert reason is not None and "initializer.starts.graph.neighbours = 0 is not" in reason
    _, reason = run_here(
        [
            *wrong,
            "+initializer@initializer.starts.late=continued",
            "initializer.starts.late.sigma_start=0.01",
        ],
        tmp_path,
    )
    assert reason is not None and "initializer.starts.late.sigma_start = 0.01" in reason


@dataclass(frozen=True)
class BrokenInitializer(LerpInitializer):
    """Meets a point at which the score is not finite, when it is prepared or when it is used."""

    early: bool = False

    def prepare(
        self, metric: AbstractMetric, references: References, noisy: bool = False
    ) -> Starter:
        def broken(ends: torch.Tensor, num_points: int) -> torch.Tensor:
            raise ScoreError("the score is not finite at point 0.")

        if self.early:
            raise ScoreError("the score is not finite at reference 0.")
        return broken


@pytest.mark.parametrize("early", [False, True])
def test_a_start_that_fails_does_not_lose_the_others(early: bool) -> None:
    metric, _ = counted_gap_metric()
    broken = {"broken": BrokenInitializer(early), "lerp": LerpInitializer()}
    found = solve_from_several(GaussNewton(9), metric, along_ends(), SeveralInitializer(broken))
    alone = GaussNewton(9).solve(metric, linear(along_ends(), 9))
    assert found.start == ("lerp",) and torch.equal(found.path, alone.path)
    with pytest.raises(ScoreError, match="not finite"):
        solve_from_several(
            GaussNewton(9), metric, along_ends(), SeveralInitializer({"one": broken["broken"]})
        )


def test_starts_in_python() -> None:
    score = MixtureScore(open_ring(), 0.05)
    a, b = across_ends()[0]

    def solve(**more: object) -> Solution:
        return scoregeo.geodesic(score, a, b, 0.1, lam=100.0, num_points=17, **more)  # type: ignore[arg-type]

    found = solve(starts=("lerp", "graph", "modes"), references=open_ring())
    assert found.start[0] in ("graph", "modes")
    assert float(found.certified_energy) < 0.1 * float(solve().certified_energy)
    own = solve(starts={"mine": PerturbedInitializer(seed=3)}, solver=GaussNewton(17))
    assert own.start == ("mine",) and own.path.shape == (1, 17, 2)
    for wrong, message in (
        ({"starts": ("lerp", "mode")}, r"starts = 'mode' is not allowed.*lerp.*modes"),
        ({"starts": ()}, r"starts = \[\] is not allowed: .*one or more of lerp"),
        ({"starts": {}}, r"initializer\.starts = \{\}"),
        ({"starts": ("lerp", "graph")}, r"references = None is not allowed with .* graph"),
        ({"starts": ("lerp",), "start": linear(across_ends(), 17)}, "start and starts"),
    ):
        with pytest.raises(ConfigError, match=message):
            solve(**wrong)
    several = SeveralInitializer(starts={"mine": PerturbedInitializer()})
    metric = scoregeo.SteinMetric(scoregeo.ScoreField(score, 0.1), 100.0)
    with pytest.raises(ConfigError, match="on_step = 5 is not allowed.* function"):
        solve_from_several(GaussNewton(17), metric, across_ends(), several, on_step=5)  # type: ignore[arg-type]
