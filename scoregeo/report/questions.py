"""The questions that experiments answer, from `experiments/index.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import load_yaml

INDEX = "index.yaml"
_KEYS = ("title", "question", "finding", "pages")


@dataclass(frozen=True)
class Question:
    """A folder of experiments: its heading, what it asks and what was found, a sentence each, and
    the names of the pages that answer it, the main one first.
    """

    folder: Path
    title: str
    question: str
    finding: str
    pages: tuple[str, ...]


def find_questions(results: Path) -> list[Question]:
    """Those of the folder `experiments/` beside the results or one above; none where there is
    none.
    """
    above = results.resolve().parents[:2]
    found = next((p for one in above if (p := one / "experiments" / INDEX).is_file()), None)
    return read_questions(found) if found else []


def read_questions(index: Path) -> list[Question]:
    """The questions of an index, in order. Raises DataError, naming the file and the folder, where
    a key is missing or of another kind.
    """
    content = load_yaml(index)
    if not isinstance(content, Mapping):
        raise DataError(f"{index} holds no questions: a mapping of folders is expected.")
    return [_question(index, str(folder), entry) for folder, entry in content.items()]


def _question(index: Path, folder: str, entry: Any) -> Question:
    given = entry if isinstance(entry, Mapping) else {}
    missing = [key for key in _KEYS if key not in given]
    if missing or not isinstance(given["pages"], list):
        lacks = f"lacks {', '.join(missing)}" if missing else "has pages that are no list"
        raise DataError(f"{index}: {folder} {lacks}.")
    title, question, finding = (str(given[key]) for key in ("title", "question", "finding"))
    pages = tuple(map(str, given["pages"]))
    return Question(index.parent / folder, title, question, finding, pages)
