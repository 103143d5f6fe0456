"""`GeodesicPipeline`: two pictures, or prompts, or several of them, in; the frames of a geodesic
between them out.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.device import usable_device
from scoregeo._utils.errors import (
    ConfigError,
    bad_value,
    check_choice,
    check_function,
    check_length,
    check_number,
)
from scoregeo._utils.seed import drawn_seed
from scoregeo._utils.steps import check_steps
from scoregeo.dataset.picture_size import Size, check_frames
from scoregeo.inversion.base import AbstractInversion
from scoregeo.inversion.ddim import DDIMInversion
from scoregeo.pipeline.keyframes import (
    Picture,
    check_neighbours,
    check_painting,
    keyframes,
    size_for,
)
from scoregeo.pipeline.morph import Morph
from scoregeo.pipeline.output import OUTPUT_TYPES, GeodesicOutput
from scoregeo.pipeline.parts import Initializer, MetricOf, initializer_from, metric_from, solver_for
from scoregeo.score.batch import check_chunk
from scoregeo.score.latent_model import AbstractLatentModel
from scoregeo.score.loading import from_pipe, load_model
from scoregeo.score.sd_loading import SD15
from scoregeo.score.text_to_image import INVERSION_ROUNDS, TextModel, model_at
from scoregeo.solver.base import AbstractSolver

TIMESTEP = 400.0  # of 1000: the noise level where none is given
Callback = Callable[["GeodesicPipeline", int, float, dict[str, Any]], Any]


class GeodesicPipeline:
    """Morphs pictures along geodesics of a text-to-image model's latent space.

    The pictures are encoded, inverted to a noise level, connected there by geodesics of
    `g(x) = I + lam s(x) s(x)^T`, s the model's score under the prompts, and decoded: what
    `scoregeo morph` does, from Python.

    Example:
        >>> import scoregeo
        >>> pipe = scoregeo.GeodesicPipeline.from_pretrained("emoji_sd")
        >>> pipe.image_size
        (64, 64)
    """

    def __init__(self, model: AbstractLatentModel, chunk: int | None = 8) -> None:
        """`model`: a loaded model; `chunk`: largest batch that its networks are given, None: as
        many as the memory limit holds (`scoregeo.memory_limit`).
        """
        check_chunk(chunk, "chunk")
        if not isinstance(model, AbstractLatentModel):
            raise bad_value("model", model, "a loaded model (GeodesicPipeline.from_pretrained)")
        self.model, self.chunk = model, chunk

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = SD15,
        *,
        device: str | torch.device = "cpu",
        dtype: str | torch.dtype = torch.float32,
        chunk: int | None = 8,
        **options: Any,
    ) -> "GeodesicPipeline":
        """The pipeline of a folder in diffusers' layout, one `.safetensors` file, a model that
        ships with the project ("emoji_sd"), or a hub id. `device`: torch's, or "auto". `options`:
        `lora`, `lora_scale`, `embeddings`, `prediction`, `config`, `compile`, `attention`,
        `offload` of `scoregeo.score.loading.load_model`. Raises DataError for a model that cannot
        be loaded, and names the families that can.
        """
        check_chunk(chunk, "chunk")
        return cls(load_model(model, usable_device(device), dtype, chunk, **options), chunk)

    @classmethod
    def from_pipe(cls, pipe: Any, *, chunk: int | None = 8) -> "GeodesicPipeline":
        """The pipeline of one that diffusers has loaded, of any supported family: its networks
        themselves, where they are, frozen and set to evaluation. Raises DataError for others.
        """
        return cls(from_pipe(pipe, chunk), chunk)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the pictures that the model was trained on."""
        return self.model.image_size

    def to(self, device: str | torch.device) -> "GeodesicPipeline":
        """Move the networks; gives the pipeline itself."""
        self.model.to(usable_device(device))
        return self

    def enable_model_cpu_offload(self, device: str | torch.device = "auto") -> "GeodesicPipeline":
        """The denoising network on `device`; text encoders and autoencoder only while they are
        used, as diffusers' method of this name. Gives the pipeline itself.
        """
        self.model.to(usable_device(device), offloaded=True)
        return self

    def __call__(
        self,
        image_a: "Picture | None" = None,
        image_b: "Picture | None" = None,
        prompt_a: str = "",
        prompt_b: str | None = None,
        *,
        via: Sequence[Any] = (),
        closed: bool = False,
        num_frames: int = 17,
        size: Size = None,
        metric: str | MetricOf = "stein",
        lam: float = 10.0,
        solver: AbstractSolver | None = None,
        initializer: str | Initializer = "lerp",
        inversion: AbstractInversion | None = None,
        sigma: float | None = None,
        timestep: float | None = None,
        num_inference_steps: int = 15,
        guidance_scale: float = 1.0,
        negative_prompt: str | None = None,
        painting_steps: int = 50,
        painting_guidance: float | None = None,
        generator: torch.Generator | None = None,
        output_type: str = "pil",
        callback_on_step_end: Callback | None = None,
    ) -> GeodesicOutput:
        """A morph from A to B, through `via`, and back to A where it is `closed`.

        Args:
            image_a, image_b: a file's path, Pillow's picture, bytes [height, width, 3], or a tensor
                [3, height, width] in [-1, 1]. One that is left out is made by the model: from the
                nearest given picture, inverted under its prompt and redrawn under the other; with
                no picture at all, each from its prompt and the same noise.
            prompt_a, prompt_b: what the pictures show; `prompt_b` None: the same.
            via: keyframes between A and B, in order: pictures, under `prompt_a`, or pairs (picture
                or None, prompt).
            num_frames: of each part of the way, from a keyframe to the next, both counted; at
                least 2. A keyframe is one frame of the result.
            size: pixels a side, or (height, width); None: as many pixels as the model was trained
                on, in the shape of the first picture.
            metric: "stein" (weight of the score `lam`, above 0), "conformal", "pullback",
                "euclidean", or a function of the score field, such as `scoregeo.PullbackMetric`.
            solver: any; its `num_points` becomes `num_frames`. None: Gauss-Newton on one rule
                (`refinement="none"`), L-BFGS for metrics that it does not serve.
            initializer: the solver's start: a name, such as "lerp" or "slerp", or any initializer.
            inversion: None: DDIM in `num_inference_steps` steps that decoding undoes.
            sigma, timestep: the noise level, by one of the two; None: timestep 400.
            guidance_scale, negative_prompt: of the score, as in diffusers; 1: no guidance.
            painting_steps, painting_guidance: of pictures that the model makes; None: the guidance
                of diffusers' pipeline of its family.
            generator: of their noise, and of an inversion that draws; None: seed 0.
            output_type: "pil", "pt" or "np" (`GeodesicOutput.frames`).
            callback_on_step_end: called as (pipeline, step, sigma, values) with `values["stage"]`
                "ends" (once the keyframes are inverted: `values["frames"]` are they, decoded),
                "solve" (each iteration: "part", "energy", "score_evaluations") and "frames" (a
                part decoded: "part", "frames").

        Cost: in score evaluations, `5 num_inference_steps` a keyframe, `num_inference_steps` a
        frame, and the solver's, about 5 to 10 a frame; `GeodesicOutput.evaluations` has the counts.

        Raises ConfigError for a setting and DataError for a picture that cannot be used, both
        naming the argument, before any work.
        """
        check_number("num_frames", num_frames, at_least=2, integer=True)
        check_choice("output_type", output_type, OUTPUT_TYPES)
        check_steps("num_inference_steps", num_inference_steps)
        check_number("guidance_scale", guidance_scale, at_least=1)
        check_length("lam", lam)
        if not isinstance(closed, bool):
            raise bad_value("closed", closed, "True or False")
        if not (inversion is None or isinstance(inversion, AbstractInversion)):
            raise bad_value("inversion", inversion, "None, or an inversion")
        check_function("callback_on_step_end", callback_on_step_end)
        if not (generator is None or isinstance(generator, torch.Generator)):
            raise bad_value("generator", generator, "a torch.Generator")
        keys = keyframes(image_a, image_b, prompt_a, prompt_b, via)
        check_neighbours(keys, closed)
        for key in keys:
            self.model.prompts.check(key.prompt, key.prompt_name)
        negative = "" if negative_prompt is None else negative_prompt
        self.model.prompts.check(negative, "negative_prompt")
        sides = size_for(size, self.model, keys)
        check_painting(self.model, keys, sides, painting_steps, painting_guidance)
        check_frames("num_frames", num_frames, sides, len(keys) - (not closed))
        model = self._model(sides, sigma, timestep, guidance_scale, negative_prompt)
        metric_of = metric_from(metric, lam)
        example = metric_of(model.field())
        chosen = solver_for(solver, example, num_frames)
        start = initializer_from(initializer, example)
        steps = DDIMInversion(decode_steps=num_inference_steps, rounds=INVERSION_ROUNDS)

        def report(stage: str, step: int, values: Mapping[str, Any]) -> None:
            if callback_on_step_end is not None:
                callback_on_step_end(self, step, model.sigma, {"stage": stage, **values})

        morph = Morph(
            model=model,
            keys=keys,
            size=sides,
            closed=closed,
            metric_of=metric_of,
            solver=chosen,
            initializer=start,
            inversion=steps if inversion is None else inversion,
            painting=(painting_steps, painting_guidance),
            seed=drawn_seed(generator),
            report=report,
        )
        return morph.run(output_type)

    def _model(
        self,
        sides: tuple[int, int],
        sigma: float | None,
        timestep: float | None,
        guidance: float,
        negative_prompt: str | None,
    ) -> TextModel:
        if sigma is not None and timestep is not None:
            raise ConfigError(
                f"sigma = {sigma!r} and timestep = {timestep!r} are not allowed together: leave one"
                " out."
            )
        if sigma is not None:
            check_number("sigma", sigma, above=0)
        level = TIMESTEP if timestep is None and sigma is None else timestep
        if level is not None:
            check_number("timestep", level, at_least=0)
        return model_at(
            self.model,
            sides,
            sigma,
            level,
            guidance=guidance,
            negative_prompt=negative_prompt,
            chunk=self.chunk,
        )
