"""The folder of a pipeline that a setting names: its own path, a shipped model, or the hub's."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from scoregeo._utils.errors import DataError, shown
from scoregeo.score.family import Family, Part
from scoregeo.score.folder import SCHEDULER, VOCABULARY, chosen, files_of
from scoregeo.score.hub import snapshot
from scoregeo.score.lora import LORA_FILE
from scoregeo.score.model_folder import MODELS, model_folder

SHIPPED = "emoji_sd"  # the project's own small text-to-image model
# As the hub has them: owner/name
_HUB_ID = re.compile(r"[A-Za-z0-9]+([-_.]+[A-Za-z0-9]+)*/[A-Za-z0-9]+([-_.]+[A-Za-z0-9]+)*")
_LONGEST_ID = 96


def find_folder(
    model: str | Path,
    dtype: torch.dtype,
    families: Sequence[Family],
    weights: bool = True,
    key: str = "score.model",
) -> Path:
    """The folder that `model` names: its own path, a shipped model's, or a snapshot of the hub's
    with the files that networks of `dtype` need (`weights`: those of the weights as well). `key`:
    how errors call it.
    """
    path = local_folder(model, key)
    if path is not None:
        return path
    parts = {name: part for family in families for name, part in family.parts.items()}

    def wanted(files: Sequence[str]) -> list[str]:
        return _wanted(files, parts, dtype, weights)

    return snapshot(str(model), wanted, key)


def local_folder(model: str | Path, key: str = "score.model") -> Path | None:
    """The folder on this machine that `model` names, its own path or a shipped model's; None for a
    hub id, which is not asked for. Raises DataError for what can be neither.
    """
    path = model_folder(model)
    if path is not None:
        return path
    if str(model) == SHIPPED:
        raise DataError(
            f"{key} = {SHIPPED!r} is not in {MODELS}: `make train-emoji` makes it, in hours"
            " on two cores."
        )
    if Path(model).suffix == ".safetensors":
        raise DataError(f"{key} = {shown(str(model))}: there is no such file.")
    if not _HUB_ID.fullmatch(str(model)) or len(str(model)) > _LONGEST_ID:
        raise DataError(
            f"{key} = {shown(str(model))} is neither a folder, nor a shipped model, nor a"
            " .safetensors file, nor a hub id (owner/name)."
        )
    return None


def _wanted(
    files: Sequence[str], parts: Mapping[str, Part], dtype: torch.dtype, weights: bool
) -> list[str]:
    """Of a repository's files those that make a pipeline: settings, vocabularies, and of each
    part's weights one variant. Where no network has a folder, it lies beside the index.
    """
    found = {"model_index.json", LORA_FILE, SCHEDULER, f"scheduler/{SCHEDULER}"}
    networks = tuple(f"{name}/" for name, part in parts.items() if not part.tokenizer)
    beside = not any(file.startswith(networks) for file in files)
    for name, part in parts.items():
        inside = "" if beside and not (part.tokenizer or part.of_transformers) else f"{name}/"
        here = [file.removeprefix(inside) for file in files if file.startswith(inside)]
        if part.tokenizer:
            found |= {f"{inside}{file}" for file in here if _fits(file, VOCABULARY)}
            continue
        found.add(f"{inside}config.json")
        variant = chosen(here, part.stem, dtype) if weights else None
        if variant is not None:
            found |= {f"{inside}{file}" for file in files_of(here, part.stem, variant)}
    return [file for file in files if file in found]


def _fits(file: str, patterns: Sequence[str]) -> bool:
    return any(Path(file).match(pattern) for pattern in patterns)
