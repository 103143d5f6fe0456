"""Low-rank changes of weights (LoRA, Hu et al. 2022), added to a pipeline's networks."""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import DataError, check_number, shown
from scoregeo.score.tensor_file import read_tensors

log = logging.getLogger(__name__)

_METADATA = "lora_adapter_metadata"
LORA_FILE = "pytorch_lora_weights.safetensors"
NETWORKS = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3")
# What names of files made by kohya's scripts begin with, and the part that each means.
_PREFIXES = {
    "lora_unet_": ("unet", "transformer"),
    "lora_te_": ("text_encoder",),
    "lora_te1_": ("text_encoder",),
    "lora_te2_": ("text_encoder_2",),
    "lora_te3_": ("text_encoder_3",),
}
# Ends of keys: of peft, of diffusers before it in three forms, of kohya's scripts.
_DOWN = (
    ".lora_A.weight",
    ".lora.down.weight",
    "_lora.down.weight",
    ".lora_linear_layer.down.weight",
    ".lora_down.weight",
)
_UP = tuple(end.replace("lora_A", "lora_B").replace("down", "up") for end in _DOWN)


@dataclass
class _Change:
    """`W' = W + scale alpha / rank (up down)`; alpha is the rank where the file gives none."""

    down: torch.Tensor | None = None
    up: torch.Tensor | None = None
    alpha: float | None = None


@torch.no_grad()
def add_lora(path: Path, parts: Mapping[str, Any], scale: float = 1.0) -> None:
    """Add the changes in a `.safetensors` file to the weights of a pipeline's `parts`, times
    `scale`. Formats: diffusers' own (peft's and those before it) and kohya's, U-Nets, transformers
    and text encoders, linear and convolutional layers.

    Raises DataError, naming the file, where it is missing or a pickle, where a tensor fits no layer
    (a LoRA of another model, DoRA, LoHa, LoKr), and ConfigError for a scale that is no number.
    """
    check_number("score.lora_scale", scale)
    tensors, metadata = read_tensors(path, "score.lora")
    changes = _changes(path, _renamed(path, tensors, parts))
    unknown, changed = [], dict[int, str]()
    planned: list[tuple[torch.nn.Parameter, torch.Tensor]] = []
    for name, change in changes.items():
        found = _layer(name, parts)
        if found is None or change.down is None or change.up is None:
            unknown.append(name)
            continue
        part, layer = found
        rank = _rank(path, name, change.down, change.up)
        if id(layer) in changed:
            raise DataError(
                f"score.lora = {str(path)!r}: {name} and {changed[id(layer)]} change one layer."
            )
        changed[id(layer)] = name
        alpha = _alpha(path, change, part, rank, metadata)
        weight: torch.nn.Parameter = layer.weight
        low = change.up.float().flatten(1) @ change.down.float().flatten(1)
        if low.numel() != weight.numel() or len(low) != len(weight):
            raise DataError(
                f"score.lora = {str(path)!r}: {name} changes a weight of {low.shape[0]} x"
                f" {low.shape[1]}, the model's has {tuple(weight.shape)}: a LoRA of another model."
            )
        added = scale * alpha / rank * low.reshape(weight.shape)
        if not bool(added.isfinite().all()):
            raise DataError(f"score.lora = {str(path)!r}: the change of {name} is not finite.")
        planned.append((weight, added))
    if unknown or not planned:
        shown = ", ".join(unknown[:3]) or "nothing"
        raise DataError(
            f"score.lora = {str(path)!r}: {len(unknown)} of {len(changes)} changes fit no layer of"
            f" the model ({shown}): a LoRA of another model or of a kind that is not supported."
        )
    for weight, added in planned:
        weight.add_(added.to(weight))
    log.info("%s: %d weights changed.", path, len(planned))


