"""The score of a pixel-space diffusers model: a UNet2DModel and its scheduler's noise schedule."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import ConfigError, DataError, check_number
from scoregeo.dataset.base import AbstractDataset
from scoregeo.score.base import AbstractScore
from scoregeo.score.config_numbers import check_schedule, sides_of_network
from scoregeo.score.field import ScoreField, field_at
from scoregeo.score.folder import read_settings
from scoregeo.score.model_folder import MODELS, model_folder
from scoregeo.score.network import batches, fed, frozen
from scoregeo.score.prediction import check_prediction, score_of_output
from scoregeo.score.schedule import NoiseSchedule
from scoregeo.score.weights_header import check_header

_SCHEDULER, _STEM = "scheduler_config.json", "diffusion_pytorch_model"
_CLASS = "UNet2DModel"


class DiffusersUNetScore(AbstractScore):
    """Score of a `UNet2DModel` with epsilon, sample or v prediction, in variance-exploding
    coordinates.

    The network sees `x_vp = x / sqrt(1 + sigma^2)` and the schedule's (fractional) timestep at
    sigma; see `score_of_output`."""

    learned = True

    def __init__(
        self, unet: torch.nn.Module, schedule: NoiseSchedule, prediction: str, chunk: int = 512
    ) -> None:
        """`unet`: called as unet(x_vp, t).sample; `prediction`: "epsilon", "v_prediction" or
        "sample".

        `chunk`: largest batch; on a processor about 32 are taken at a time, for speed.
        """
        check_number("score.chunk", chunk, at_least=1, integer=True)
        check_prediction(prediction)
        self.unet = _with_plain_attention(frozen(unet))
        self.schedule = schedule
        self.prediction = prediction
        self.chunk = chunk
        config: Mapping[str, Any] = unet.config  # type: ignore[assignment]  # diffusers adds it to every model
        self._shape = (int(config["in_channels"]), *sides_of_network("unet", config))

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def sigma_range(self) -> tuple[float, float]:
        return self.schedule.sigma_range

    def sigma_of_timestep(self, timestep: float) -> float:
        check_number(
            "score.timestep", timestep, at_least=0, at_most=self.schedule.num_timesteps - 1
        )
        return float(self.schedule.sigma(torch.tensor(float(timestep))))

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return torch.cat([self._chunk_score(part, sigma) for part in batches(x, self.chunk)])

    def _chunk_score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        x_vp = fed(x, self.unet) / (1 + sigma**2) ** 0.5
        timestep = x_vp.new_full((len(x),), self.schedule.timestep_at(sigma))
        return score_of_output(self.unet(x_vp, timestep).sample.to(x), x, sigma, self.prediction)


def _with_plain_attention(unet: torch.nn.Module) -> torch.nn.Module:
    """The same network, its attention without fused kernels, which have no
    forward-mode derivative.
    """
    from diffusers.models.attention_processor import Attention, AttnProcessor

    for module in unet.modules():
        if isinstance(module, Attention):
            module.set_processor(AttnProcessor())
    return unet


def load_unet_score(folder: str | Path, chunk: int = 512) -> DiffusersUNetScore:
    """Load a score from a folder in diffusers' pipeline layout (`unet/`, `scheduler/`), safetensors
    only.

    `folder` may also be the name of a shipped model. Raises DataError, naming the folder, for
    missing or damaged files.

    Example:
        >>> import torch, scoregeo
        >>> score = scoregeo.load_unet_score("digits_unet_ten")
        >>> score.shape
        (1, 28, 28)
        >>> round(score.sigma_of_timestep(400), 2)
        2.04
    """
    from diffusers import DDIMScheduler, UNet2DModel

    if not isinstance(folder, (str, Path)):
        raise ConfigError(
            f"score.model = {folder!r} is not allowed: score.model must be a folder, or the name of"
            " a shipped model."
        )
    path = model_folder(folder)
    if path is None or not (path / "unet").is_dir() or not (path / "scheduler").is_dir():
        shipped = ", ".join(sorted(p.name for p in MODELS.iterdir() if _class_of(p) == _CLASS))
        raise DataError(
            f"score.model = {str(folder)!r} is neither a folder with unet/ and scheduler/ nor a"
            f" shipped model ({shipped})."
        )
    if (kind := _class_of(path)) not in (None, _CLASS):
        raise DataError(
            f"score.model = {str(folder)!r} is a {kind}: load_unet_score takes a {_CLASS}, whose"
            " points are pictures; GeodesicPipeline.from_pretrained takes text-to-image models."
        )
    check_schedule(f"{path}/scheduler", read_settings(path / "scheduler" / _SCHEDULER))
    check_header(path / "unet", _STEM, "", UNet2DModel)
    try:
        unet, loaded = UNet2DModel.from_pretrained(
            path / "unet",
            use_safetensors=True,
            torch_dtype=torch.float32,
            low_cpu_mem_usage=False,
            output_loading_info=True,
        )
        scheduler = DDIMScheduler.from_pretrained(path / "scheduler")
    except Exception as error:  # diffusers raises many kinds; each means the folder cannot be used
        raise DataError(
            f"{path} cannot be loaded as a diffusers model with safetensors weights: {error}"
        ) from error
    # diffusers fills what is missing with random numbers and only warns.
    wrong = {kind: names for kind, names in loaded.items() if names}
    if wrong:
        raise DataError(f"{path}/unet: the weights file does not fit the model: {wrong}.")
    return DiffusersUNetScore(
        unet, NoiseSchedule(scheduler.alphas_cumprod), scheduler.config.prediction_type, chunk
    )


def _class_of(folder: Path) -> str | None:
    """The network's class, as a pipeline's folder has it; None where it says none."""
    path = folder / "unet" / "config.json"
    name = read_settings(path).get("_class_name") if path.is_file() else None
    return None if name is None else str(name)


def unet_score(
    dataset: AbstractDataset,
    seed: int,
    sigma: float | None = None,
    timestep: float | None = None,
    model: str = "digits_unet_all",
    chunk: int = 512,
) -> ScoreField:
    """The score of a diffusers model, shipped or in a folder, at `sigma` or at the noise level of
    `timestep`.

    `seed` is not used: the weights are fixed. Raises ConfigError where the model's points have not
    the dataset's shape."""
    score = load_unet_score(model, chunk)
    if score.shape != dataset.shape:
        raise ConfigError(
            f"score.model = {model!r} takes points {score.shape}, those of {type(dataset).__name__}"
            f" are {dataset.shape}."
        )
    return field_at(score, sigma, timestep)
