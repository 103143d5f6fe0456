"""Networks, tokenizers and settings from a folder in diffusers' layout, every tensor checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import DataError, bad_value
from scoregeo.score.config_numbers import check_schedule
from scoregeo.score.family import Family, Part
from scoregeo.score.folder import (
    SCHEDULER,
    check_part,
    check_vocabulary,
    chosen,
    left_out,
    part_folder,
    pipeline_settings,
    read_settings,
)
from scoregeo.score.weights_header import check_header


def dtype_of(dtype: str | torch.dtype) -> torch.dtype:
    """float32, float16 or bfloat16, by name or as torch's own. Raises ConfigError for others."""
    allowed = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    kind = allowed.get(str(dtype).removeprefix("torch."))
    if kind is None:
        raise bad_value("score.dtype", str(dtype), "one of " + ", ".join(allowed))
    return kind


def part_dtype(dtype: torch.dtype, part: Part, config: Mapping[str, Any]) -> torch.dtype:
    """The dtype of a part in a model of `dtype`: an autoencoder that overflows in float16 stays in
    float32.
    """
    overflows = part.keeps_float32 and dtype == torch.float16 and config.get("force_upcast", True)
    return torch.float32 if overflows else dtype


def load_parts(
    folder: Path, family: Family, dtype: torch.dtype, device: str | torch.device
) -> dict[str, Any]:
    """The parts of a family in a folder; None for an optional one that it does without.

    Raises DataError, naming the folder, where a part is missing, damaged, saved as a pickle only or
    of another kind; every part is looked at before any weights are read.
    """
    settings = pipeline_settings(folder)
    there = {
        name: part for name, part in family.parts.items() if not left_out(part, name, settings)
    }
    for name, part in there.items():
        check_part(folder, name, part, (*there, "scheduler"))
    check_part(folder, "scheduler", None, (*there, "scheduler"))
    scheduler = part_folder(folder, "scheduler", None)
    check_schedule(str(scheduler), read_settings(scheduler / SCHEDULER))
    configs = {
        name: read_settings(part_folder(folder, name, part) / "config.json")
        for name, part in there.items()
        if not part.tokenizer
    }
    family.check_configs(str(folder), configs)
    loaded: dict[str, Any] = dict.fromkeys(family.parts)
    for name, part in there.items():
        if part.tokenizer:
            loaded[name] = load_tokenizer(folder, name, part)
            continue
        kind = part_dtype(dtype, part, configs[name])
        loaded[name] = load_weights(folder, name, part, kind).to(device)
    return loaded


def load_tokenizer(folder: Path, name: str, part: Part) -> Any:
    """A tokenizer from a pipeline's folder. Raises DataError where its vocabulary is missing, which
    transformers would leave empty.
    """
    import transformers

    check_vocabulary(folder / name, part)
    try:
        return getattr(transformers, part.kind).from_pretrained(
            str(folder / name), local_files_only=True
        )
    except Exception as error:  # of many kinds; each means that the tokenizer cannot be used
        raise DataError(f"{folder}/{name} cannot be loaded: {error}") from error


def as_module(network: torch.nn.Module, *to: torch.dtype | torch.device | str) -> torch.nn.Module:
    """`network.to` of torch: diffusers' own warns, of every model, that modules (often none) should
    be kept in float32.
    """
    for one in to:
        network = torch.nn.Module.to(network, one)
    return network


def load_weights(folder: Path, name: str, part: Part, dtype: torch.dtype) -> torch.nn.Module:
    """A network with all its weights from safetensors, whole or in shards."""
    import diffusers
    import transformers

    kind = getattr(transformers if part.of_transformers else diffusers, part.kind)
    path = part_folder(folder, name, part)
    files = [file.name for file in path.iterdir()]
    check_header(path, part.stem, chosen(files, part.stem, dtype) or "", kind)
    options = {} if part.of_transformers else {"low_cpu_mem_usage": False}
    try:
        network, loaded = kind.from_pretrained(
            str(path),
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            variant=chosen(files, part.stem, dtype) or None,
            torch_dtype=dtype,
            **options,
        )
    except Exception as error:  # of many kinds; each means that the part cannot be used
        raise DataError(f"{path} cannot be loaded with safetensors weights: {error}") from error
    # What is missing would be filled with random numbers and a warning. Positions were once saved
    # with the weights.
    wrong = {
        what: sorted(str(n) for n in names if "position_ids" not in str(n))
        for what, names in loaded.items()
        if names
    }
    wrong = {what: names for what, names in wrong.items() if names}
    if wrong:
        raise DataError(f"{path}: the weights file does not fit the model: {wrong}.")
    kinds = {p.dtype for p in network.parameters() if p.is_floating_point()}
    if not part.of_transformers and kinds - {dtype}:  # diffusers leaves some in float32
        network = as_module(network, dtype)
    frozen: torch.nn.Module = network.eval().requires_grad_(False)
    return frozen
