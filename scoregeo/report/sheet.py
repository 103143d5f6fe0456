"""Frame sheets: all methods' frames of one pair in one small picture, for the page's slider.

A sheet is a WebP file, a row a method (the truth first) and a column a fraction of the path, that
says in its EXIF description what is in it: the page needs nothing else, so sheets kept beside the
tables are enough to make the report in a fresh clone."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import write_whole
from scoregeo._utils.flat_picture import flat_picture
from scoregeo._utils.picture_file import picture_errors, picture_of_bytes
from scoregeo.report.picture import data_uri, is_photograph, webp
from scoregeo.report.style import TRUTH

if TYPE_CHECKING:
    from PIL.Image import Image

COLUMNS = 21  # frames a method: every twentieth of the path
LARGEST = 128  # pixels of a frame's longer side
SHOWN = 128  # CSS pixels of a frame on the page, at least
MOST = 8  # pairs of one experiment
_DESCRIPTION = 0x010E  # EXIF: ImageDescription
_KEYS = {"pair", "group", "methods", "columns"}


@dataclass(frozen=True)
class Scrub:
    """Frames of one pair along the path: a sheet as a data URI, a row a method, a column a fraction
    of the path.

    `width`, `height`: of one frame in the sheet, pixels; `shown`: width of a frame on the page, CSS
    pixels.
    """

    id: str
    pair: str
    group: str
    methods: tuple[str, ...]
    columns: int
    source: str
    width: int
    height: int
    shown: int
    opened: bool = False


@dataclass(frozen=True)
class Sheet:
    """One pair's frames: `image` is a grid of `len(methods)` rows and `columns` columns of equal
    cells; `content` its file, where it has one.
    """

    pair: str
    group: str
    methods: tuple[str, ...]
    columns: int
    image: "Image"
    content: bytes | None = field(default=None, compare=False, repr=False)

    def scrub(self, prefix: str, *, opened: bool = False) -> Scrub:
        """The sheet as a block of a page; `prefix` makes its id unique there."""
        width, height = self.image.width // self.columns, self.image.height // len(self.methods)
        source = data_uri(self.content or self._bytes(), "image/webp")
        shown = max(width, SHOWN)
        name = re.sub(r"[^\w-]", "-", f"{prefix}-{self.pair}")
        return Scrub(
            name,
            self.pair,
            self.group,
            self.methods,
            self.columns,
            source,
            width,
            height,
            shown,
            opened,
        )

    def save(self, path: Path) -> None:
        """Write the sheet as one WebP file, whole or not at all."""
        write_whole(path, self._write)

    def _write(self, path: Path) -> None:
        path.write_bytes(self._bytes())

    def _bytes(self) -> bytes:
        facts = {
            "pair": self.pair,
            "group": self.group,
            "methods": list(self.methods),
            "columns": self.columns,
        }
        image = self.image.copy()
        image.getexif()[_DESCRIPTION] = json.dumps(facts)
        exact = not is_photograph(image.width // self.columns, image.height // len(self.methods))
        return webp(image, exact=exact)


def read_sheet(path: Path) -> Sheet:
    """A sheet that `save` wrote. Raises DataError naming the file where it is
    damaged or no sheet.
    """
    try:
        content = path.read_bytes()
        with picture_of_bytes(content, path.name) as image, picture_errors(path.name):
            image.load()
            facts = json.loads(image.getexif().get(_DESCRIPTION, "null"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} is not a frame sheet: {error}") from error
    if (
        not isinstance(facts, dict)
        or not set(facts) >= _KEYS
        or not facts["methods"]
        or not facts["columns"] > 0
    ):
        raise DataError(
            f"{path.name} is not a frame sheet: its EXIF description must hold"
            f" {', '.join(sorted(_KEYS))}."
        )
    return Sheet(
        facts["pair"],
        facts["group"],
        tuple(facts["methods"]),
        int(facts["columns"]),
        image,
        content,
    )


def run_sheets(
    run: Path,
    groups: Mapping[str, str],
    methods: Sequence[str] = (),
    *,
    most: int = MOST,
    columns: int = COLUMNS,
) -> list[Sheet]:
    """The sheets of a run's folder, from `frames/METHOD/PAIR/000.png` and so on; none where it kept
    no frames.

    `groups`: the group of each pair, in the order wanted; pairs not in it come last. At most `most`
    pairs, one of each group before a second of any. `methods`: the order of the rows, below the
    truth.
    """
    places = {
        name: place
        for place, name in enumerate([TRUTH, *(name for name in methods if name != TRUTH)])
    }
    pairs: dict[str, dict[str, list[Path]]] = {}
    for method in sorted(
        (run / "frames").glob("*"), key=lambda path: (places.get(path.name, len(places)), path.name)
    ):
        for folder in sorted(method.iterdir()):
            files = sorted(folder.glob("[0-9]*.png"))
            if files:
                pairs.setdefault(folder.name, {})[method.name] = files
    order = {pair: place for place, pair in enumerate(groups)}
    names = sorted(pairs, key=lambda pair: (order.get(pair, len(order)), pair))
    seen: dict[str, int] = {}
    rounds: dict[str, int] = {}
    for pair in names:
        group = groups.get(pair, "")
        rounds[pair] = seen[group] = seen.get(group, -1) + 1
    kept = set(sorted(names, key=lambda pair: rounds[pair])[:most])
    return [
        _sheet(pair, groups.get(pair, ""), pairs[pair], columns) for pair in names if pair in kept
    ]


def _sheet(pair: str, group: str, files: Mapping[str, list[Path]], columns: int) -> Sheet:
    from PIL import Image

    columns = min(columns, max(map(len, files.values())))
    picked = {
        m: [paths[round(c * (len(paths) - 1) / max(columns - 1, 1))] for c in range(columns)]
        for m, paths in files.items()
    }
    first = _frame(next(iter(picked.values()))[0], None)
    sheet = Image.new("RGB", (first.width * columns, first.height * len(files)))
    for row, paths in enumerate(picked.values()):
        for column, path in enumerate(paths):
            sheet.paste(_frame(path, first.size), (column * first.width, row * first.height))
    return Sheet(pair, group, tuple(picked), columns, sheet)


def _frame(path: Path, size: tuple[int, int] | None) -> "Image":
    """One frame, no larger than `LARGEST`, of the given size where there is one."""
    from PIL import Image

    try:
        image = flat_picture(path)
    except DataError as error:
        raise DataError(
            f"{path.parent.name}/{path.name} is not a frame that can be read: {error}"
        ) from error
    if size is None:
        scale = min(1.0, LARGEST / max(image.size))
        size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
