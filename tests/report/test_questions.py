"""The index of questions: read in order, and refused where it lacks something."""

from pathlib import Path

import pytest
import yaml

from scoregeo._utils.errors import DataError
from scoregeo.report.questions import find_questions, read_questions

INDEX = {"two": {"title": "Two", "question": "Why?", "finding": "So.", "pages": ["z", "a"]}}


def written(folder: Path, content: object) -> Path:
    path = folder / "experiments" / "index.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_questions_are_found_beside_the_results(tmp_path: Path) -> None:
    assert find_questions(tmp_path / "results") == []
    index = written(tmp_path, INDEX)
    for results in (tmp_path / "results", tmp_path / "results" / "full"):
        (one,) = find_questions(results)
        assert (one.title, one.question, one.finding) == ("Two", "Why?", "So.")
        assert one.pages == ("z", "a") and one.folder == index.parent / "two"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"two": {"title": "Two", "pages": []}}, "two lacks question, finding"),
        ({"two": INDEX["two"] | {"pages": "z"}}, "two has pages that are no list"),
        ({"two": 3}, "two lacks title"),
        ([1], "holds no questions"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: object, words: str) -> None:
    with pytest.raises(DataError, match=rf"index\.yaml.* {words}"):
        read_questions(written(tmp_path, content))