def _changes(path: Path, tensors: Mapping[str, torch.Tensor]) -> dict[str, _Change]:
    """The changes by the layer's name as the file has it."""
    found: dict[str, _Change] = {}
    for key, value in tensors.items():
        for ends, which in ((_DOWN, "down"), (_UP, "up"), ((".alpha",), "alpha")):
            end = next((end for end in ends if key.endswith(end)), None)
            if end is None:
                continue
            name = key.removesuffix(end)
            # before peft: `…processor.to_out_lora.down.weight` is of `….to_out.0`
            name = name.replace(".processor.", ".")
            name = f"{name}.0" if name.endswith(".to_out") else name
            change = found.setdefault(name, _Change())
            if getattr(change, which) is not None:
                raise DataError(f"score.lora = {str(path)!r}: {name} is given twice.")
            if which == "alpha":
                change.alpha = _number(path, key, value.tolist())
            else:
                setattr(change, which, value)
            break
        else:
            raise DataError(
                f"score.lora = {str(path)!r}: {key} is no low-rank change; DoRA, LoHa, LoKr and"
                " biases are not supported."
            )
    return found


def _rank(path: Path, name: str, down: torch.Tensor, up: torch.Tensor) -> int:
    """Raises DataError for matrices that are not of real floating-point numbers or whose ranks
    differ or are 0.
    """
    if down.ndim < 2 or up.ndim < 2 or down.shape[0] != up.shape[1] or not down.shape[0]:
        raise DataError(
            f"score.lora = {str(path)!r}: {name} is no low-rank change: matrices [rank, inputs] and"
            f" [outputs, rank] are expected, these have shapes {list(down.shape)},"
            f" {list(up.shape)}."
        )
    if not (down.is_floating_point() and up.is_floating_point()):
        raise DataError(
            f"score.lora = {str(path)!r}: {name} is of {down.dtype}, {up.dtype}: floating-point"
            " numbers are expected."
        )
    return down.shape[0]


def _number(path: Path, key: str, value: Any) -> float:
    """One finite number, also in a list of its own."""
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise DataError(
            f"score.lora = {str(path)!r}: {key} = {shown(value)} must be one finite number."
        )
    return float(value)


def _layer(name: str, parts: Mapping[str, Any]) -> tuple[str, Any] | None:
    """The part and the layer that a name in the file means."""
    for part in NETWORKS:
        if parts.get(part) is not None and name.startswith(f"{part}."):
            return _named(part, name.removeprefix(f"{part}."), parts, ".")
    for prefix, of in _PREFIXES.items():
        for part in of:
            if parts.get(part) is not None and name.startswith(prefix):
                return _named(part, name.removeprefix(prefix), parts, "_")
    return None


def _named(part: str, name: str, parts: Mapping[str, Any], dot: str) -> tuple[str, Any] | None:
    """`dot`: what stands between the levels of a name."""
    layers = {
        key.replace(".", dot): layer
        for key, layer in parts[part].named_modules()
        if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d))
    }
    # transformers has dropped the outer level of its text encoders.
    for candidate in (name, name.removeprefix(f"text_model{dot}"), f"text_model{dot}{name}"):
        if candidate in layers:
            return part, layers[candidate]
    return None


def _alpha(path: Path, change: _Change, part: str, rank: int, metadata: Mapping[str, str]) -> float:
    """A change's alpha: its own, that of the file's metadata, or its rank. Raises DataError for
    metadata that cannot be read.
    """
    if change.alpha is not None:
        return change.alpha
    try:
        settings = json.loads(metadata.get(_METADATA, "{}"))
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        raise DataError(
            f"score.lora = {str(path)!r}: its metadata {_METADATA} is no JSON object, so that its"
            " alpha is not known."
        )
    key = f"{part}.lora_alpha"
    alpha = settings.get(key)
    return float(rank) if alpha is None else _number(path, key, alpha)


def _renamed(
    path: Path, tensors: dict[str, torch.Tensor], parts: Mapping[str, Any]
) -> dict[str, torch.Tensor]:
    """The file with names of the original Stable Diffusion XL's and Flux's layers turned into
    diffusers', by diffusers.
    """
    from diffusers.loaders import lora_conversion_utils as conversion

    blocks = re.compile(r"lora_unet_(input_blocks|output_blocks|middle_block|double_|single_)")
    if not any(blocks.match(key) for key in tensors):
        return tensors
    try:
        if "unet" in parts:
            return dict(
                conversion._maybe_map_sgm_blocks_to_diffusers(tensors, parts["unet"].config)
            )
        return dict(conversion._convert_kohya_flux_lora_to_diffusers(tensors))
    except Exception as error:  # of many kinds; each means that the names are of no known layers
        raise DataError(
            f"score.lora = {str(path)!r}: its names cannot be converted: {error}"
        ) from error
