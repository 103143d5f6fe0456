"""Stable Diffusion's score against closed forms, and its pictures against diffusers' own."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from scoregeo._utils.errors import ConfigError, DataError, ScoreError
from scoregeo._utils.seed import generator
from scoregeo.score.base import CountingScore
from scoregeo.score.condition import AlongChord, Fixed, PerPoint
from scoregeo.score.prediction import PREDICTIONS
from scoregeo.score.sd_loading import load_stable_diffusion
from scoregeo.score.sd_model import StableDiffusion, generate
from tests.score.mixture_unet import CAT, DOG, SHAPE, SIGMA, MixtureUNet, log_density, mixture
from tests.score.tiny_sd import (
    IMAGE,
    KINDS,
    LATENT,
    diffusers_images,
    diffusers_pipeline,
    save_tiny_sd,
)


def draw(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(0, "points"), dtype=dtype)


def gradient(
    f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, step: float = 1e-4
) -> torch.Tensor:
    """Central differences of `f` [batch, *shape] -> [batch], one coordinate at a time."""
    slopes = []
    for k in range(x[0].numel()):
        shift = (
            torch.zeros(x[0].numel(), dtype=x.dtype)
            .index_fill(0, torch.tensor(k), step)
            .reshape(x.shape[1:])
        )
        slopes.append((f(x + shift) - f(x - shift)) / (2 * step))
    return torch.stack(slopes, 1).reshape(x.shape)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_score_is_the_slope_of_the_log_density(prediction: str, guidance: float) -> None:
    score = mixture(prediction, guidance=guidance, negative=DOG)
    x = 1.5 * draw(5, *SHAPE)

    def guided(y: torch.Tensor) -> torch.Tensor:
        return (1 - guidance) * log_density(y, -0.3) + guidance * log_density(y, 0.6)

    # The timestep passes through float32: sigma is off by some 1e-7 of itself.
    torch.testing.assert_close(score.score(x, SIGMA), gradient(guided, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sigma", [0.02, 0.5, 9.0])
def test_every_parametrisation_is_the_same_score(sigma: float) -> None:
    x = sigma * draw(5, *SHAPE)
    scores = [mixture(prediction).score(x, sigma) for prediction in PREDICTIONS]
    for other in scores[1:]:
        torch.testing.assert_close(other, scores[0], rtol=1e-5, atol=1e-5 / sigma)


def test_guidance_is_linear_in_its_scale() -> None:
    x = draw(5, *SHAPE)
    cat, dog = mixture().score(x, SIGMA), mixture().given(Fixed(DOG)).score(x, SIGMA)
    for guidance in (1.5, 7.5):
        guided = mixture(guidance=guidance, negative=DOG).score(x, SIGMA)
        torch.testing.assert_close(guided, dog + guidance * (cat - dog), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 64])
def test_batches_are_split_to_the_chunk(chunk: int) -> None:
    for guidance, doubled in ((1.0, 1), (3.0, 2)):
        whole, split = (mixture(guidance=guidance, negative=DOG, chunk=c) for c in (100, chunk))
        x = draw(7, *SHAPE)
        torch.testing.assert_close(
            split.score(x, SIGMA), whole.score(x, SIGMA), rtol=1e-12, atol=1e-12
        )
        assert max(split.unet.batches) <= chunk
        assert sum(split.unet.batches) == 7 * doubled == 7 * split.network_evaluations


def test_chord_between_two_prompts() -> None:
    a, b = draw(2, *SHAPE)
    score = mixture(condition=AlongChord(CAT, DOG, a, b))
    ends = score.score(torch.stack([a, b, (a + b) / 2]), SIGMA)
    for got, at, prompt in zip(ends, (a, b, (a + b) / 2), (CAT, DOG, (CAT + DOG) / 2), strict=True):
        alone = score.given(Fixed(prompt)).score(at[None], SIGMA)[0]
        torch.testing.assert_close(got, alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("product", ["jvp", "vjp"])
def test_derivatives_go_through_the_interpolated_prompt(product: str) -> None:
    a, b = draw(2, *SHAPE)
    score = mixture(condition=AlongChord(CAT, DOG, a, b), guidance=2.0, negative=DOG, chunk=4)
    x = torch.stack(
        [a + u * (b - a) + 0.1 for u in (-1.0, 0.3, 0.8, 2.0)]
    )  # beyond both ends, and between
    w = draw(4, *SHAPE)
    value, result = getattr(score, product)(x, w, SIGMA)
    torch.testing.assert_close(value, score.score(x, SIGMA), rtol=1e-12, atol=1e-12)
    if product == "jvp":
        expected = (score.score(x + 1e-5 * w, SIGMA) - score.score(x - 1e-5 * w, SIGMA)) / 2e-5
    else:
        expected = gradient(lambda y: (w * score.score(y, SIGMA)).flatten(1).sum(1), x, 1e-5)
    torch.testing.assert_close(
        result, expected, rtol=1e-6, atol=1e-6
    )  # rounding over the step, and its square


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    return save_tiny_sd(tmp_path_factory.mktemp("sd") / request.param, request.param)


@pytest.fixture(scope="module")
def loaded(folder: Path) -> StableDiffusion:
    return load_stable_diffusion(folder)


@pytest.fixture
def model(loaded: StableDiffusion) -> StableDiffusion:
    """A copy, whose parts a test may change."""
    return copy.deepcopy(loaded)


@pytest.mark.parametrize(("guidance", "steps"), [(1.0, 10), (7.5, 7)])  # 7 does not divide 1000
def test_pictures_are_those_of_diffusers(
    folder: Path, model: StableDiffusion, guidance: float, steps: int
) -> None:
    noise = draw(2, *LATENT, dtype=torch.float32)
    settings = {"num_inference_steps": steps, "guidance_scale": guidance}
    pipeline = diffusers_pipeline(folder)
    theirs = diffusers_images(
        pipeline, noise, prompt=["a red cat"] * 2, negative_prompt=["dog"] * 2, **settings
    )
    score = model.score("a red cat", "dog", guidance)
    torch.testing.assert_close(generate(model, score, noise, steps), theirs, rtol=0, atol=1e-4)
    # The prompt, the negative prompt and the guidance can be told in the picture.
    others = [model.score("dog", "dog", guidance), model.score("a red cat", "dog", guidance + 1)]
    for other in others + ([model.score("a red cat", "", guidance)] if guidance > 1 else []):
        assert (generate(model, other, noise, steps) - theirs).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("kind", "changes", "tolerance"),
    [
        ("sd2", {"timestep_spacing": "trailing"}, 1e-4),
        ("sd2", {"timestep_spacing": "linspace", "set_alpha_to_one": True}, 1e-4),
        (
            "sd1",
            {"prediction_type": "v_prediction", "timestep_spacing": "trailing", "steps_offset": 0},
            1e-4,
        ),
        # The first level is 4096 in place of infinity: the first step is off by 1 / 4096 of the
        # noise, which guidance triples.
        ("sd2", {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True}, 1e-3),
    ],
)
def test_other_schedules_give_diffusers_pictures(
    kind: str, changes: dict[str, Any], tolerance: float, tmp_path: Path
) -> None:
    pytest.importorskip("transformers")
    folder = save_tiny_sd(tmp_path / "model", kind, **changes)
    model, noise = load_stable_diffusion(folder), draw(2, *LATENT, dtype=torch.float32)
    theirs = diffusers_images(
        diffusers_pipeline(folder),
        noise,
        prompt=["cat"] * 2,
        num_inference_steps=7,
        guidance_scale=3.0,
    )
    torch.testing.assert_close(
        generate(model, model.score("cat", "", 3.0), noise, 7), theirs, rtol=0, atol=tolerance
    )


def test_a_frame_between_two_prompts_is_diffusers_picture(
    folder: Path, model: StableDiffusion
) -> None:
    cat, dog = model.prompts.encode("cat"), model.prompts.encode("dog")
    noise = draw(2, *LATENT, dtype=torch.float32)
    condition = AlongChord(cat, dog, *draw(2, *LATENT, dtype=torch.float32)).fixed(
        torch.tensor([0.25, 0.5])
    )
    mixed = torch.stack([0.75 * cat + 0.25 * dog, 0.5 * cat + 0.5 * dog])
    negative = model.prompts.encode("").expand_as(mixed)
    theirs = diffusers_images(
        diffusers_pipeline(folder),
        noise,
        prompt_embeds=mixed,
        negative_prompt_embeds=negative,
        num_inference_steps=5,
    )
    ours = generate(model, model.score(condition, guidance=7.5), noise, 5)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("guidance", "timestep"), [(1.0, 681), (3.0, 444.4)]
)  # of the grid, and between two of its timesteps
def test_inversion_undoes_decoding(
    model: StableDiffusion, guidance: float, timestep: float
) -> None:
    grid, latents = model.grid(10), draw(1, *LATENT, dtype=torch.float32)
    score = CountingScore(model.score("a red cat", "dog", guidance))
    sigma = score.sigma_of_timestep(timestep)
    errors = []
    for iterations in (1, 16):
        score.count = 0
        up = grid.invert(score, latents, sigma, iterations)
        assert score.count == iterations * len(grid.steps_from(sigma))
        errors.append(float((grid.decode(score, up, sigma) - latents).norm() / latents.norm()))
    assert errors[1] < 1e-4 < errors[0]


def test_large_and_small_batches_agree_in_the_network(model: StableDiffusion) -> None:
    x = draw(5, *LATENT, dtype=torch.float32)
    whole, split = (model.score("cat", "dog", 3.0, chunk=chunk) for chunk in (64, 3))
    torch.testing.assert_close(split.score(x, 1.0), whole.score(x, 1.0), rtol=1e-5, atol=1e-5)
    # In a backward pass a split batch is computed again, chunk by chunk.
    for got, expected in zip(split.vjp(x, x, 1.0), whole.vjp(x, x, 1.0), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_derivatives_of_the_network(model: StableDiffusion) -> None:
    model.unet.double()
    cat, dog = model.prompts.encode("cat").double(), model.prompts.encode("dog").double()
    x, v, w = draw(3, 2, *LATENT)
    score = model.score(AlongChord(cat, dog, x[0] - 1, x[1] + 2), "", 3.0)
    product, transposed = score.jvp(x, v, 1.5)[1], score.vjp(x, w, 1.5)[1]
    difference = (score.score(x + 1e-5 * v, 1.5) - score.score(x - 1e-5 * v, 1.5)) / 2e-5
    torch.testing.assert_close(
        product, difference, rtol=1e-6, atol=1e-6
    )  # rounding over the step, and its square
    torch.testing.assert_close((w * product).sum(), (transposed * v).sum(), rtol=1e-10, atol=1e-10)


def test_a_second_derivative_of_the_network(model: StableDiffusion) -> None:
    model.unet.double()
    score, (x, v) = model.score("cat"), draw(2, 1, *LATENT)

    def slope(at: torch.Tensor) -> torch.Tensor:
        point = at.detach().requires_grad_(True)
        (first,) = torch.autograd.grad(
            score.score(point, 1.5).square().sum(), point, create_graph=True
        )
        (second,) = torch.autograd.grad((first * v).sum(), point)
        return torch.stack([(first * v).sum().detach(), (second * v).sum()])

    step = 1e-5
    difference = (slope(x + step * v)[0] - slope(x - step * v)[0]) / (2 * step)
    assert float(slope(x)[1]) == pytest.approx(float(difference), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_scores_of_the_points_type(
    folder: Path, model: StableDiffusion, dtype: torch.dtype
) -> None:
    half = load_stable_diffusion(folder, dtype=dtype)
    x = draw(3, *LATENT, dtype=torch.float32)
    ours, exact = (m.score("a red cat", "dog", 2.0).score(x, 1.0) for m in (half, model))
    assert next(half.unet.parameters()).dtype == dtype and ours.dtype == torch.float32
    # A few dozen layers, each rounded to eps, and guidance's difference of two of them.
    assert float((ours - exact).norm() / exact.norm()) < 20 * torch.finfo(dtype).eps
    assert (
        half.codec.decode(half.codec.encode(torch.zeros(1, 3, IMAGE, IMAGE))).dtype == torch.float32
    )


def test_half_precision_tells_timesteps_apart() -> None:
    seen = []

    class Recording(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1, dtype=torch.bfloat16))

        def forward(
            self, x: torch.Tensor, timestep: torch.Tensor, encoder_hidden_states: torch.Tensor
        ) -> SimpleNamespace:
            seen.append(float(timestep[0]))
            return SimpleNamespace(sample=x)

    score = replace(mixture(), unet=Recording())
    for timestep in (400.0, 400.5, 401.0):
        score.score(draw(1, *SHAPE), score.sigma_of_timestep(timestep))
    assert seen == pytest.approx([400.0, 400.5, 401.0], abs=1e-3)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: you"
            " tried to allocate 8 bytes."
        ),
    ],
)
def test_out_of_memory_names_the_chunk(error: Exception) -> None:
    class Greedy(MixtureUNet):
        def forward(self, *_: Any, **__: Any) -> SimpleNamespace:
            raise error

    for chunk in (6, 1, None):
        with pytest.raises(ScoreError, match=r"score\.chunk at 1.*score\.offload"):
            mixture(unet=Greedy(), chunk=chunk).score(draw(2, *SHAPE), SIGMA)


def test_other_errors_of_the_network_pass() -> None:
    class Broken(MixtureUNet):
        def forward(self, *_: Any, **__: Any) -> SimpleNamespace:
            raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        mixture(unet=Broken()).score(draw(2, *SHAPE), SIGMA)


def test_bad_settings() -> None:
    for guidance in (0.5, 0, float("nan"), "7"):
        with pytest.raises(ConfigError, match=r"score\.guidance.*at least 1"):
            mixture(guidance=guidance, negative=DOG)
    with pytest.raises(ConfigError, match="negative prompt"):
        mixture(guidance=2.0)
    for chunk in (0, 2.5):
        with pytest.raises(ConfigError, match=r"score\.chunk"):
            mixture(chunk=chunk)
    with pytest.raises(ConfigError, match="prediction_type"):
        replace(mixture(), prediction="flow")
    with pytest.raises(ConfigError, match=r"score\.timestep = 1000"):
        mixture().sigma_of_timestep(1000)
    with pytest.raises(ScoreError, match="one embedding a point"):
        mixture(condition=PerPoint(CAT.expand(3, -1, -1))).score(draw(2, *SHAPE), SIGMA)
    with pytest.raises(ScoreError, match="takes"):
        mixture().score(draw(2, 3), SIGMA)


def test_bad_settings_of_a_model(model: StableDiffusion) -> None:
    with pytest.raises(ConfigError, match=r"14 tokens.*takes 12"):
        model.score("aaaaaaaaaaaa")
    with pytest.raises(ConfigError, match=r"negative_prompt.*14 tokens.*takes 12"):
        model.score("cat", "aaaaaaaaaaaa")
    with pytest.raises(DataError, match="multiples of 2"):
        model.score("cat", size=15)
    assert model.score("cat", size=(8, 12)).shape == (4, 4, 6)
    assert model.score("cat").shape == LATENT and model.image_size == (IMAGE, IMAGE)
    for steps in (0, 1001, 2.5):
        with pytest.raises(ConfigError, match="steps"):
            model.grid(steps)
    with pytest.raises(ConfigError, match="timestep 1000 of 1000"):
        model.grid(1000)
