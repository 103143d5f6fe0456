"""A run as a section: everything of it, or why there is nothing."""

from pathlib import Path

import pytest

from scoregeo.report.page import Dots, Figure, Prose, Scrub, Table
from scoregeo.report.picture import relative
from scoregeo.report.run import read_run
from scoregeo.report.run_section import experiment_claim, run_section
from tests.report.folders import METHODS, run_folder


def test_a_run_that_is_done(tmp_path: Path) -> None:
    section = run_section(read_run(run_folder(tmp_path / "digits" / "abc")), tmp_path)
    assert (
        section.title == "digits"
        and section.command == "scoregeo experiment=rotated_mnist_empirical"
    )
    assert dict(section.facts)["seed"] == "3" and "torch" in dict(section.facts)
    assert (
        section.links[0] == ("run folder", "digits/abc/")
        and ("summary.json", "digits/abc/summary.json") in section.links
    )
    kinds = [type(block) for block in section.blocks]
    assert list(dict.fromkeys(kinds)) == [Dots, Table, Prose, Scrub, Figure]
    notes = next(block.html for block in section.blocks if isinstance(block, Prose))
    for line in (
        "FID of &lt;few&gt; frames.",
        "stein_gauss_newton: 2 converged",
        "LPIPS: alex, from lpips, SHA-256 ab12, 0.1",
    ):
        assert line in notes
    scrub = next(block for block in section.blocks if isinstance(block, Scrub))
    assert scrub.methods == METHODS and scrub.opened


def test_a_run_that_failed(tmp_path: Path) -> None:
    section = run_section(
        read_run(run_folder(tmp_path / "digits" / "abc", failure="score is NaN")), tmp_path
    )
    assert [(f.name, f.reason, f.link) for f in section.failures] == [
        ("digits", "score is NaN", "digits/abc/")
    ]
    assert section.blocks == ()


def test_links_are_relative_and_quoted(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    assert relative(tmp_path / "a b", tmp_path / "page") == "../a%20b/"


@pytest.mark.parametrize(
    ("name", "claim"), [("sphere", ("Known truth: great circles of S^2 in R^3.",)), ("nothing", ())]
)
def test_claims_come_from_the_experiment_s_file(name: str, claim: tuple[str, ...]) -> None:
    assert experiment_claim(name) == claim
