"""The numbers of finished parts, kept so that a benchmark that was interrupted resumes where it
stopped.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import scoregeo
from scoregeo._utils.cache import content_hash
from scoregeo._utils.errors import DataError
from scoregeo._utils.files import finite_or_null, read_json, write_json

log = logging.getLogger(__name__)

_HERE, _PACKAGE = Path(__file__).parent, Path(scoregeo.__file__).parent
# The code that the numbers are about.
_MEASURED = (
    _HERE,
    *(_PACKAGE / name for name in ("geometry", "metric", "path", "score", "solver")),
)
_WRITES_THE_PAGE = _HERE / "__main__.py"


@dataclass(frozen=True)
class Store:
    """One JSON file for each unit of work under `folder`: what it was asked, and what came."""

    folder: Path

    def unit(
        self, name: str, asked: Mapping[str, Any], compute: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """The kept result of `name`, where settings, code, torch and threads are the same as now;
        else compute it and keep it.
        """
        key = finite_or_null({**asked, **surroundings()})
        path = self.folder / f"{name}.json"
        if path.is_file():
            try:
                kept = read_json(path)
                if kept["asked"] == key:
                    log.info("%s: kept", name)
                    return kept["result"]
            except (DataError, KeyError, TypeError):
                log.warning("%s cannot be read and is made anew.", path)
        log.info("%s", name)
        result = finite_or_null(compute())
        write_json(path, {"asked": key, "result": result})
        return result


def surroundings() -> dict[str, Any]:
    """What numbers depend on besides their settings."""
    return {"torch": torch.__version__, "threads": torch.get_num_threads(), "code": _code()}


def _code() -> str:
    """Ten hexadecimal digits of the SHA-256 of the measured code's source."""
    paths = [path for folder in _MEASURED for path in sorted(folder.rglob("*.py"))]
    return content_hash(
        *(path.read_bytes() for path in paths if path != _WRITES_THE_PAGE), digits=10
    )
