"""A run of notes with the learned score: measures, sounds and spectra."""

from pathlib import Path

from scoregeo._utils.files import read_json
from scoregeo.report.table import rows_from_summary
from tests.commands import TINY, run_here


def test_a_run_with_the_learned_score(tmp_path: Path) -> None:
    overrides = [
        "experiment=notes_learned",
        *TINY["notes_learned"],
        "dataset.intervals=[100]",
        "evaluation.saved_pairs=1",
    ]
    folder, reason = run_here(overrides, tmp_path)
    assert reason is None
    rows = rows_from_summary(read_json(folder / "summary.json")["rows"])
    cells = {row.labels["method"]: row.cells for row in rows if row.labels["group"] == "all"}
    wanted = {"pitch_error", "pitch_step", "harmonic_share_least", "spectral_distance"}
    assert wanted | {"centroid_departure", "centroid_step", "amplitude_dip"} <= set(cells["lerp"])
    assert not {"delay_error", "tone_share_least"} & set(cells["lerp"])
    assert "pitch_error" not in cells["truth"]
    # Bands of two notes do not meet: their mean in dB is quieter than either.
    assert cells["lerp"]["amplitude_dip"].mean > 2
    assert cells["truth"]["amplitude_dip"].mean < 0.5
    (pair,) = (folder / "sounds").iterdir()
    assert (folder / "figures" / f"spectra_{pair.name}.png").is_file()
    for sound in pair.iterdir():
        assert sound.stat().st_size == 44 + 4 * 2000
    assert (
        sum(note.startswith("Pitch:") for note in read_json(folder / "manifest.json")["notes"]) == 1
    )


def test_between_two_instruments_there_is_no_truth(tmp_path: Path) -> None:
    folder, reason = run_here(
        ["experiment=notes_instruments", *TINY["notes_instruments"]], tmp_path
    )
    assert reason is None
    rows = rows_from_summary(read_json(folder / "summary.json")["rows"])
    cells = {row.labels["method"]: row.cells for row in rows if row.labels["group"] == "all"}
    assert set(cells) >= {"lerp", "slerp", "stein_gauss_newton"} and "truth" not in cells
    wanted = {"pitch_step", "harmonic_share_least", "centroid_departure", "centroid_step"}
    for found in cells.values():
        assert wanted <= set(found) and not {"pitch_error", "spectral_distance"} & set(found)
