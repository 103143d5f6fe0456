"""A run of sentences: what paths pass is kept, drawn and listed on the page."""

from pathlib import Path

from scoregeo._utils.files import read_json
from tests.commands import TINY, run_here


def test_the_page_lists_the_sentences_that_paths_pass(tmp_path: Path) -> None:
    folder, reason = run_here(["experiment=clock", *TINY["clock"]], tmp_path)
    assert reason is None
    rows = read_json(folder / "passages.json")
    (truth,) = [row["names"] for row in rows if row["method"] == "truth"]
    assert len(truth) == 4  # three steps
    assert {row["pair"] for row in rows} == {"3min_000"}  # the first of the group
    (lerp,) = [row["names"] for row in rows if row["method"] == "lerp"]
    assert (lerp[0], lerp[-1]) == (truth[0], truth[-1])
    assert (folder / "figures" / "passages.png").is_file()
    text = (folder / "table.md").read_text(encoding="utf-8")
    short = [name.removeprefix("It is ").removesuffix(".") for name in truth]
    assert " → ".join(short) in text or " → ".join(truth) in text
    assert "share of the true ones met" in text
    entries = read_json(folder / "summary.json")["rows"]
    met = {e["method"]: e["mean"] for e in entries if e["measure"] == "landmarks_met"}
    assert met["truth"] == 1.0
