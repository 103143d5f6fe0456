"""Loading a pipeline of any family: from a folder, a hub, one file, or diffusers' own object."""

import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.score import dit, flux, sd3, sd_model, sdxl, unconditional
from scoregeo.score.family import Family, Part, Parts
from scoregeo.score.folder import VOCABULARY, chosen, files_of, pipeline_settings, read_settings
from scoregeo.score.hub import snapshot
from scoregeo.score.latent_model import AbstractLatentModel
from scoregeo.score.lora import LORA_FILE, add_lora
from scoregeo.score.model_folder import MODELS, model_folder
from scoregeo.score.single_file import config_of_file, parts_of_file
from scoregeo.score.textual_inversion import add_embeddings
from scoregeo.score.tuning import tune
from scoregeo.score.weights import dtype_of, load_parts, part_dtype

log = logging.getLogger(__name__)

SHIPPED = "emoji_sd"  # the project's own small text-to-image model
FAMILIES: tuple[Family, ...] = (
    sd_model.FAMILY,
    sdxl.FAMILY,
    sd3.FAMILY,
    flux.FAMILY,
    dit.FAMILY,
    unconditional.FAMILY,
)


def load_model(
    model: str | Path,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = torch.float32,
    vae_chunk: int | None = 4,
    prediction: str | None = None,
    lora: str | Path | None = None,
    lora_scale: float = 1.0,
    embeddings: str | Path | None = None,
    config: str | Path | None = None,
    compile: bool | str = False,
    attention: str | None = None,
    offload: bool = False,
    families: Sequence[Family] = FAMILIES,
) -> AbstractLatentModel:
    """A pipeline of any supported family.

    Args:
        model: a folder in diffusers' layout, a shipped model, a hub id, or one `.safetensors` file.
        dtype: of the networks, float32, float16 or bfloat16, a name or torch's own; with float16 an
            autoencoder that asks for it stays in float32. Points have the dtype of the pictures.
        vae_chunk: largest batch of pictures that the autoencoder is given; None: as many as the
            memory limit holds.
        prediction: replaces the scheduler file's prediction type, where that is wrong.
        lora: a `.safetensors` file of low-rank changes, added to the weights with `lora_scale`.
        embeddings: a `.safetensors` file of textual inversion.
        config: for one file: the folder or hub id of the pipeline whose settings and vocabularies
            go with it.
        compile: whether the denoising network is compiled by torch, or the backend that does it;
            derivatives are taken of the network as it is written. attention: one of diffusers'
            attention backends for it.
        offload: text encoders and autoencoder are on `device` only while they are used.
        families: which may be loaded.

    Raises DataError, naming the model, for a pipeline of another family, a part that is missing,
    damaged or saved as a pickle only, and where the hub cannot be reached (within seconds).
    """
    kind, path = dtype_of(dtype), Path(model).expanduser()
    first = "cpu" if offload else device  # so that not all parts are on the device at once
    if config is not None and not path.is_file():
        raise ConfigError(
            f"score.config = {str(config)!r} goes with one .safetensors file; score.model ="
            f" {str(model)!r} is none."
        )
    if path.is_file():
        tensors, usual = config_of_file(path)
        folder = find_folder(usual if config is None else config, kind, families, weights=False)
        family = family_of(folder, families)
        loaded = parts_of_file(path, tensors, folder, family, partial(part_dtype, kind), first)
    else:
        folder = find_folder(model, kind, families)
        family = family_of(folder, families)
        loaded = load_parts(folder, family, kind, first)
        if lora is None and (folder / LORA_FILE).is_file():
            log.warning(
                "%s lies beside the parts and is not applied: set score.lora to it to add it to the"
                " weights.",
                folder / LORA_FILE,
            )
    if lora is not None:
        add_lora(Path(lora).expanduser(), loaded, lora_scale)
    if embeddings is not None:
        add_embeddings(Path(embeddings).expanduser(), loaded)
    scheduler = read_settings(folder / "scheduler" / "scheduler_config.json")
    settings, where = pipeline_settings(folder), str(folder)
    found = family.build(Parts(loaded, scheduler, settings, where, prediction, vae_chunk))
    tune(found.network, compile, attention)
    if offload:
        found.to(device, offloaded=True)
    return found


