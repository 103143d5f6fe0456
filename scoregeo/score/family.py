"""What a family of models is made of: its pipelines, its parts, and how these make a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scoregeo._utils.errors import DataError, shown
from scoregeo.score.config_numbers import check_numbers
from scoregeo.score.latent_model import AbstractLatentModel

Configs = Mapping[str, Mapping[str, Any]]  # settings of the parts that have weights, by part


@dataclass(frozen=True)
class Part:
    """A part of a pipeline with weights or a vocabulary; `kind`: its class, of diffusers or
    transformers.

    `optional`: the pipeline works without it. `keeps_float32`: it stays in float32 in a float16
    model unless its file says that it need not (`force_upcast = False`).
    """

    kind: str
    optional: bool = False
    keeps_float32: bool = False

    @property
    def tokenizer(self) -> bool:
        return "Tokenizer" in self.kind

    @property
    def of_transformers(self) -> bool:
        return self.kind.startswith(("CLIP", "T5"))

    @property
    def stem(self) -> str:
        """Name of its weights file, without ending."""
        return "model" if self.of_transformers else "diffusion_pytorch_model"


@dataclass(frozen=True)
class Parts:
    """The loaded parts of one pipeline, by name; None for an optional one that is not there.

    `scheduler`: its settings, the class's name among them. `settings`: those of the pipeline
    itself. `where`: how errors name the pipeline. `prediction`: what replaces the scheduler's
    prediction type, or None. `chunk`: largest batch of pictures for the autoencoder.
    """

    loaded: Mapping[str, Any]
    scheduler: Mapping[str, Any]
    settings: Mapping[str, Any]
    where: str
    prediction: str | None = None
    chunk: int | None = 4

    def __getitem__(self, name: str) -> Any:
        return self.loaded[name]


@dataclass(frozen=True)
class Family:
    """A family of models. `pipelines`: names of diffusers' classes; of these parts alone, used
    with text alone.

    `check(where, configs)` raises DataError where the parts' settings are not those of the family
    or do not fit each other; it comes before any weights are read. `build` makes the model.
    """

    name: str
    pipelines: tuple[str, ...]
    parts: Mapping[str, Part]
    check: Callable[[str, Configs], None] = field(repr=False)
    build: Callable[[Parts], AbstractLatentModel] = field(repr=False)

    def check_configs(self, where: str, configs: Configs) -> None:
        """Raise DataError where a number in the parts' settings cannot be one, where a network
        takes a picture beside the text, or as `check`.
        """
        for part, config in configs.items():
            check_numbers(f"{where}/{part}", config)
            _check_projection(f"{where}/{part}", config)
        self.check(where, configs)


def refuse_prediction(parts: Parts, family: str) -> None:
    """Raise DataError where a prediction type is given to a family that has one only."""
    if parts.prediction is not None:
        raise DataError(
            f"score.prediction = {parts.prediction!r} is not allowed with {family}: its network"
            " predicts the flow's velocity, and no file says otherwise."
        )


def _check_projection(where: str, config: Mapping[str, Any]) -> None:
    """Raise DataError where a network projects more than text to what its attention takes."""
    kind = config.get("encoder_hid_dim_type")
    if kind not in (None, "text_proj"):
        ip = " Call unload_ip_adapter() of the pipeline first." if kind == "ip_image_proj" else ""
        raise DataError(
            f"{where} takes a picture beside the text (encoder_hid_dim_type = {shown(kind)}), which"
            f" is not supported: encoder_hid_dim_type must be null or 'text_proj'.{ip}"
        )
