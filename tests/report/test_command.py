"""`scoregeo-report` on every kind of folder, and on what is none."""

import tomllib
from pathlib import Path

import pytest
import yaml

from scoregeo._utils.files import write_json, write_text
from scoregeo._utils.jobs import SWEEP
from scoregeo.report.command import main, report
from scoregeo.report.render import write_page
from tests.report.document import check_page
from tests.report.folders import (
    NAME,
    a_page,
    plot,
    results_folder,
    run_folder,
    sweep_folder,
)

pytestmark = pytest.mark.usefixtures("quick")

ROOT = Path(__file__).parent.parent.parent


def test_a_run_s_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_folder(tmp_path / "digits" / "abc")
    main([str(folder)])
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    page = check_page((folder / "report.html").read_text(encoding="utf-8"))
    assert ("strong", "36.0 [35.0, 37.0]") in page.words  # the winner
    assert "no <weights>" in page.plain() and str(tmp_path) not in page.text


def test_a_sweep_s_page(tmp_path: Path) -> None:
    folder = sweep_folder(tmp_path / "multirun", lams=(100.0,), points=(8, 16))
    page = check_page(report(folder, tmp_path / "out" / "sweep.html").read_text(encoding="utf-8"))
    assert "score is NaN at point &lt;3&gt;" in page.text and not (folder / "report.html").exists()
    assert str(tmp_path) not in page.text


def test_unrelated_runs_stand_each_on_its_own(tmp_path: Path) -> None:
    """As in `outputs`: runs with Hydra's record, a shard's folder, and a sweep's, whose jobs'
    results are runs beside it.
    """
    runs = [
        run_folder(tmp_path / "a" / "one", frames=False),
        run_folder(tmp_path / "b" / "two", failure="lost"),
    ]
    run_folder(runs[0] / "shards" / "0_of_2", frames=False)
    for folder in (*runs, tmp_path / "b" / "sweep_1" / "0"):
        write_text(folder / ".hydra" / "overrides.yaml", "- experiment=sphere\n")
    write_json(tmp_path / "b" / "sweep_1" / SWEEP, {"command": "scoregeo -m", "jobs": [[]]})
    page = check_page(report(tmp_path).read_text(encoding="utf-8"))
    assert {"run-0", "run-1"} <= page.ids and "run-2" not in page.ids
    assert "lost" in page.plain() and "Sweep" not in page.plain()


def test_a_page_s_own_folder(tmp_path: Path) -> None:
    folder = results_folder(tmp_path / "results") / NAME
    page = check_page(report(folder).read_text(encoding="utf-8"))
    assert "Does it turn a <digit>?" in page.plain()


def test_results_page_is_the_same_twice(tmp_path: Path) -> None:
    folder = results_folder(tmp_path / "results")
    first = report(folder).read_bytes()
    assert report(folder).read_bytes() == first
    check_page(first.decode("utf-8"))


def test_results_open_on_questions_findings_and_a_figure(tmp_path: Path) -> None:
    results = results_folder(tmp_path / "results")
    write_page(a_page(name="other"), results / "other")
    plot(results / "other" / "figures" / "energy.png")
    experiments = tmp_path / "experiments"
    (experiments / "digits").mkdir(parents=True)
    (experiments / "digits" / "README.md").write_text("# Digits")
    told = {"title": "Digits", "question": "Why < 3?", "finding": "So.", "pages": [NAME, "lost"]}
    (experiments / "index.yaml").write_text(yaml.safe_dump({"digits": told, "none": told}))
    page = check_page(report(results).read_text(encoding="utf-8"))
    cards = [one["id"] for one in page.all("section") if one.get("class") == "card"]
    assert cards == ["question-digits", "question-further"] and {NAME, "other"} <= page.ids
    words = page.plain()
    assert words.index("Why < 3?") < words.index("So.") < words.index("36.0 [35.0, 37.0]")
    links = [one["href"] for one in page.all("a")]
    assert f"{NAME}/table.md" in links and "../experiments/digits/README.md" in links
    assert all((results / link).is_file() for link in links if not link.startswith("#"))
    out = tmp_path.parent / "elsewhere" / "x.html"
    elsewhere = check_page(report(results, out).read_text(encoding="utf-8"))
    assert all(one["href"].startswith("#") for one in elsewhere.all("a"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "is not a folder"),
        (lambda path: path.mkdir(), "is empty"),
        (lambda path: (path.mkdir(), (path / "notes.md").write_text("#")), "holds none"),
        (lambda path: path.write_text(""), "is not a folder"),
    ],
)
def test_what_is_no_folder_of_ours(tmp_path: Path, make: object, words: str) -> None:
    make(tmp_path / "x")  # type: ignore[operator]
    with pytest.raises(SystemExit, match=f"{words}: give the folder of a run"):
        main([str(tmp_path / "x")])
    with pytest.raises(SystemExit, match="scoregeo report: error: "):
        main([str(tmp_path / "x")], "scoregeo report")


def test_out_must_be_html(tmp_path: Path) -> None:
    with pytest.raises(
        SystemExit,
        match=r"--out = .*page\.pdf.* is not allowed: --out must be a file that ends in \.html",
    ):
        main([str(run_folder(tmp_path / "run")), "--out", str(tmp_path / "page.pdf")])


def test_the_command_and_its_templates_are_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["scripts"]["scoregeo-report"] == "scoregeo.report.command:main"
    assert project["tool"]["setuptools"]["package-data"]["scoregeo.report"] == ["templates/*"]
