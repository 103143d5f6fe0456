"""What a folder in diffusers' layout must hold to be loaded: safetensors only, every part there."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import is_file, read_json
from scoregeo.score.family import Part

_PICKLES = {".bin", ".ckpt", ".pt", ".pth"}
_VARIANTS = {torch.float16: "fp16", torch.bfloat16: "bf16"}
VOCABULARY = ("*.json", "merges.txt", "spiece.model")  # of a tokenizer
SCHEDULER = "scheduler_config.json"
_FAST = "tokenizer.json"  # all of a vocabulary, for any kind


def read_settings(path: Path) -> dict[str, Any]:
    """A file of settings by name. Raises DataError for any other."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise DataError(f"{path} does not hold settings by name.")
    return value


def pipeline_settings(folder: Path) -> dict[str, Any]:
    """`model_index.json`; empty where there is none."""
    index = folder / "model_index.json"
    return read_settings(index) if index.is_file() else {}


def left_out(part: Part, name: str, settings: Mapping[str, Any]) -> bool:
    """Whether an optional part is left out by the pipeline's settings (`[null, null]`)."""
    return part.optional and settings.get(name) == [None, None]


def part_folder(folder: Path, name: str, part: Part | None) -> Path:
    """Where a part lies: in the folder of its name or, in older repositories of one network, beside
    `model_index.json`, where the settings of its class are. `part`: None for the scheduler.
    """
    path, beside = folder / name, folder / (SCHEDULER if part is None else "config.json")
    if path.is_dir() or not beside.is_file():
        return path
    if part is None or read_settings(beside).get("_class_name") == part.kind:
        return folder
    return path


def check_part(folder: Path, name: str, part: Part | None, every: Iterable[str]) -> None:
    """Raise DataError unless the part's folder is there (`part_folder`), with weights in
    safetensors where it has weights. `part`: None for the scheduler; `every`: all parts.
    """
    path = part_folder(folder, name, part)
    if not path.is_dir():
        without = (
            f" To do without it, set {name!r} to [null, null] in {folder}/model_index.json."
            if part is not None and part.optional
            else ""
        )
        raise DataError(
            f"{folder} has no {name}/: this pipeline's folder needs"
            f" {', '.join(f'{one}/' for one in every)}.{without}"
        )
    if part is None or part.tokenizer:
        return
    files = [file.name for file in path.iterdir()]
    if variants(files, part.stem):
        return
    pickles = sorted(name for name in files if Path(name).suffix in _PICKLES)
    if pickles:
        raise DataError(
            f"{path} has its weights only as a pickle ({pickles[0]}), which can run any code when"
            " it is read. If you trust it, convert it:"
            " DiffusionPipeline.from_pretrained(FOLDER).save_pretrained(OTHER_FOLDER,"
            " safe_serialization=True)."
        )
    raise DataError(f"{path} has no weights: {part.stem}.safetensors is missing.")


def check_vocabulary(folder: Path, part: Part) -> None:
    """Raise DataError unless a tokenizer's folder has the files of its vocabulary, one set or the
    other.
    """
    own = ("spiece.model",) if part.kind.startswith("T5") else ("vocab.json", "merges.txt")
    for names in ((_FAST,), own):
        if all(is_file(folder / name) and (folder / name).stat().st_size for name in names):
            return
    raise DataError(
        f"{folder} has no vocabulary: {_FAST}, or {' and '.join(own)}, is missing or empty."
    )


def variants(files: Iterable[str], stem: str) -> set[str]:
    """The variants in which weights lie among `files`, whole or in shards: "" for the plain one,
    or a name such as "fp16".
    """
    found = set()
    for name in files:
        if fnmatch(name, f"{stem}*.safetensors") and "-of-" not in name:
            found.add(name.removeprefix(stem).removesuffix(".safetensors").removeprefix("."))
        elif fnmatch(name, f"{stem}.safetensors.index*.json"):
            middle = name.removeprefix(f"{stem}.safetensors.index").removesuffix(".json")
            found.add(middle.removeprefix("."))
    return found


def chosen(files: Iterable[str], stem: str, dtype: torch.dtype) -> str | None:
    """The variant to be read for networks of `dtype`: that of the type itself, else the plain one,
    else any. None where there is no file.
    """
    found = variants(files, stem)
    order = (_VARIANTS.get(dtype), "", "fp16", "bf16", *sorted(found))
    return next((name for name in order if name in found), None)


def files_of(files: Iterable[str], stem: str, variant: str) -> list[str]:
    """Those of `files` that make up one variant, shards and their index included."""
    dot = f".{variant}" if variant else ""
    patterns = (
        f"{stem}{dot}.safetensors",
        f"{stem}{dot}-?????-of-?????.safetensors",
        f"{stem}-?????-of-?????{dot}.safetensors",
        f"{stem}.safetensors.index{dot}.json",
    )
    return [name for name in files if any(fnmatch(name, pattern) for pattern in patterns)]
