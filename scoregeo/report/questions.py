"""Which question each page of results answers, as the folder `experiments/` tells it."""

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

from scoregeo.report.markdown import first_table

_README = "README.md"
_NAME = re.compile(r"\w+")
_LINK = re.compile(r"\(\S*?results/(\w+)\.md\)")


@dataclass(frozen=True)
class Question:
    """A folder of experiments: its title, what it asks (HTML), its README, and the pages that
    answer it, in order.
    """

    title: str
    asked: str
    readme: Path
    pages: tuple[str, ...]


def read_questions(experiments: Path) -> list[Question]:
    """The folders named in the first table of `experiments/README.md`, one a row: folder, question.

    A page of results is of the first folder whose README links it above its first section; failing
    that, of the first that links it at all. A row whose folder has no README is passed over.
    """
    index = experiments / _README
    rows = first_table(index.read_text(encoding="utf-8")) if index.is_file() else ()
    found = [
        (experiments / name[0], row[1])
        for row in rows
        if (name := _NAME.search(row[0].plain)) and len(row) > 1
    ]
    texts = {
        folder: (folder / _README).read_text(encoding="utf-8")
        for folder, _ in found
        if (folder / _README).is_file()
    }
    owner: dict[str, Path] = {}
    for heads_only in (True, False):
        for folder, text in texts.items():
            for name in _LINK.findall(text.partition("\n## ")[0] if heads_only else text):
                owner.setdefault(name, folder)
    return [
        Question(
            _title(texts[folder]) or folder.name,
            asked.html or escape(asked.plain),
            folder / _README,
            tuple(name for name, of in owner.items() if of == folder),
        )
        for folder, asked in found
        if folder in texts
    ]


def _title(text: str) -> str:
    return next(
        (line.removeprefix("# ").strip() for line in text.splitlines() if line.startswith("# ")), ""
    )
