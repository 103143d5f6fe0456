"""Reads back what the library of Weights & Biases wrote of an offline run, from the file that
`wandb sync` uploads.

The file is a log in LevelDB's format
(https://github.com/google/leveldb/blob/main/doc/log_format.md) behind seven bytes of its own
(":W&B", 0xBEE1, 0), its checksums plain CRC-32; each entry is one of the library's protobuf
`Record`s.
"""

import json
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK, _HEADER = 32768, 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


class OfflineRun:
    """The contents of one `offline-run-*` folder, by kind."""

    def __init__(self, folder: Path) -> None:
        """Waits for the end of the file: the library's own process writes it, on a busy machine
        after `finish` has returned.
        """
        (path,) = folder.glob("run-*.wandb")
        for _ in range(600):
            records = list(_records(path.read_bytes()))
            if any(record.HasField("exit") for record in records):
                break
            time.sleep(0.1)
        self.folder = folder
        self._records = records

    @property
    def run(self) -> Any:
        (found,) = (r.run for r in self._records if r.HasField("run"))
        return found

    @property
    def config(self) -> dict[str, Any]:
        return {
            item.key: json.loads(item.value_json)
            for item in self.run.config.update
            if item.key != "_wandb"
        }

    @property
    def history(self) -> list[dict[str, Any]]:
        """The rows logged, without the library's own keys."""
        rows = [_items(r.history.item) for r in self._records if r.HasField("history")]
        return [
            {key: value for key, value in row.items() if not key.startswith("_")} for row in rows
        ]

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for record in self._records:
            if record.HasField("summary"):
                found |= _items(record.summary.update)
        return {key: value for key, value in found.items() if not key.startswith("_")}

    @property
    def metrics(self) -> dict[str, str]:
        """The x axis of each pattern of names that was defined."""
        return {
            (m.name or m.glob_name): m.step_metric
            for m in (r.metric for r in self._records if r.HasField("metric"))
        }

    @property
    def exit_code(self) -> int | None:
        codes = [r.exit.exit_code for r in self._records if r.HasField("exit")]
        return codes[-1] if codes else None

    @property
    def names(self) -> set[str]:
        """Every name that has a value in the history or in the summary."""
        return {key for row in self.history for key in row} | set(self.summary)

    def file(self, key: str) -> Path:
        """The file of the picture or table logged as `key`."""
        (value,) = (row[key] for row in self.history if key in row)
        return self.folder / "files" / value["path"]

    def table(self, key: str) -> tuple[dict[str, Any], dict[str, Path]]:
        """The table logged as `key`, with the media in its cells, and where each of those lies by
        its path in the table.
        """
        (value,) = (row[key] for row in self.history if key in row)
        name = Path(value["artifact_path"]).name
        for record in self._records:
            contents = {c.path: Path(c.local_path) for c in record.artifact.manifest.contents}
            if name in {Path(path).name for path in contents}:
                (whole,) = (path for path in contents if Path(path).name == name)
                return json.loads(contents.pop(whole).read_text()), contents
        raise AssertionError(f"no artifact holds {name}")


def offline_runs(folder: Path) -> list[OfflineRun]:
    """Those of a run's folder, in the order they were begun; the library's process is asked to end
    first.
    """
    import wandb

    wandb.teardown()
    return [OfflineRun(path) for path in sorted((folder / "wandb").glob("offline-run-*"))]


def _items(items: Any) -> dict[str, Any]:
    """Values by name; of a nested name only the first part is a name, the rest is
    within its value.
    """
    found: dict[str, Any] = {}
    for item in items:
        first, *rest = list(item.nested_key) or [item.key]
        value = json.loads(item.value_json)
        if not rest:
            found[first] = value
            continue
        node = found.setdefault(first, {})
        for part in rest[:-1]:
            node = node.setdefault(part, {})
        node[rest[-1]] = value
    return found


def _records(data: bytes) -> Iterator[Any]:
    from wandb.proto.wandb_internal_pb2 import Record

    assert data[:_HEADER] in (b"", struct.pack("<4sHB", b":W&B", 0xBEE1, 0))
    at, whole = _HEADER, b""
    while at + _HEADER <= len(data):
        if _BLOCK - at % _BLOCK < _HEADER:
            at += _BLOCK - at % _BLOCK
            continue
        checksum, length, kind = struct.unpack_from("<IHB", data, at)
        part = data[at + _HEADER : at + _HEADER + length]
        if kind == 0 or len(part) < length:
            return  # not written to the end
        assert zlib.crc32(part, zlib.crc32(bytes([kind]))) == checksum
        at += _HEADER + length
        whole = part if kind in (_FULL, _FIRST) else whole + part
        if kind in (_FULL, _LAST):
            record = Record()
            record.ParseFromString(whole)
            yield record
