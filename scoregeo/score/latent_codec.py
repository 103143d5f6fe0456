"""Pictures to a latent diffusion model's latents and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from scoregeo._utils.errors import DataError
from scoregeo.score.batch import check_chunk, in_batches
from scoregeo.score.network import fed, frozen
from scoregeo.score.offload import resident


@dataclass(frozen=True, eq=False)
class LatentCodec:
    """A diffusers `AutoencoderKL` with its scale: `z = scaling_factor (mode(q(z | image)) -
    shift_factor)`; where `standardized`, and its settings have both, `z = scaling_factor
    (mode(q(z | image)) - latents_mean) / latents_std`, each channel by its own numbers.

    The posterior's mode, not a draw, so that a picture has one latent (Rombach et al. 2022, section
    3.1). At most `chunk` pictures at a time; None: as many as the memory limit holds. Frozen: no
    gradient reaches its weights.
    """

    vae: Any
    chunk: int | None = 4
    standardized: bool = False

    def __post_init__(self) -> None:
        check_chunk(self.chunk)
        frozen(self.vae)

    @property
    def factor(self) -> int:
        """Pixels of a picture to one latent pixel, along each side."""
        return 2 ** (len(self._config["block_out_channels"]) - 1)

    @property
    def latent_channels(self) -> int:
        return int(self._config["latent_channels"])

    @property
    def networks(self) -> tuple[torch.nn.Module, ...]:
        """What has weights."""
        return (self.vae,)

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Shape of the latents of pictures `height` x `width`. Raises DataError unless both are
        multiples of `factor`.
        """
        if height < 1 or width < 1 or height % self.factor or width % self.factor:
            raise DataError(
                f"pictures of {height} x {width} pixels (height x width) do not fit the"
                f" autoencoder: both sides must be multiples of {self.factor}."
            )
        return (self.latent_channels, height // self.factor, width // self.factor)

    @torch.no_grad()
    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images [batch, 3, H, W] in [-1, 1] to latents [batch, channels, H / factor, W / factor],
        of the images' dtype.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise DataError(
                "pictures must have shape [batch, 3, height, width], they have"
                f" {tuple(images.shape)}."
            )
        self.latent_shape(*images.shape[2:])
        if not bool((images.abs() <= 1 + 1e-3).all()):  # NaN is refused as well
            raise DataError("pictures must have values in [-1, 1].")

        def work(part: slice, _: int) -> torch.Tensor:
            found: torch.Tensor = self.vae.encode(fed(images[part], self.vae)).latent_dist.mode()
            return found.to(images)

        with resident(self.vae):
            latents = in_batches(
                self.vae, len(images), self.chunk, work, kind=("encode", *images.shape[1:])
            )
        shift, scale = self._shift_and_scale(latents)
        return (latents - shift) * scale

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [batch, channels, h, w] to images [batch, 3, H, W], clamped to [-1, 1], of the
        latents' dtype.
        """
        if latents.ndim != 4 or latents.shape[1] != self.latent_channels:
            raise DataError(
                f"latents must have shape [batch, {self.latent_channels}, height, width], they have"
                f" {tuple(latents.shape)}."
            )
        shift, scale = self._shift_and_scale(latents)
        scaled = latents / scale + shift

        def work(part: slice, _: int) -> torch.Tensor:
            found: torch.Tensor = self.vae.decode(fed(scaled[part], self.vae)).sample
            return found.to(latents)

        with resident(self.vae):
            images = in_batches(
                self.vae, len(scaled), self.chunk, work, kind=("decode", *scaled.shape[1:])
            )
        return images.clamp(-1, 1)

    @property
    def _config(self) -> Mapping[str, Any]:
        return self.vae.config

    def _shift_and_scale(
        self, like: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor] | tuple[float, float]:
        """What is taken from an encoded picture, and what it is then multiplied by."""
        scale = float(self._config["scaling_factor"])
        mean, std = (self._config.get(f"latents_{key}") for key in ("mean", "std"))
        if self.standardized and mean is not None and std is not None:
            mean, std = (like.new_tensor(values)[:, None, None] for values in (mean, std))
            return mean, scale / std
        return float(self._config.get("shift_factor") or 0.0), scale
