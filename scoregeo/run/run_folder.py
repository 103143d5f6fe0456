"""The folder of one run: what is in it, what may be taken from it, and its manifest."""

import contextlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import ConfigError, DataError, StorageError
from scoregeo._utils.files import (
    finite_or_null,
    remove_partial,
    save_tensors,
    write_json,
    write_text,
)
from scoregeo._utils.lock import FolderLock
from scoregeo._utils.results import FORMAT, LINE, RECORD, check_summary
from scoregeo._utils.schema import check_all, check_fields
from scoregeo._utils.yaml_text import yaml_text
from scoregeo.run.folder_state import (
    DAMAGED,
    DONE,
    FAILED,
    INCOMPLETE,
    OUTDATED,
    RUNNING,
    as_yaml,
    check_ours,
    clear,
    read_method,
    remove_empty,
    seconds_of,
    state_of,
)
from scoregeo.run.provenance import git_revision, versions

log = logging.getLogger(__name__)


class RunFolder:
    """One run's folder. `done` says whether all of this configuration's results lie there already.

    One that is not is this object's alone until `finish`, `fail` or `close`, or the process ends.
    """

    def __init__(
        self,
        path: Path,
        config: Mapping[str, Any],
        overwrite: bool = False,
        command: Sequence[str] = (),
        inputs: Mapping[str, str] | None = None,
        wait: bool = False,
    ) -> None:
        """Open or make the folder `path` for the resolved configuration `config` (plain dicts,
        lists and scalars).

        `inputs`: digests of the trained weights it reads (`inputs_of`); results of others are not
        taken for its own. `wait`: whether to wait for another process that works in it, rather than
        to refuse.
        Raises ConfigError where it cannot be written, where another process works in it (named),
        where it holds files of a run's names that are no run's, and where it holds results of
        another configuration and `overwrite` is false.
        """
        self.path = path
        self.config = dict(config)
        self.inputs = dict(inputs or {})
        self._began = time.perf_counter()
        self._before = 0.0  # seconds of interrupted runs, up to the last method they finished
        self._lock: FolderLock | None = None
        self.done = self._state() == DONE and not overwrite
        if self.done:  # also on storage that cannot be written
            return
        check_ours(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            write_text(path / ".writable", "")
            (path / ".writable").unlink(missing_ok=True)  # another process may try the same
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(
                f"output: {path} cannot be written ({reason}): output must be a folder that can."
            ) from None
        try:
            self._lock = FolderLock(path, wait)
        except DataError as error:
            raise ConfigError(
                f"output: the folder {path} cannot be used: {error}; wait for it, or give another"
                " output."
            ) from None
        state = self._state()  # another process may have finished it since
        self.done = state == DONE and not overwrite
        if self.done:
            self.close()
            return
        if state in (None, DAMAGED) and not overwrite and self._methods_done():
            self.close()
            whose = "another configuration"
            if state == DAMAGED:
                whose = "a configuration that is not known, for its config.yaml is damaged"
            raise ConfigError(
                f"output: the folder {path} holds results of {whose}; give another output, or"
                " overwrite=true to replace them."
            )
        if state in (RUNNING, FAILED, INCOMPLETE) and not overwrite:
            self._before = seconds_of(path)
        if state == INCOMPLETE:
            log.warning(
                "%s is done, and files of its results are missing or damaged: they are made anew"
                " from the methods' records",
                path,
            )
        self._fresh = state in (None, DAMAGED)
        self._manifest: dict[str, Any] = {
            "format": FORMAT,
            "status": RUNNING,
            "seconds": self._before,
            "command": " ".join(["scoregeo", *command]),
            "seed": config.get("seed"),
            "device": config.get("device"),
            "inputs": self.inputs,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "git_revision": git_revision(),
            "versions": versions(),
        }
        # first, so that what is left of a kill in the next lines is not taken for done
        self._write_manifest()
        if state == OUTDATED:
            log.info(
                "%s holds results of other weights or data, or of another format, or no whole"
                " manifest; they are computed anew",
                path,
            )
        if state in (None, OUTDATED, DAMAGED) or overwrite:
            clear(path)
        write_text(path / "config.yaml", yaml_text(as_yaml(self.config)))

    def load_method(self, name: str) -> dict[str, Any] | None:
        """What `save_method` wrote in an earlier, interrupted run of this configuration: the record
        with its tensors, or None.
        """
        try:
            return read_method(self.path, name)
        except DataError:
            return None

    def paths_of(self, name: str) -> Path:
        """The file of a method's paths and frames."""
        return self.path / "paths" / f"{name}.safetensors"

    def save_method(self, name: str, record: Mapping[str, Any]) -> None:
        """Keep a finished method: what its record has under "tensors" as `paths/NAME.safetensors`,
        then the rest as `methods/NAME.json`."""
        check_fields(record, RECORD, f"methods/{name}.json")
        save_tensors(self.paths_of(name), record["tensors"], {"format": str(FORMAT)})
        rest = {key: value for key, value in record.items() if key != "tensors"}
        write_json(self.path / "methods" / f"{name}.json", {"format": FORMAT, **rest})
        self._manifest["seconds"] = self.seconds
        self._write_manifest()

    def write_results(
        self,
        lines: Sequence[Mapping[str, Any]],
        summary: Sequence[Mapping[str, Any]],
        comparisons: Sequence[Mapping[str, Any]] = (),
        pairwise: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Write `results.jsonl`, an object per method and pair (`LINE`), and `summary.json`: "rows"
        per method, group and measure, "comparisons" per group, measure and method, "pairwise"."""
        check_all(lines, LINE, "results.jsonl")
        check_summary(summary, [*comparisons, *pairwise], "summary.json")
        text = "".join(
            json.dumps(finite_or_null({"format": FORMAT, **line})) + "\n" for line in lines
        )
        write_text(self.path / "results.jsonl", text)
        entries = {"rows": summary, "comparisons": comparisons, "pairwise": pairwise}
        write_json(
            self.path / "summary.json",
            {"format": FORMAT, **{key: list(value) for key, value in entries.items()}},
        )

    def finish(self, **facts: Any) -> None:
        """Mark the run done; `facts` go into the manifest, and the seconds of all its parts. The
        folder is let go.
        """
        self._manifest |= {"status": DONE, "seconds": self.seconds, **facts}
        self._write_manifest()
        remove_partial(self.path, apart="shards")
        self.close()

    def fail(self, error: str, trace: str = "") -> None:
        """Mark the run failed with its reason, let it go; the traceback goes into error.txt."""
        self._manifest |= {"status": FAILED, "seconds": self.seconds, "error": error}
        with contextlib.suppress(StorageError):  # a full disk may be the reason
            self._write_manifest()
            if trace:
                write_text(self.path / "error.txt", trace)
        self.close()

    @property
    def unused(self) -> bool:
        """Whether no earlier run lay here and no method has finished since."""
        return self._fresh and not self._methods_done()

    def discard(self) -> None:
        """Remove what this object wrote, and the folder where nothing else lies in it."""
        clear(self.path)
        for name in ("manifest.json", "config.yaml"):
            (self.path / name).unlink(missing_ok=True)
        self.close()
        remove_empty(self.path)
        remove_empty(self.path.parent)

    def close(self) -> None:
        """Let another process have the folder; the status in its manifest stays as it is."""
        if self._lock is not None:
            self._lock.release()

    @property
    def seconds(self) -> float:
        """Spent on what lies here, in this and earlier, interrupted runs."""
        return round(self._before + time.perf_counter() - self._began, 3)

    def _write_manifest(self) -> None:
        write_json(self.path / "manifest.json", self._manifest)

    def _state(self) -> str | None:
        return state_of(self.path, self.config, self.inputs)

    def _methods_done(self) -> bool:
        return any((self.path / "methods").glob("*.json")) or (self.path / "summary.json").exists()
