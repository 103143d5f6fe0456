"""Several starts as a run's initializer: what its rows say, and what is refused."""

import json
from pathlib import Path

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo._utils.files import load_tensors
from scoregeo.initializer.lerp import LerpInitializer
from scoregeo.initializer.several import SeveralInitializer
from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.run.problem.interpolation import InterpolationProblem
from tests.commands import PLAIN, run_here


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
