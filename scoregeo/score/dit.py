"""Class-conditional DiT: a transformer on latents under one of a thousand classes.

Peebles & Xie 2023; behaviour as diffusers' `DiTPipeline`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MethodType
from typing import Any

import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.score.condition import AbstractCondition
from scoregeo.score.ddim_scheduler import ddim_scheduler
from scoregeo.score.family import Configs, Family, Part, Parts
from scoregeo.score.latent_codec import LatentCodec
from scoregeo.score.latent_model import AbstractDDIMModel, Size, unet_side
from scoregeo.score.prompt import AbstractPrompts
from scoregeo.score.stable_diffusion import StableDiffusionScore


@dataclass(frozen=True, eq=False)
class DiTScore(StableDiffusionScore):
    """Score of latents of a `DiTTransformer2DModel`. Embeddings [1, classes + 1] are weights of the
    classes, the last one that of no class; mixed ones mix the classes' own embeddings.
    """

    def _asked(
        self, x: torch.Tensor, timestep: torch.Tensor, embedding: torch.Tensor
    ) -> torch.Tensor:
        network: Any = self.unet
        output: torch.Tensor = network(x, timestep=timestep, class_labels=embedding[:, 0]).sample
        return output[:, : x.shape[1]]  # predicted variances follow


def soften_labels(transformer: Any) -> None:
    """Let every block's class embedding take weights [batch, classes + 1] as well as labels
    [batch]. Names of weights stay as they are, so that the network can be saved as before.
    """
    for block in transformer.transformer_blocks:
        labels = block.norm1.emb.class_embedder
        labels.forward = MethodType(_embedded, labels)


def _embedded(self: Any, labels: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
    found: torch.Tensor = (
        labels @ self.embedding_table.weight
        if labels.is_floating_point()
        else type(self).forward(self, labels, *rest, **options)
    )
    return found


class ClassPrompts(AbstractPrompts):
    """Prompts that are a class's name or number; the empty one is no class."""

    def __init__(
        self, transformer: torch.nn.Module, classes: int, names: Mapping[str, int]
    ) -> None:
        """`names`: number of a class, by its name in lower case."""
        super().__init__()
        self._transformer, self.classes, self.names = transformer, classes, names

    @property
    def networks(self) -> tuple[torch.nn.Module, ...]:
        return ()

    @property
    def device(self) -> torch.device:
        return next(self._transformer.parameters()).device

    def number(self, prompt: str) -> int | None:
        """The class that a prompt names, None for one that names none."""
        text = prompt.strip().lower()
        if not text:
            return self.classes
        if text.isdecimal():
            return int(text) if int(text) < self.classes else None
        return self.names.get(text)

    def _check_text(self, prompt: str, key: str) -> None:
        if self.number(prompt) is not None:
            return
        close = get_close_matches(prompt.strip().lower(), self.names, n=3)
        near = f"; close are {', '.join(map(repr, close))}" if close else ""
        raise ConfigError(
            f"{key} = {prompt!r} is not allowed: the model takes a class's name or its number, 0 to"
            f" {self.classes - 1}, or '' for none{near}."
        )

    def _encoded(self, prompt: str) -> torch.Tensor:
        weights = torch.zeros(1, self.classes + 1, device=self.device)
        number = self.number(prompt)
        assert number is not None
        weights[0, number] = 1
        return weights


@dataclass(frozen=True, eq=False)
class DiT(AbstractDDIMModel):
    """A loaded DiT pipeline."""

    transformer: Any
    codec: LatentCodec
    prompts: ClassPrompts
    scheduler: Any

    @property
    def network(self) -> torch.nn.Module:
        transformer: torch.nn.Module = self.transformer
        return transformer

    @property
    def image_size(self) -> tuple[int, int]:
        height, width = unet_side(self.transformer)
        return height * self.codec.factor, width * self.codec.factor

    def latent_shape(self, size: Size) -> tuple[int, int, int]:
        shape = super().latent_shape(size)
        if shape[1:] != unet_side(self.transformer):
            side = self.image_size[0]
            raise DataError(
                f"pictures of {shape[1] * self.codec.factor} x {shape[2] * self.codec.factor}"
                f" pixels (height x width) do not fit the model, which takes {side} x {side} alone."
            )
        return shape

    def score(
        self,
        prompt: str | AbstractCondition,
        negative_prompt: str | None = None,
        guidance: float = 1.0,
        size: Size = None,
        chunk: int | None = 8,
    ) -> DiTScore:
        return DiTScore(
            self.transformer,
            self.schedule,
            self.prediction,
            self.latent_shape(size),
            self.condition(prompt),
            self.prompts.negative(negative_prompt),
            guidance,
            chunk,
        )


def _check(where: str, configs: Configs) -> None:
    latents = configs["vae"].get("latent_channels", 4)
    given = configs["transformer"].get("in_channels")
    if given != latents:
        raise DataError(f"{where}/transformer takes {given} channels, latents have {latents}.")


def _build(parts: Parts) -> DiT:
    transformer = parts["transformer"]
    soften_labels(transformer)
    names: Mapping[str, int] = parts.settings.get("labels") or {
        name: int(number)
        for number, every in (parts.settings.get("id2label") or {}).items()
        for name in every.split(",")
    }
    names = {name.strip().lower(): number for name, number in names.items()}
    return DiT(
        transformer,
        LatentCodec(parts["vae"], parts.chunk),
        ClassPrompts(transformer, int(transformer.config["num_embeds_ada_norm"]), names),
        ddim_scheduler(
            parts.scheduler, f"{parts.where}/scheduler", parts.prediction, clip_sample=False
        ),
    )


FAMILY = Family(
    name="DiT",
    pipelines=("DiTPipeline",),
    parts={
        "transformer": Part("DiTTransformer2DModel"),
        "vae": Part("AutoencoderKL", keeps_float32=True),
    },
    check=_check,
    build=_build,
)
