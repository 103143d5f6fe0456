"""Runs of sound: files, players and measures in a run's folder and on a page of results."""

from pathlib import Path

import pytest
import torch

from scoregeo._utils.files import read_json
from scoregeo.report.page_settings import PageSettings
from scoregeo.report.run_page import result_page
from scoregeo.report.table import rows_from_summary
from tests.commands import TINY, run_here
from tests.report.document import check_page

METHODS = ["truth", "stein_exponential", "paper", "straight", "straight_chord"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tones continued past their second ends."""
    overrides = ["experiment=extrapolation_tones", *TINY["extrapolation_tones"]]
    folder, reason = run_here(overrides, tmp_path_factory.mktemp("runs"))
    assert reason is None
    return folder


def test_measures_of_sound_are_in_the_tables(folder: Path) -> None:
    rows = rows_from_summary(read_json(folder / "summary.json")["rows"])
    cells = {row.labels["method"]: row.cells for row in rows if row.labels["group"] == "all"}
    assert list(cells) == METHODS
    wanted = {"pitch_error", "pitch_error_max", "pitch_error_end", "tone_share_least"}
    assert wanted | {"amplitude_dip", "arrival_share"} <= set(cells["straight"])
    assert not {"pitch_error", "delay_error"} & set(cells["truth"])
    assert cells["truth"]["tone_share_least"].mean > 0.99
    # The chord leaves the tones by as much as it is long.
    assert cells["straight_chord"]["pitch_error_end"].mean > 20
    notes = read_json(folder / "manifest.json")["notes"]
    assert sum(note.startswith("Pitch:") for note in notes) == 1
    assert not any(note.startswith("Delay:") for note in notes)


def test_sounds_and_spectra_are_on_the_pages(folder: Path, tmp_path: Path) -> None:
    pairs = ["100pct_100cents_000", "100pct_300cents_000"]
    assert sorted(path.name for path in (folder / "sounds").iterdir()) == pairs
    for pair in pairs:
        assert {path.stem for path in (folder / "sounds" / pair).iterdir()} == set(METHODS)
        assert (folder / "figures" / f"sound_{pair}.png").is_file()
    page = check_page((folder / "report.html").read_text(encoding="utf-8"))
    players = page.all("audio")
    assert len(players) == 10 and all("controls" in player for player in players)
    assert players[0]["aria-label"] == f"Truth, pair {pairs[0]}"
    assert all(player["src"].startswith("data:audio/wav;base64,") for player in players)
    assert "media-src data:" in page.text
    (tmp_path / "tones" / "sounds" / "stale").mkdir(parents=True)
    made = result_page("tones", PageSettings(), folder, "scoregeo", tmp_path)
    kept = sorted(path.name for path in (tmp_path / "tones" / "sounds").iterdir())
    assert kept == pairs  # one of each group
    assert made.figures[0].file.startswith("sound_100pct_")
    assert (tmp_path / "tones" / "figures" / made.figures[0].file).is_file()


def test_an_empirical_score_of_waveforms(tmp_path: Path) -> None:
    """The same runner with another score: values and sounds are there."""
    overrides = [*TINY["chirps"], "score=empirical", "score.count=300", "score.sigma=0.3"]
    kept = [one for one in overrides if one != "score.sigma=0.2"]
    folder, reason = run_here(["experiment=chirps", *kept], tmp_path)
    assert reason is None
    rows = rows_from_summary(read_json(folder / "summary.json")["rows"])
    cells = {row.labels["method"]: row.cells for row in rows if row.labels["group"] == "all"}
    assert {"delay_error", "delay_error_max", "amplitude_dip"} <= set(cells["stein_gauss_newton"])
    assert "pitch_error" not in cells["lerp"]
    assert torch.tensor([cells["lerp"]["delay_error"].mean]).isfinite()
    assert (folder / "sounds" / "pair000" / "stein_gauss_newton.wav").is_file()
