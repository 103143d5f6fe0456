"""Files that appear whole or not at all: written beside their place, flushed, then
renamed over it.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoregeo._utils.errors import DataError, StorageError, bad_value

if TYPE_CHECKING:
    import torch


_WHOLE, _ENDS = 2**28, 2**16  # bytes: of a file that is hashed whole; at either end of a larger
_PARTIAL = re.compile(r"\..+\.\d+\.partial(\.\w+)?")  # a name that `write_whole` makes


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Call `write` with a temporary path in the same folder, then rename the result to `path`.

    A kill at any moment leaves either the old file, the new one, or a stray `.partial` that nobody
    reads. Raises StorageError, naming `path`, where the system refuses, as on a full disk.
    """
    # The suffix stays last, for writers that choose a format by it.
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        partial.chmod(0o644)  # safetensors makes files that only their owner can read
        with partial.open("rb") as handle:
            os.fsync(handle.fileno())
        partial.replace(path)
    except OSError as error:
        raise StorageError(str(path), (error.strerror or str(error)).split("\n")[0]) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def remove_partial(folder: Path, apart: str) -> None:
    """Remove what killed processes left of `write_whole` in a folder that is this process's alone,
    but for what lies below its folder `apart`.
    """
    for path in folder.rglob(".*.partial*"):
        if path.relative_to(folder).parts[0] != apart and _PARTIAL.fullmatch(path.name):
            path.unlink(missing_ok=True)


def path_of(key: str, value: object) -> Path:
    """The path that a setting or an argument names, with `~` expanded. Raises ConfigError, naming
    the key, for what names none.
    """
    if not isinstance(value, (str, Path)) or not str(value).strip() or "\0" in str(value):
        raise bad_value(key, value, "a path")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:  # ~ of a user who is not there
        raise bad_value(key, str(value), f"a path ({error})") from error


def is_file(path: Path) -> bool:
    """Whether a file is there; a name that no file system takes is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether a folder is there, as `is_file`."""
    try:
        return path.is_dir()
    except OSError:
        return False


def make_folder(key: str, folder: Path) -> None:
    """Make a folder before any work. Raises ConfigError, naming the key, where it cannot be one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        allowed = f"a folder, or the place of one ({reason})"
        raise bad_value(key, str(folder), allowed) from error


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    write_whole(path, lambda partial: _write_text(partial, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON, whole or not at all. NaN is written as null, for strict
    readers.
    """
    write_text(path, json.dumps(finite_or_null(value), indent=2, allow_nan=False) + "\n")


class Absent(DataError):
    """A file that is not there, as opposed to one that is damaged."""


def read_text(path: Path, what: str = "") -> str:
    """Read one file of UTF-8 text, with or without a byte-order mark; line ends as they are.

    Raises Absent where it is not there, else DataError that names it, `what` (" as JSON") after.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            return handle.read()
    except FileNotFoundError as error:
        raise Absent(f"{path} cannot be read{what}: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} cannot be read{what}: it is damaged, or not in UTF-8 (byte {error.start + 1})"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read{what}: {error}") from error


def read_json(path: Path) -> Any:
    """Read one JSON file. Raises Absent where it is not there, DataError that names it where it is
    damaged.
    """
    try:
        return json.loads(read_text(path, " as JSON"))
    except DataError:
        raise
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, too
        raise DataError(f"{path} cannot be read as JSON: {error}") from error


def load_yaml(path: Path) -> Any:
    """Read one YAML file of plain values. Raises as `read_json`."""
    import yaml

    from scoregeo._utils.yaml_text import read_yaml

    try:
        return read_yaml(read_text(path, " as YAML"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read as YAML: {reason}") from error


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, 64 hexadecimal digits. Raises DataError that names the file
    where it cannot be read.
    """
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read: {reason}") from error


def quick_digest(path: Path) -> str:
    """The SHA-256 of a file's content; above 256 MiB of its size, its time of change and 64 KiB at
    either end. Raises OSError where it cannot be read."""
    with path.open("rb") as handle:
        if (state := path.stat()).st_size <= _WHOLE:
            return hashlib.file_digest(handle, "sha256").hexdigest()
        known = b"%d %d\0" % (state.st_size, state.st_mtime_ns) + handle.read(_ENDS)
        handle.seek(-_ENDS, os.SEEK_END)
        return hashlib.sha256(known + handle.read(_ENDS)).hexdigest()


def finite_or_null(value: Any) -> Any:
    """`value` with every NaN and infinity in it replaced by None, at any depth."""
    if isinstance(value, Mapping):
        return {str(key): finite_or_null(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite_or_null(item) for item in value]
    if isinstance(value, float) and not (float("-inf") < value < float("inf")):
        return None
    return value


def save_tensors(
    path: Path, tensors: Mapping[str, "torch.Tensor"], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors as one safetensors file, whole or not at all. Raises as `write_whole`."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def write(partial: Path) -> None:
        try:
            save_file(contiguous, partial, dict(metadata or {}))
        except SafetensorError as error:
            raise StorageError(str(path), str(error)) from error

    write_whole(path, write)


def load_tensors(path: Path) -> dict[str, "torch.Tensor"]:
    """The tensors of `load_weights`."""
    return load_weights(path)[0]


def load_weights(path: Path) -> tuple[dict[str, "torch.Tensor"], dict[str, str]]:
    """Tensors by name, and metadata, of a safetensors file. Raises DataError naming the file where
    it is missing (Absent), truncated or not safetensors, such as a pickle.
    """
    with _tensor_file(path) as file:
        names = file.keys()
        return {name: file.get_tensor(name) for name in names}, dict(file.metadata() or {})


def check_tensors(path: Path) -> None:
    """Raise DataError as `load_weights`, by the file's header and length alone."""
    with _tensor_file(path):
        pass


@contextmanager
def _tensor_file(path: Path) -> Iterator[Any]:
    """The one place where a file of weights is opened."""
    from safetensors import SafetensorError, safe_open

    if path.suffix in {".pt", ".pth", ".ckpt", ".bin", ".pkl"}:
        raise DataError(
            f"{path} is a pickle, which can run any code when it is read, and is refused. If you"
            " trust it, convert it once:"
            " safetensors.torch.save_file(torch.load(path, weights_only=True),"
            " 'weights.safetensors')."
        )
    if not is_file(path):
        raise Absent(f"{path} does not exist: a safetensors file is expected there.")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is damaged or not a safetensors file: {error}") from error
