"""Loading a pipeline of any family: from a folder, a hub, one file, or diffusers' own object."""

import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.device import usable_device
from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import is_file, path_of
from scoregeo.score import dit, flux, sd3, sd_model, sdxl, unconditional
from scoregeo.score.family import Family, Part, Parts
from scoregeo.score.find_folder import find_folder
from scoregeo.score.folder import SCHEDULER, part_folder, pipeline_settings, read_settings
from scoregeo.score.latent_model import AbstractLatentModel
from scoregeo.score.lora import LORA_FILE, add_lora
from scoregeo.score.single_file import config_of_file, parts_of_file
from scoregeo.score.textual_inversion import add_embeddings
from scoregeo.score.tuning import tune
from scoregeo.score.weights import dtype_of, load_parts, part_dtype

log = logging.getLogger(__name__)

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
    kind, path = dtype_of(dtype), path_of("score.model", model)
    where = usable_device(device)
    first = torch.device("cpu") if offload else where  # not all parts on the device at once
    if config is not None and not is_file(path):
        raise ConfigError(
            f"score.config = {str(config)!r} goes with one .safetensors file; score.model ="
            f" {str(model)!r} is none."
        )
    if is_file(path):
        tensors, usual = config_of_file(path, config is None)
        folder = _settings_folder(path, usual, config, kind, families)
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
        add_lora(path_of("score.lora", lora), loaded, lora_scale)
    if embeddings is not None:
        add_embeddings(path_of("score.embeddings", embeddings), loaded)
    scheduler = read_settings(part_folder(folder, "scheduler", None) / SCHEDULER)
    settings = pipeline_settings(folder)
    found = family.build(Parts(loaded, scheduler, settings, str(folder), prediction, vae_chunk))
    tune(found.network, compile, attention)
    if offload:
        found.to(where, offloaded=True)
    return found


def _settings_folder(
    path: Path,
    usual: str,
    config: str | Path | None,
    dtype: torch.dtype,
    families: Sequence[Family],
) -> Path:
    """The folder of the settings that go with one file: `config`, else that of the `usual` ones."""
    if config is not None:
        return find_folder(config, dtype, families, weights=False, key="score.config")
    try:
        return find_folder(usual, dtype, families, weights=False, key="score.config")
    except DataError as error:
        raise DataError(
            f"score.model = {str(path)!r} is one file, and its settings are not in it: set"
            f" score.config to a folder or hub id that has them. {error}"
        ) from error


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
    that is missing, of another class or without its weights in memory
    (`enable_sequential_cpu_offload`).
    """
    where = type(pipe).__name__
    family = _named(where, where, families)
    components = getattr(pipe, "components", None)
    if not isinstance(components, Mapping) or not hasattr(pipe, "config"):
        raise DataError(f"{where} has no components: an object of diffusers' class is expected.")
    loaded: dict[str, Any] = {}
    for name, part in family.parts.items():
        loaded[name] = components.get(name)
        if loaded[name] is None and not part.optional:
            raise DataError(f"{where} has no {name}: load it with all its parts.")
        if loaded[name] is not None and not _is(loaded[name], part):
            raise DataError(
                f"{where}.{name} is a {type(loaded[name]).__name__}, not a {part.kind}."
            )
        if not part.tokenizer and loaded[name] is not None:
            _check_memory(f"{where}.{name}", loaded[name])
    configs = {
        name: _settings(loaded[name])
        for name, part in family.parts.items()
        if not part.tokenizer and loaded[name] is not None
    }
    scheduler = components.get("scheduler")
    if scheduler is None or not isinstance(getattr(scheduler, "config", None), Mapping):
        raise DataError(f"{where}.scheduler is a {type(scheduler).__name__}, not a scheduler.")
    family.check_configs(where, configs)
    for name, config in configs.items():
        if part_dtype(loaded[name].dtype, family.parts[name], config) != loaded[name].dtype:
            loaded[name] = _copied(loaded[name]).float()
    noise = {"_class_name": type(scheduler).__name__} | dict(scheduler.config)
    settings = dict(pipe.config) | {"labels": getattr(pipe, "labels", None)}
    return family.build(Parts(loaded, noise, settings, where, prediction, vae_chunk))


def family_of(folder: Path, families: Sequence[Family] = FAMILIES) -> Family:
    """The family of a pipeline's folder. Raises DataError for one that is not among `families`."""
    name = pipeline_settings(folder).get("_class_name")
    if name is None and not (folder / "unet").is_dir():
        raise DataError(
            f"{folder} is no model's folder: it must have a diffusers model_index.json with the"
            " pipeline's _class_name, or unet/ and scheduler/."
        )
    if name is not None:
        return _named(str(name), str(folder), families)
    settings = folder / "unet" / "config.json"
    kind = read_settings(settings).get("_class_name") if settings.is_file() else None
    alone = [one for one in families if [part.kind for part in one.parts.values()] == [kind]]
    if alone and not any((folder / codec).is_dir() for codec in ("vae", "vqvae")):
        return alone[0]
    # Other folders without an index are older than all families but the first.
    return families[0]


def _named(name: str, where: str, families: Sequence[Family]) -> Family:
    for family in families:
        if name in family.pipelines:
            return family
    supported = "; ".join(f"{family.name} ({', '.join(family.pipelines)})" for family in families)
    raise DataError(f"{where} holds a {name}, which is not supported. Supported are: {supported}.")


def _is(value: Any, part: Part) -> bool:
    """Whether a part is of its class or of one derived from it; a tokenizer may be the fast one."""
    names = {cls.__name__.removesuffix("Fast") for cls in type(value).__mro__}
    return part.kind in names


def _check_memory(where: str, network: Any) -> None:
    """Raise DataError for a network whose weights are in memory only while a layer computes: they
    do not say where that is.
    """
    if any(weight.is_meta for weight in network.parameters()):
        raise DataError(
            f"{where} has weights on the device 'meta', as enable_sequential_cpu_offload leaves"
            " them: they must be in memory. Call enable_model_cpu_offload() of the pipeline in its"
            " place."
        )


def _copied(network: Any) -> Any:
    """A copy of a network. Where diffusers offloads it, the copy has a hook of accelerate of its
    own, which sends back the same network as the original's: that one is not copied.
    """
    hook = getattr(network, "_hf_hook", None)
    before = [getattr(one, "prev_module_hook", None) for one in getattr(hook, "hooks", (hook,))]
    return deepcopy(network, {id(one): one for one in before if one is not None})


def _settings(network: Any) -> dict[str, Any]:
    """A network's settings as its file has them, with the class's name."""
    config = network.config
    if hasattr(config, "to_dict"):
        values = config.to_dict()
    else:  # what diffusers changes after loading, as for an IP-Adapter, are attributes alone
        changed = {key: value for key, value in vars(config).items() if not key.startswith("_")}
        values = dict(config) | changed
    return {"_class_name": type(network).__name__} | values
