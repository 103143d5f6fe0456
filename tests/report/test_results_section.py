"""Results: the same page with the runs behind them and without, and what is refused."""

import shutil
from pathlib import Path

import pytest

from scoregeo._utils.errors import DataError
from scoregeo.report.page import Dots, Figure, Scrub, Table
from scoregeo.report.results_section import failed_runs, keep_runs, results_sections
from tests.report.folders import METHODS, results_folder, run_folder

NAME = "rotated_mnist_empirical"


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, Path]:
    """Results with their run found, and two runs that are not theirs: another command, and one that
    failed.
    """
    results, runs = results_folder(tmp_path / "results"), tmp_path / "runs"
    run_folder(runs / NAME / "aaa")
    run_folder(runs / NAME / "bbb", command=("experiment=rotated_mnist_empirical", "seed=3"))
    run_folder(runs / "torus" / "ccc", failure="out of <memory>")
    assert keep_runs(results, runs) == [NAME]
    return results, runs


def test_everything_is_there(kept: tuple[Path, Path]) -> None:
    (section,) = results_sections(*kept)
    assert (
        section.title == "Rotations of <one> digit"
        and section.command == f"scoregeo experiment={NAME}"
    )
    assert dict(section.facts) == {"seed": "3", "pairs": "2"}
    assert ("run folder", f"../runs/{NAME}/aaa/") in section.links
    kinds = [type(block) for block in section.blocks]
    assert {Dots, Table, Figure, Scrub} <= set(kinds)
    scrubs = [block for block in section.blocks if isinstance(block, Scrub)]
    assert [scrub.pair for scrub in scrubs] == ["60deg_000", "120deg_000"] and scrubs[
        0
    ].methods == METHODS
    assert any(
        isinstance(block, Table) and block.folded and "comparisons" in block.caption
        for block in section.blocks
    )


def test_comparisons_that_the_page_has_are_folded_and_not_told_twice(
    kept: tuple[Path, Path],
) -> None:
    results, _ = kept
    page = results / f"{NAME}.md"
    page.write_text(
        page.read_text()
        + "\n## Against the best\n\n| method | against | p |\n| --- | --- | ---: |\n| a | b |"
        " 0.1 |\n"
    )
    tables = [
        block
        for block in results_sections(results)[0].blocks
        if isinstance(block, Table) and "against" in block.head
    ]
    assert [(table.caption, table.folded) for table in tables] == [
        ("Against the best", True)
    ]  # all compared pairs are in it


def test_runs_of_another_format_are_passed_over(kept: tuple[Path, Path]) -> None:
    results, runs = kept
    path = runs / NAME / "aaa" / "manifest.json"
    path.write_text(path.read_text().replace('"format"', '"was"'))
    assert keep_runs(results, runs) == []


def test_a_clone_without_runs_gives_the_same_blocks(kept: tuple[Path, Path]) -> None:
    results, runs = kept
    before = results_sections(results, runs)[0].blocks
    shutil.rmtree(runs)
    assert keep_runs(results, runs) == []
    section = results_sections(results, runs)[0]
    assert section.blocks == before and "run folder" not in dict(section.links)


def test_strips_are_left_out_where_frames_can_be_scrubbed(kept: tuple[Path, Path]) -> None:
    results, _ = kept
    page, name = results / f"{NAME}.md", f"figures/{NAME}-strip_60deg_000.png"
    shutil.copy(results / f"figures/{NAME}-energy.png", results / name)
    page.write_text(page.read_text() + f"\n![{name}]({name})\n")
    shown = [
        block.caption for block in results_sections(results)[0].blocks if isinstance(block, Figure)
    ]
    assert shown == [f"{NAME}-energy"]


def test_pages_stand_under_the_questions_they_answer(kept: tuple[Path, Path]) -> None:
    results, _ = kept
    for name in ("a", "z"):
        for suffix in ("md", "csv"):
            shutil.copy(results / f"{NAME}.{suffix}", results / f"{name}.{suffix}")
    experiments = results.parent / "experiments"
    for folder, text in (
        (
            "",
            (
                "| folder | question |\n|---|---|\n| [two](two/README.md) | Why < 3? |\n|"
                " [one](one/README.md) | How? |\n"
            ),
        ),
        (
            "two",
            (
                "# Two\n\n[z](../../results/z.md)\n\n## Found\n\nLike"
                f" [this](../../results/{NAME}.md).\n"
            ),
        ),
        ("one", f"# One\n\n[page](../../results/{NAME}.md), [again](../../results/z.md)\n"),
    ):
        (experiments / folder).mkdir(exist_ok=True)
        (experiments / folder / "README.md").write_text(text)
    sections = results_sections(results)
    # A page mentioned among the findings of one folder is of the folder that gives it as its own.
    assert [(section.id, section.part) for section in sections] == [
        ("z", "Two"),
        (NAME, "One"),
        ("a", "Further pages"),
    ]
    assert [section.claim for section in sections] == [("Why &lt; 3?",), ("How?",), ()]
    assert ("what was found", "../experiments/two/README.md") in sections[0].links


def test_failed_runs_are_named(kept: tuple[Path, Path]) -> None:
    results, runs = kept
    (failure,) = failed_runs(runs, results)
    assert (failure.name, failure.reason, failure.link) == (
        "torus",
        "out of <memory>",
        "../runs/torus/ccc/",
    )


def test_what_is_refused(kept: tuple[Path, Path], tmp_path: Path) -> None:
    results, _ = kept
    with pytest.raises(
        DataError, match=r"holds no results: at least one NAME\.md with its NAME\.csv"
    ):
        results_sections(tmp_path)
    numbers, record, page = (results / f"{NAME}.{suffix}" for suffix in ("csv", "json", "md"))
    good = numbers.read_text()
    for old, new, words in (
        (",left_out", ",left", "lacks the column.*left_out.*another version"),
        (",36.0,", ",many,", "no number"),
    ):
        numbers.write_text(good.replace(old, new))
        with pytest.raises(DataError, match=words):
            results_sections(results)
    numbers.write_text(good)
    text = record.read_text()
    record.write_text(text.replace('"format": 1', '"format": 0'))
    with pytest.raises(DataError, match="its format is 0, and 1 is read here"):
        results_sections(results)
    record.write_text(text)
    page.write_text(page.read_text().replace("energy.png)", "lost.png)"))
    with pytest.raises(DataError, match=r"shows figures/.*lost\.png, which is not there"):
        results_sections(results)
