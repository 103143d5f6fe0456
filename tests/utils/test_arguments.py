"""Arguments of the commands that argparse reads: what is out of range is refused at once."""

import importlib
import re
from pathlib import Path

import pytest

REFUSED = [
    ("experiments.large_data.__main__", "--digits 0", "--digits: the number = 0 .*at least 1"),
    ("experiments.large_data.__main__", "--digits -5", "--digits: the number = -5 "),
    ("experiments.large_data.__main__", "--graph 1", "--graph: the number = 1 .*at least 9"),
    ("experiments.large_data.__main__", "--side 0", "--side: the number = 0 .*at least 28"),
    ("experiments.large_data.__main__", "--mnist /nope", "--mnist: '/nope' is no folder"),
    ("experiments.large_data.__main__", "--searches ivf", "--searches: exact must"),
    ("experiments.large_data.__main__", "--searches all", "--searches: invalid choice"),
    ("experiments.large_data.hundred", "--mnist /nope", "--mnist: '/nope' is no folder"),
    ("experiments.memory.__main__", "--chunks 16 0", "--chunks: the number = 0 "),
    ("experiments.memory.__main__", "--frames two", "--frames: 'two' is no whole number"),
    ("experiments.benchmark.__main__", "--seed -1", "--seed: the number = -1 .*at least 0"),
    ("experiments.benchmark.landscapes", "--points 2", "--points: the number = 2 .*at least 3"),
    ("experiments.benchmark.refinement", "--lam nan", "--lam: the number = nan .*above 0"),
    ("experiments.benchmark.refinement", "--lam x", "--lam: 'x' is no number"),
    ("high_dimension", "--results=", "--results: a path is expected"),
    ("reproduce", "--output=", "--output: a path is expected"),
    ("reproduce", "--results=", "--results: a path is expected"),
    ("reproduce", "output=/x", "output=/x: --output=/x sets it"),
    ("reproduce", "results=/x", "results=/x: --results=/x sets it"),
]


@pytest.mark.parametrize(("module", "line", "words"), REFUSED)
def test_what_is_out_of_range_is_refused(
    module: str,
    line: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts"))
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module(module).main(line.split())
    assert stopped.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.search(words, said), said