def from_pipe(
    pipe: Any,
    vae_chunk: int | None = 4,
    prediction: str | None = None,
    families: Sequence[Family] = FAMILIES,
) -> AbstractLatentModel:
    """The model of a pipeline object of diffusers. Its networks are shared, not copied: they are
    set to evaluation, their weights to need no gradient. (A float16 autoencoder that asks for
    float32 is copied.) LoRAs and embeddings that it has loaded count. `vae_chunk`, `prediction`:
    see `load_model`.

    Raises DataError for a class of another family, with those that are supported, and for a part
    that is missing or of another class.
    """
    where = type(pipe).__name__
    family = _named(where, where, families)
    components: Mapping[str, Any] = pipe.components
    loaded: dict[str, Any] = {}
    for name, part in family.parts.items():
        loaded[name] = components.get(name)
        if loaded[name] is None and not part.optional:
            raise DataError(f"{where} has no {name}: load it with all its parts.")
        if loaded[name] is not None and not _is(loaded[name], part):
            raise DataError(
                f"{where}.{name} is a {type(loaded[name]).__name__}, not a {part.kind}."
            )
    configs = {
        name: _settings(loaded[name])
        for name, part in family.parts.items()
        if not part.tokenizer and loaded[name] is not None
    }
    family.check(where, configs)
    for name, config in configs.items():
        if part_dtype(loaded[name].dtype, family.parts[name], config) != loaded[name].dtype:
            loaded[name] = deepcopy(loaded[name]).float()
    scheduler = {"_class_name": type(pipe.scheduler).__name__} | dict(pipe.scheduler.config)
    settings = dict(pipe.config) | {"labels": getattr(pipe, "labels", None)}
    return family.build(Parts(loaded, scheduler, settings, where, prediction, vae_chunk))


def family_of(folder: Path, families: Sequence[Family] = FAMILIES) -> Family:
    """The family of a pipeline's folder. Raises DataError for one that is not among `families`."""
    name = pipeline_settings(folder).get("_class_name")
    if name is None and not (folder / "unet").is_dir():
        raise DataError(f"{folder} has no model_index.json that says what pipeline it holds.")
    # Folders without an index are older than all families but the first.
    return families[0] if name is None else _named(str(name), str(folder), families)


def _named(name: str, where: str, families: Sequence[Family]) -> Family:
    for family in families:
        if name in family.pipelines:
            return family
    supported = "; ".join(f"{family.name} ({', '.join(family.pipelines)})" for family in families)
    raise DataError(f"{where} holds a {name}, which is not supported. Supported are: {supported}.")


def find_folder(
    model: str | Path,
    dtype: torch.dtype,
    families: Sequence[Family] = FAMILIES,
    weights: bool = True,
) -> Path:
    """The folder that `model` names: its own path, a shipped model's, or a snapshot of the hub's
    with the files that networks of `dtype` need (`weights`: those of the weights as well).
    """
    path = model_folder(model)
    if path is not None:
        return path
    if str(model) == SHIPPED:
        raise DataError(
            f"score.model = {SHIPPED!r} is not in {MODELS}: `make train-emoji` makes it, in hours"
            " on two cores."
        )
    if Path(model).suffix == ".safetensors":
        raise DataError(f"score.model = {str(model)!r}: there is no such file.")
    owner, _, name = str(model).partition("/")
    if owner in ("", ".", "..", "~") or not name or "/" in name:
        raise DataError(
            f"score.model = {str(model)!r} is neither a folder, nor a shipped model, nor a"
            " .safetensors file, nor a hub id (owner/name)."
        )
    parts = {name: part for family in families for name, part in family.parts.items()}

    def wanted(files: Sequence[str]) -> list[str]:
        return _wanted(files, parts, dtype, weights)

    return snapshot(str(model), wanted)


def _wanted(
    files: Sequence[str], parts: Mapping[str, Part], dtype: torch.dtype, weights: bool
) -> list[str]:
    """Of a repository's files those that make a pipeline: settings, vocabularies, and of each
    part's weights one variant.
    """
    found = {"model_index.json", LORA_FILE, "scheduler/scheduler_config.json"}
    for name, part in parts.items():
        here = [file.removeprefix(f"{name}/") for file in files if file.startswith(f"{name}/")]
        if part.tokenizer:
            found |= {f"{name}/{file}" for file in here if _fits(file, VOCABULARY)}
            continue
        found.add(f"{name}/config.json")
        variant = chosen(here, part.stem, dtype) if weights else None
        if variant is not None:
            found |= {f"{name}/{file}" for file in files_of(here, part.stem, variant)}
    return [file for file in files if file in found]


def _fits(file: str, patterns: Sequence[str]) -> bool:
    return any(Path(file).match(pattern) for pattern in patterns)


def _is(value: Any, part: Part) -> bool:
    """Whether a part is of its class or of one derived from it; a tokenizer may be the fast one."""
    names = {cls.__name__.removesuffix("Fast") for cls in type(value).__mro__}
    return part.kind in names


def _settings(network: Any) -> dict[str, Any]:
    """A network's settings as its file has them, with the class's name."""
    config = network.config
    values = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    return {"_class_name": type(network).__name__} | values
