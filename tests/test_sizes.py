"""Files that one can read: at most 250 lines each in the package."""

from pathlib import Path

import scoregeo

MOST = 250


def test_no_file_of_the_package_is_long() -> None:
    files = Path(scoregeo.__file__).parent.rglob("*.py")
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert not {path.name: count for path, count in lines.items() if count > MOST}
