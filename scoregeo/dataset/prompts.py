"""Two prompts instead of two pictures: the model paints the ends first."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from scoregeo._utils.errors import ConfigError, check_number
from scoregeo._utils.steps import check_steps
from scoregeo.dataset.base import AbstractDataset, Pairs
from scoregeo.dataset.picture_size import Size, check_frames, known, sides_of

Painter = Callable[
    [tuple[str, ...], int, int, float | None], torch.Tensor
]  # prompts, seed, steps, guidance -> images


@dataclass(frozen=True)
class Prompts(AbstractDataset):
    """Pictures that the run's text-to-image model makes of `first` and `second`; points [3,
    height, width] in [-1, 1].

    Each of `count` pairs has noise of its own, the same for both its ends, so that a pair differs
    by its prompts alone.

    Args:
        first, second: prompts. count: pairs. size: pixels a side, or height and width; null: the
            model's own.
        steps: of the family's sampler; each costs a score evaluation an image. guidance: of the
            prompt, at least 1; null: the default of diffusers' pipeline.
        painter: the model's, given by the run.
    """

    first: str
    second: str
    count: int = 1
    size: Size = 512
    steps: int = 50
    guidance: float | None = None
    painter: Painter | None = None

    def __post_init__(self) -> None:
        for key in ("first", "second"):
            value = getattr(self, key)
            if not isinstance(value, str) or not value.strip():
                raise ConfigError(
                    f"dataset.{key} = {value!r} is not allowed: dataset.{key} must be a prompt."
                )
        if self.first == self.second:
            raise ConfigError(
                f"dataset.first and dataset.second are both {self.first!r}: the two pictures would"
                " be one."
            )
        check_number("dataset.count", self.count, at_least=1, integer=True, held=False)
        sides = sides_of(self.size, "dataset.size")
        if sides is not None:
            check_frames("dataset.count", self.count, sides, ways=2, size="dataset.size")
        check_steps("dataset.steps", self.steps)
        if self.guidance is not None:
            check_number("dataset.guidance", self.guidance, at_least=1)

    def painted_by(self, painter: Painter) -> "Prompts":
        """The same prompts with a model."""
        return replace(self, painter=painter)

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, *known(sides_of(self.size, "dataset.size")))

    def sized(self, size: tuple[int, int]) -> "Prompts":
        return self if self.size is not None else replace(self, size=size)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32

    def pairs(self, seed: int) -> Pairs:
        """Pictures of both prompts; `2 * steps` score evaluations a pair."""
        first, second = (
            self._paint((prompt,) * self.count, seed) for prompt in (self.first, self.second)
        )
        names = tuple(f"noise{i:02d}" for i in range(self.count))
        return Pairs(
            first,
            second,
            names,
            ("all",) * self.count,
            prompts=((self.first, self.second),) * self.count,
        )

    def sample(self, count: int, seed: int) -> torch.Tensor:
        """Pictures of both prompts in turn, from other noise than the pairs'."""
        prompts = tuple((self.first, self.second)[i % 2] for i in range(count))
        return self._paint(prompts, seed + 1)

    def _paint(self, prompts: tuple[str, ...], seed: int) -> torch.Tensor:
        if self.painter is None:
            raise ConfigError(
                "dataset = 'prompts' needs a text-to-image model: score must be stable_diffusion or"
                " emoji_sd."
            )
        return self.painter(prompts, seed, self.steps, self.guidance)
