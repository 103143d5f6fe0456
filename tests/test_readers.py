"""Pictures, texts and weights are each read in one place, so that what is mended there is mended
everywhere.
"""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "scoregeo"
# A call by the end of its name: the files that may make it.
ONLY = {
    "Image.open": ("_utils/picture_file.py",),
    "read_text": (),  # of a path; `read_text` of _utils/files.py is a name of its own
    "open": (
        "_utils/files.py",
        "_utils/picture_file.py",
        "evaluation/packaged_backbone.py",
        "score/references.py",  # the header of a file that is mapped, not loaded
    ),
    "safe_open": ("_utils/files.py", "score/weights_header.py"),  # the second: headers alone
    "load_file": (),
    "torch.load": ("evaluation/efficientnet.py",),  # of a package, checked by its digest
}
WRITES = ("a", "w")  # modes of an `open` that reads nothing


def readers() -> set[tuple[str, str]]:
    """Which file makes which of the calls above."""
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            modes = {one.value for one in node.args if isinstance(one, ast.Constant)}
            end = name.split(".")[-1]
            if name in ("Image.open", "torch.load") or end in ("safe_open", "load_file"):
                found.add((name if name in ONLY else end, place))
            elif (
                end == "read_text"
                and name != "read_text"
                or end == "open"
                and not modes & set(WRITES)
            ):
                found.add((end, place))
    return found


def test_one_reader_each() -> None:
    wanted = {(name, place) for name, places in ONLY.items() for place in places}
    assert readers() == wanted
