"""Checks without slow imports: they refuse what the constructors refuse, in the same words, and
nothing else.
"""

from pathlib import Path

import pytest

from scoregeo._utils.errors import ConfigError
from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.run.early_checks import check_early, check_values

TRAINED = ["dataset=torus", "score=mlp", "score.steps=2"]


@pytest.mark.parametrize(
    "overrides",
    [
        ["metric.lam=0"],
        ["metric.lam=much"],
        ["solver.num_points=1"],
        ["solver=lbfgs", "solver.quadrature=gauss"],
        ["solver.tolerance=1"],
        ["solver.damping=-1"],
        ["dataset.max_angle=4"],
        ["dataset.min_angle=2", "dataset.max_angle=1"],
        ["inversion=shared_noise", "inversion.decode_steps=0"],
        ["initializer=graph", "initializer.neighbours=0"],
        ["baseline=[lerp,nao]", "baseline.nao.max_iterations=0"],
        ["baseline=[pullback]", "baseline.pullback.solver.subnodes=0"],
        ["extrapolation=[density]", "extrapolation.density.substeps=0"],
        ["experiment=sphere", "rivals.adam.learning_rate=-1"],
        [*TRAINED, "score.width=0"],
        ["seed=-1"],
        ["evaluation.bootstrap=0"],
        ["runner=1"],
    ],
)
def test_same_words_as_the_constructor(overrides: list[str]) -> None:
    config, _ = compose(overrides)
    with pytest.raises(ConfigError) as early:
        check_early(config)
    if config["runner"] is not None:
        assert "runner = 1 is not allowed" in str(early.value)
        return
    with pytest.raises(ConfigError) as built:
        build(config)
    assert str(early.value) == str(built.value)


SOURCE = """
from scoregeo._utils.errors import check_number


class Settled:
    def __init__(self, count, share=None, most=3):
        count = 1 if count is None else count
        check_number("count", count, at_least=1)
        check_number("share", share, above=0.0, below=limit())
        if most is None:
            return
        check_number("most", most, at_most=3)
"""


@pytest.mark.parametrize("node", [{"count": None}, {"count": 1, "share": -1}, {"most": 9}])
def test_what_only_the_constructor_knows_is_left_to_it(
    node: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settled.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    check_values({"_target_": "settled.Settled", **node})


def test_a_class_of_one_s_own_is_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = SOURCE.replace("        count = 1 if count is None else count\n", "")
    (tmp_path / "settled_too.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="count = 0 is not allowed"):
        check_values({"_target_": "settled_too.Settled", "count": 0})
    check_values({"_target_": "settled_too.Absent", "count": 0})
    check_values({"_target_": "no.such.module", "count": 0})
