"""A text-to-image model as a run uses it: pictures to latents and back, and a score field for each
pair's prompts.
"""

import logging
from dataclasses import dataclass
from dataclasses import field as default

import torch

from scoregeo._utils.errors import ConfigError, DataError, bad_value, check_number
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset
from scoregeo.score.base import CountingScore
from scoregeo.score.batch import check_chunk
from scoregeo.score.condition import AbstractCondition, AlongChord, Fixed, PerPoint
from scoregeo.score.field import ScoreField, field_at
from scoregeo.score.guided import AbstractGuidedScore
from scoregeo.score.latent_model import AbstractLatentModel
from scoregeo.score.loading import load_model
from scoregeo.score.memo import MemoizedScore, ScoreMemory
from scoregeo.score.prompt import AbstractPrompts
from scoregeo.score.sd_loading import SD15
from scoregeo.score.sd_model import generate

log = logging.getLogger(__name__)

_ANY = (64, 64)  # a size that is only looked at for the other axes
INVERSION_ROUNDS = 4  # of the fixed point that makes inversion exact (`SamplingGrid.invert`)
_FAR = 4  # times the pixels a model was trained on, above which its user is warned


@dataclass(frozen=True, eq=False)
class TextModel:
    """A loaded model and the score of its latents at one noise level; `score` is under the empty
    prompt.

    Latents are points like any others to metrics, solvers and baselines; `field` gives what these
    work on.
    """

    model: AbstractLatentModel
    score: AbstractGuidedScore
    sigma: float
    memory: ScoreMemory = default(default_factory=ScoreMemory, repr=False)
    offload: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a latent: (channels, h, w)."""
        return self.score.shape

    @property
    def prompts(self) -> AbstractPrompts:
        return self.model.prompts

    @property
    def device(self) -> torch.device:
        """Where points lie (`AbstractLatentModel.device`)."""
        return self.model.device

    def field(self, condition: AbstractCondition | None = None) -> ScoreField:
        """The field at `sigma` under a condition, its evaluations counted; under the empty prompt
        where none is given.
        """
        score = self.score if condition is None else self.score.given(condition)
        return ScoreField(CountingScore(MemoizedScore(score, self.memory)), self.sigma)

    def of_ends(self, prompts: tuple[str, ...]) -> PerPoint:
        """The condition of so many points, each under its own prompt, in this order."""
        return PerPoint(torch.stack([self.prompts.encode(prompt) for prompt in prompts]))

    def along(
        self, prompts: tuple[str, str], a: torch.Tensor, b: torch.Tensor
    ) -> AbstractCondition:
        """The condition between the ends' latents `a`, `b` [*shape] at `sigma`: one prompt, or two
        along the chord.
        """
        first, second = (self.prompts.encode(prompt) for prompt in prompts)
        return (
            Fixed(first)
            if torch.equal(first, second) or torch.equal(a, b)
            else AlongChord(first, second, a, b)
        )

    def at(self, prompts: tuple[str, str], u: torch.Tensor) -> PerPoint:
        """The condition of frames at parameters `u` [batch] from 0, the first prompt, to 1, the
        second.
        """
        first, second = (self.prompts.encode(prompt) for prompt in prompts)
        return PerPoint(torch.lerp(first, second, u[:, None, None].to(first)))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images [batch, 3, H, W] in [-1, 1] to latents [batch, *shape]."""
        return self.model.codec.encode(images)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Clean latents [batch, *shape] to images [batch, 3, H, W] in [-1, 1]."""
        return self.model.codec.decode(latents)

    def paint(
        self, prompts: tuple[str, ...], seed: int, steps: int, guidance: float | None = None
    ) -> torch.Tensor:
        """Pictures [count, 3, H, W] of `prompts`, the i-th from the i-th noise of `seed`; `steps`
        score evaluations a picture. `guidance`: None: the family's own.

        On the CPU. Raises ConfigError for a prompt that is too long, for too many steps and for
        guidance below 1.
        """
        guidance = self.model.painting_guidance if guidance is None else guidance
        check_number("dataset.guidance", guidance, at_least=1)
        source = generator(seed, "painted")
        noise = torch.randn(len(prompts), *self.shape, generator=source).to(self.device)
        condition = PerPoint(torch.stack([self.prompts.encode(prompt) for prompt in prompts]))
        score = self.score.given(condition, guidance)
        return generate(self.model, score, noise, steps).float().cpu()

    def redraw(
        self,
        pictures: torch.Tensor,
        prompts: tuple[str, ...],
        others: tuple[str, ...],
        steps: int,
        guidance: float | None = None,
    ) -> torch.Tensor:
        """`pictures` [count, 3, H, W], that `prompts` describe, as `others` describe them: inverted
        to the sampler's first noise level, and sampled again.

        What `paint` makes of `others` from the pictures' own noise instead of a random one. On the
        CPU; costs `redraw_evaluations` score evaluations a picture. Raises as `paint`.
        """
        guidance = self.model.painting_guidance if guidance is None else guidance
        check_number("guidance", guidance, at_least=1)
        grid = self.model.grid(steps, (pictures.shape[-2], pictures.shape[-1]))
        own = self.score.given(self.of_ends(prompts), 1.0)
        other = self.score.given(self.of_ends(others), guidance)
        high = grid.high[0]
        noisy = grid.invert(own, self.encode(pictures), high, INVERSION_ROUNDS)
        return self.decode(grid.decode(other, noisy, high)).float().cpu()

    def redraw_evaluations(self, size: tuple[int, int], steps: int) -> int:
        """Score evaluations that `redraw` takes for a picture of `size` pixels (height, width)."""
        return len(self.model.grid(steps, size).high) * (INVERSION_ROUNDS + 1)

    def to(self, device: str) -> "TextModel":
        """The same model, its networks moved to `device`, or offloaded."""
        self.model.to(device, self.offload)
        return self


def text_model(
    dataset: AbstractDataset,
    seed: int,
    sigma: float | None = None,
    timestep: float | None = None,
    model: str = SD15,
    guidance: float = 1.0,
    negative_prompt: str | None = "",
    chunk: int | None = 8,
    dtype: str = "float32",
    prediction: str | None = None,
    lora: str | None = None,
    lora_scale: float = 1.0,
    embeddings: str | None = None,
    config: str | None = None,
    compile: bool | str = False,
    attention: str | None = None,
    offload: bool = False,
) -> TextModel:
    """A pipeline of any supported family for a dataset's pictures, at `sigma` or at the noise level
    of `timestep`.

    `model`, `dtype`, `prediction`, `lora`, `lora_scale`, `embeddings`, `config`, `compile`,
    `attention`, `offload`: see `load_model`;
    `guidance`, `negative_prompt`, `chunk`: see `AbstractGuidedScore`; a negative prompt of None is
    what diffusers' pipeline takes where it is given none. `seed` is not used: the weights are
    fixed.

    Raises ConfigError for a dataset without colour pictures, a setting out of range or a prompt
    that is too long; DataError for pictures of a size the autoencoder does not take and for a model
    that cannot be loaded.
    """
    if (shape := dataset.sized(_ANY).shape)[0] != 3 or len(shape) != 3:
        raise ConfigError(
            f"score.model = {model!r} takes colour pictures (3, height, width), those of"
            f" {type(dataset).__name__} have {shape}: dataset must be one of emoji,"
            " image_pairs, prompts."
        )
    check_number("score.guidance", guidance, at_least=1)
    check_chunk(chunk)
    if not isinstance(offload, bool):
        raise bad_value("score.offload", offload, "true or false")
    loaded = load_model(
        model,
        dtype=dtype,
        vae_chunk=chunk,
        prediction=prediction,
        lora=lora,
        lora_scale=lora_scale,
        embeddings=embeddings,
        config=config,
        compile=compile,
        attention=attention,
    )
    height, width = dataset.sized(loaded.size_like(dataset.ratio)).shape[1:]
    try:
        return model_at(
            loaded,
            (height, width),
            sigma,
            timestep,
            guidance=guidance,
            negative_prompt=negative_prompt,
            chunk=chunk,
            offload=offload,
        )
    except DataError as error:
        raise DataError(f"dataset.size = [{height}, {width}] is not allowed: {error}") from error


def model_at(
    model: AbstractLatentModel,
    size: tuple[int, int],
    sigma: float | None = None,
    timestep: float | None = None,
    *,
    guidance: float = 1.0,
    negative_prompt: str | None = "",
    chunk: int | None = 8,
    offload: bool = False,
) -> TextModel:
    """A loaded model for pictures of `size` (height, width) at `sigma`, or at the noise level of
    `timestep`. Warns of a size far above the one it was trained on. Raises as `text_model`.
    """
    trained = model.image_size
    if size[0] * size[1] > _FAR * trained[0] * trained[1]:
        log.warning(
            "pictures of %d x %d pixels: the model was trained on %d x %d, and does not know larger"
            " ones",
            *size,
            *trained,
        )
    score = model.score("", negative_prompt, guidance, size, chunk)
    return TextModel(model, score, field_at(score, sigma, timestep).sigma, offload=offload)
