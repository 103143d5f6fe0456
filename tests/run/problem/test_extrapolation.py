"""Extrapolation as a run: its rows, what is solved once, what is refused."""

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.base import AbstractDataset
from scoregeo.dataset.sphere import Sphere
from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.run.problem.extrapolation import ExtrapolationProblem
from tests.commands import PLAIN

CHEAP = "extrapolation=[paper,straight]"
SMALL = (
    "experiment=extrapolation",
    "dataset.num_pairs=3",
    "solver.num_points=8",
    "reach=[0.5,2]",
    *PLAIN,
)


def problem(*overrides: str) -> ExtrapolationProblem:
    config, _ = compose([*SMALL, *overrides])
    return ExtrapolationProblem(build(config))


def test_rows_are_every_pair_at_every_reach() -> None:
    made = problem(CHEAP)
    assert made.pairs.names == tuple(
        f"{share}pct_pair00{i}" for share in (50, 200) for i in range(3)
    )
    assert made.pairs.groups == ("50 %",) * 3 + ("200 %",) * 3
    assert list(made.methods()) == ["truth", "paper", "straight"]
    dataset = Sphere(num_pairs=3, max_angle=1.5)
    pairs = dataset.pairs(0)
    truth = made.truth(5)
    assert truth is not None
    assert torch.equal(truth[:3], dataset.true_continuation(pairs, 0.5, 5))
    assert torch.equal(truth[3:], dataset.true_continuation(pairs, 2.0, 5))
    lengths = made.true_length()
    assert lengths is not None and torch.equal(
        lengths, torch.cat([0.5 * dataset.true_length(pairs), 2 * dataset.true_length(pairs)])
    )
    assert torch.equal(made.pairs.ends, pairs.ends.repeat(2, 1, 1))


def test_geodesics_are_solved_once_and_counted_apart() -> None:
    made = problem(CHEAP)
    methods = made.methods()
    straight = methods["straight"](None)
    spent = made.experiment.evaluations()
    solution = made.interpolation.geodesic()
    certified = (
        made.experiment.evaluations() - spent
    )  # the same again: what the solver counts, and its certificate
    assert spent == certified and straight.score_evaluations.tolist() == [0] * 6
    assert straight.start_evaluations.tolist() == solution.score_evaluations.tolist() * 2
    before = made.experiment.evaluations()
    paper = methods["paper"](None)
    # Seven segments: 4 steps for half of the length, 14 for twice of it; nothing is solved again.
    assert paper.score_evaluations.tolist() == [4] * 3 + [14] * 3
    assert made.experiment.evaluations() - before == 3 * 4 + 3 * 14
    assert torch.equal(paper.path[:3, 0], solution.path[:, -1]) and torch.equal(
        paper.path[3:, 0], solution.path[:, -1]
    )
    assert paper.more["reached"].tolist() == [1] * 6


def test_a_geodesic_that_did_not_converge_shows_in_the_status() -> None:
    outcome = problem(CHEAP, "solver.max_iterations=1").methods()["straight"](None)
    assert outcome.status == ("complete (geodesic out_of_budget)",) * 6


def test_pictures_show_the_longest_rows_and_the_geodesic() -> None:
    made = problem(CHEAP)
    outcome = made.methods()["straight"](None)
    pairs, shown = made.pictured({"straight": outcome.path})
    assert list(shown) == ["geodesic", "straight"] and len(pairs) == 3
    assert torch.equal(shown["straight"], outcome.path[3:])
    assert torch.equal(shown["geodesic"][:, -1], outcome.path[3:, 0])


def test_a_noisy_geodesic_is_continued_at_its_noise_level_and_decoded() -> None:
    made = problem("extrapolation=[exponential,straight]", "inversion=ddim", "inversion.steps=200")
    assert made.noisy
    outcomes = {name: method(None) for name, method in made.methods().items()}
    lifted_end = made.interpolation.lifted[:, 1].repeat(2, 1)
    for name in ("stein_exponential", "straight"):
        assert outcomes[name].noisy
        assert torch.equal(outcomes[name].path[:, 0], lifted_end)
        # DDIM of 200 steps returns to its start to first order in the step: 0.05 / 200 data units a
        # step at most.
        decoded = made.decode(outcomes[name].path[:, :1])[:, 0]
        assert torch.allclose(decoded, made.interpolation.clean[:, 1].repeat(2, 1), atol=1e-3)
    assert not outcomes["truth"].noisy


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["reach=[0.5,0]"], r"reach\[1\] = 0 is not allowed.*above 0"),
        (["reach=[-1]"], r"reach\[0\] = -1 .*above 0"),
        (["reach=[far]"], r"reach\[0\] = 'far' .*above 0"),
        (["reach=0.5"], r"reach = 0\.5 .*a list of"),
        (["reach=[]"], r"reach = \[\] .*one or more numbers"),
        (["reach=[1,1]"], r"reach = \[1, 1\] .*without repetitions"),
        (["+rivals.again=${solver}"], r"rivals = \['again'\] .*empty where extrapolation is not"),
        (
            ["metric=pullback", "solver=adam", "~solver.subnodes"],
            r"extrapolation\.exponential .*'pullback'.*stein",
        ),
        (
            ["extrapolation.paper.score_weight=-1"],
            r"extrapolation\.paper\.score_weight = -1 .*at least 0",
        ),
        (
            ["+extrapolation.paper.score_wait=1"],
            r"extrapolation\.paper\.score_wait is not a setting.*'score_weight'",
        ),
        (["+extrapolation.mine=3"], r"extrapolation\.mine = 3 .*_target_"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_solved(
    overrides: list[str], words: str
) -> None:
    config, _ = compose([*SMALL, *overrides])
    with pytest.raises(ConfigError, match=words):
        build(config)


def test_a_dataset_without_a_true_continuation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sphere, "true_continuation", AbstractDataset.true_continuation)
    with pytest.raises(
        ConfigError,
        match=r"extrapolation = \['paper', 'straight'\] .*Sphere does not, dataset must be",
    ):
        problem(CHEAP)
