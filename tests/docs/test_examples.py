"""Every Python block of README.md and docs/ runs; output shown below it, as a block marked `text`,
is what it prints. Numbers agree to one unit of their last digit."""

import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs import CODE, PAGES, ROOT, named

END = "-- end of block --"
RUN = """
import contextlib, io, json, runpy, sys, traceback
found = []
for number in range(int(sys.argv[1])):
    text, failure = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(text):
            runpy.run_path(f"{number}.py", run_name="__main__")
    except BaseException:
        failure = traceback.format_exc()
    found.append([text.getvalue(), failure])
print(json.dumps(found))
"""
NUMBER = re.compile(r"[-+−]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
WITH_PYTHON = [
    page for page in PAGES if any(kind == "python" for _, kind, _ in CODE.findall(page.read_text()))
]


def blocks(text: str) -> list[tuple[str, str | None]]:
    """The Python blocks of a page, each with the output shown directly below it."""
    found = list(CODE.finditer(text))
    shown = {
        first.start(): second[3]
        for first, second in pairwise(found)
        if second[2] == "text" and not text[first.end() : second.start()].strip()
    }
    return [(match[3], shown.get(match.start())) for match in found if match[2] == "python"]


def unit(number: str) -> float:
    """One unit of the last digit of a number as it is written."""
    mantissa, _, exponent = number.partition("e")
    return float(10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2])))


def agree(printed: str, shown: str) -> bool:
    """Equal words, and numbers within one unit of the last digit shown."""
    parts = [NUMBER.split(text.strip()) for text in (printed, shown)]
    values = [NUMBER.findall(text) for text in (printed, shown)]
    return parts[0] == parts[1] and all(
        abs(float(one) - float(other)) <= 1.001 * unit(other)
        for one, other in zip(*values, strict=True)
    )


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, tuple[str, str]]:
    """What each page's blocks print, and the traceback where they fail. In a process of their own,
    for a page may register what it declares; each page has its own names.
    """
    folder = tmp_path_factory.mktemp("pages")
    for number, page in enumerate(WITH_PYTHON):
        codes = [code for code, _ in blocks(page.read_text(encoding="utf-8"))]
        (folder / f"{number}.py").write_text(f"print({END!r})\n".join(codes), encoding="utf-8")
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(len(WITH_PYTHON))],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(WITH_PYTHON, map(tuple, json.loads(done.stdout)), strict=True))


@pytest.mark.parametrize("page", WITH_PYTHON, ids=named)
def test_python_blocks_run_and_print_what_is_shown(
    page: Path, printed: dict[Path, tuple[str, str]]
) -> None:
    text, failure = printed[page]
    assert not failure, failure
    found = blocks(page.read_text(encoding="utf-8"))
    for part, (_, shown) in zip(text.split(END), found, strict=True):
        assert shown is None or agree(part, shown), f"prints:\n{part}"


def test_the_readme_s_example_shows_its_output() -> None:
    (readme,) = [page for page in WITH_PYTHON if page.name == "README.md"]
    assert all(shown for _, shown in blocks(readme.read_text()))


def test_outputs_are_compared() -> None:
    assert blocks(
        "```python\na\n```\n\n```text\n1\n```\n```python\nb\n```\nno\n```text\n2\n```\n"
    ) == [
        ("a\n", "1\n"),
        ("b\n", None),
    ]
    assert agree("x 1.571, 2e-06\n", "x 1.572, 3e-06") and not agree("x 1.571", "x 1.573")
    assert not agree("converged 1.0", "stalled 1.0")
