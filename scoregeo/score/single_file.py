"""A pipeline in one `.safetensors` file, with the names of Stable Diffusion's authors; diffusers
turns them into its own.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from scoregeo._utils.errors import DataError
from scoregeo.score.family import Family, Part
from scoregeo.score.folder import read_settings
from scoregeo.score.tensor_file import read_tensors
from scoregeo.score.weights import as_module, load_tokenizer
from scoregeo.score.weights_header import check_sizes

Tensors = Mapping[str, torch.Tensor]
_AVERAGED = "model_ema."  # a copy for training that is not read, with a count of its steps
_NETWORK = "model.diffusion_model."  # what the denoiser's tensors' names begin with
_PREFIXES = {"UNet2DConditionModel": _NETWORK, "AutoencoderKL": "first_stage_model."}


def config_of_file(path: Path, infer: bool = True) -> tuple[Tensors, str]:
    """A file's tensors, and the hub id whose settings and vocabularies go with them, as diffusers
    infers it from names and shapes; "" where that is not to be inferred.

    Raises DataError where nothing can be inferred: diffusers would take Stable Diffusion 1.5's.
    """
    from diffusers.loaders import single_file_utils as single

    tensors, _ = read_tensors(path, "score.model")
    for name, value in tensors.items():
        counted = "position_ids" in name or name.startswith(_AVERAGED)
        if not (value.is_floating_point() or counted):
            raise DataError(
                f"{path} has {name} of {value.dtype}: weights of floating point are expected."
            )
    if not any(name.startswith(_NETWORK) for name in tensors):
        raise DataError(
            f"score.model = {str(path)!r} is no checkpoint of Stable Diffusion: none of its"
            f" {len(tensors)} tensors is named {_NETWORK}..."
        )
    if not infer:
        return tensors, ""
    try:
        found = single.fetch_diffusers_config(dict(tensors))
    except Exception as error:  # of many kinds; each means that it is no checkpoint
        raise DataError(f"{path} is no checkpoint that diffusers knows: {error}") from error
    return tensors, str(found["pretrained_model_name_or_path"])


def parts_of_file(
    path: Path,
    tensors: Tensors,
    folder: Path,
    family: Family,
    dtype_for: Callable[[Part, Mapping[str, Any]], torch.dtype],
    device: str | torch.device,
) -> dict[str, Any]:
    """The parts of a family from a file's `tensors`, with the settings and vocabularies in
    `folder`.

    Raises DataError for a family without a U-Net, and where a tensor is missing or left over.
    """
    if "unet" not in family.parts or "text_encoder" not in family.parts:
        raise DataError(
            f"{path}: one file is supported for Stable Diffusion 1.x, 2.x and XL; for {family.name}"
            " give a folder or a hub id."
        )
    configs = {
        name: read_settings(folder / name / "config.json")
        for name, part in family.parts.items()
        if not part.tokenizer
    }
    family.check_configs(str(folder), configs)
    loaded: dict[str, Any] = {}
    for name, part in family.parts.items():
        if part.tokenizer:
            loaded[name] = load_tokenizer(folder, name, part)
            continue
        make = _text_encoder if part.of_transformers else _network
        network = make(path, tensors, folder, name, part)
        kind = dtype_for(part, configs[name])
        loaded[name] = as_module(network, device, kind).eval().requires_grad_(False)
    return loaded


def _network(path: Path, tensors: Tensors, folder: Path, name: str, part: Part) -> torch.nn.Module:
    """A U-Net or an autoencoder."""
    import diffusers
    from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES

    convert = SINGLE_FILE_LOADABLE_CLASSES[part.kind]["checkpoint_mapping_fn"]
    config = read_settings(folder / name / "config.json")
    build = partial(getattr(diffusers, part.kind).from_config, config)
    check_sizes(f"{folder}/{name}", config, [tuple(one.shape) for one in tensors.values()], build)
    try:
        network: torch.nn.Module = build()
        converted = convert(config=network.config, checkpoint=dict(tensors))
        # diffusers passes over names that it does not know.
        own = [one for key, one in tensors.items() if key.startswith(_PREFIXES[part.kind])]
        left = sum(one.numel() for one in own) - sum(one.numel() for one in converted.values())
        if own and left > 0:
            raise KeyError(f"{left:,} numbers under {_PREFIXES[part.kind]} have no place in it")
        return _filled(network, converted)
    except Exception as error:  # of many kinds; each means that the file has not this part
        raise DataError(
            f"{path}: its {name} does not fit the settings in {folder}/{name}: {error}"
        ) from error


def _text_encoder(
    path: Path, tensors: Tensors, folder: Path, name: str, part: Part
) -> torch.nn.Module:
    import transformers
    from diffusers.loaders import single_file_utils as single

    kind: Any = getattr(transformers, part.kind)

    class Strict(kind):  # type: ignore[misc]  # diffusers fills what is missing with random numbers
        def load_state_dict(self, state: Tensors, strict: bool = True) -> Any:
            known = {key: v for key, v in state.items() if not key.endswith("position_ids")}
            return super().load_state_dict(known, strict=True)

    try:
        # With accelerate, diffusers leaves what the file has not without memory, and drops what
        # the encoder has not.
        with patch.object(single, "is_accelerate_available", lambda: False):
            encoder: torch.nn.Module = single.create_diffusers_clip_model_from_ldm(
                Strict, dict(tensors), subfolder=name, config=str(folder), local_files_only=True
            )
    except Exception as error:  # of many kinds; each means that the file has not this part
        raise DataError(
            f"{path}: its {name} does not fit the settings in {folder}/{name}: {error}"
        ) from error
    return encoder


def _filled(network: torch.nn.Module, tensors: Tensors) -> torch.nn.Module:
    network.load_state_dict(tensors, strict=True)
    return network
