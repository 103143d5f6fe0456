"""Tiny pipelines of every family with random weights, built with diffusers' classes in memory."""

from functools import cache
from typing import Any

import pytest
import torch

from scoregeo._utils.seed import generator
from tests.score.tiny_sd import KINDS, TOKENS, WIDTH, tiny_unet, tokenizer

LABELS = {0: "tench, Tinca tinca", 1: "goldfish", 207: "golden retriever"}


def noise(*shape: int, name: str = "noise") -> torch.Tensor:
    return torch.randn(*shape, generator=generator(0, name))


def clip(projection: int | None = None) -> Any:
    """A CLIP text encoder; with a `projection` one that has it."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    words = tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        projection_dim=projection or WIDTH,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    return CLIPTextModel(config) if projection is None else CLIPTextModelWithProjection(config)


def t5(width: int) -> tuple[Any, Any]:
    """T5's encoder with its tokenizer, which knows letters and a few words."""
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    names = ["<pad>", "</s>", "<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz", "▁cat", "▁dog", "▁red"]
    words = T5Tokenizer(vocab=[(name, -float(k)) for k, name in enumerate(names)], extra_ids=0)
    config = T5Config(
        vocab_size=len(words), d_model=width, d_ff=16, d_kv=4, num_layers=1, num_heads=2
    )
    return T5EncoderModel(config), words


def vae(latents: int = 4, **changes: Any) -> Any:
    """An autoencoder of two levels: 16 x 16 pixels, latents 8 x 8."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=latents,
        norm_num_groups=4,
        sample_size=16,
        **({"scaling_factor": 0.5} | changes),
    )


def ddim(**changes: Any) -> Any:
    from diffusers import DDIMScheduler

    settings = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    more = {"set_alpha_to_one": False, "steps_offset": 1, "clip_sample": False}
    return DDIMScheduler(**(settings | more | changes))


def sd(kind: str) -> Any:
    """Stable Diffusion 1.5, or 2.1 with v-prediction: "sd1", "sd2"."""
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline(
        vae=vae(),
        text_encoder=clip(),
        tokenizer=tokenizer(),
        unet=tiny_unet(kind),
        scheduler=ddim(prediction_type="v_prediction" if kind == "sd2" else "epsilon"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl(**changes: Any) -> Any:
    from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=6 * 8 + 24,
        cross_attention_dim=2 * WIDTH,
    )
    return StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=clip(),
        text_encoder_2=clip(24),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer(),
        unet=unet,
        scheduler=ddim(),
        **changes,
    )


def flow(**changes: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**({"shift": 3.0} | changes))


def sd3(with_t5: bool = True, **scheduler: Any) -> Any:
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline

    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=16,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=40,
        caption_projection_dim=16,
        pooled_projection_dim=8 + 24,
        pos_embed_max_size=8,
    )
    encoder, words = t5(40) if with_t5 else (None, None)
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=flow(**scheduler),
        vae=vae(16, shift_factor=0.06),
        text_encoder=clip(8),
        tokenizer=tokenizer(),
        text_encoder_2=clip(24),
        tokenizer_2=tokenizer(),
        text_encoder_3=encoder,
        tokenizer_3=words,
    )


def flux(distilled: bool = True, **scheduler: Any) -> Any:
    from diffusers import FluxPipeline, FluxTransformer2DModel

    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=24,
        pooled_projection_dim=WIDTH,
        guidance_embeds=distilled,
        axes_dims_rope=(2, 2, 4),
    )
    encoder, words = t5(24)
    shift = {"use_dynamic_shifting": True} if distilled else {"shift": 1.0}
    return FluxPipeline(
        scheduler=flow(**(shift | scheduler)),
        vae=vae(4, shift_factor=0.1),
        text_encoder=clip(),
        tokenizer=tokenizer(),
        text_encoder_2=encoder,
        tokenizer_2=words,
        transformer=transformer,
    )


def pixels(kind: str, **scheduler: Any) -> Any:
    """`DDIMPipeline` or `DDPMPipeline`, by name, of a network with attention."""
    import diffusers

    unet = diffusers.UNet2DModel(
        sample_size=8,
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )
    own = diffusers.DDIMScheduler if kind == "DDIMPipeline" else diffusers.DDPMScheduler
    return getattr(diffusers, kind)(unet, own(**scheduler))


def dit() -> Any:
    from diffusers import DiTPipeline, DiTTransformer2DModel

    transformer = DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=4,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        norm_num_groups=4,
        sample_size=8,
    )
    return DiTPipeline(transformer, vae(), ddim(), id2label=LABELS)


MAKERS = {
    "sd1": lambda: sd("sd1"),
    "sd2": lambda: sd("sd2"),
    "sdxl": sdxl,
    "sd3": sd3,
    "sd3 without t5": lambda: sd3(with_t5=False, use_dynamic_shifting=True),
    "flux": flux,
    "flux schnell": lambda: flux(distilled=False),
    "ddim": lambda: pixels("DDIMPipeline"),
    "ddpm": lambda: pixels("DDPMPipeline"),
    "dit": dit,
}

SEEDS = [*sorted(set(MAKERS) - {*KINDS}), *KINDS]


@cache
def tiny_pipeline(name: str) -> Any:
    """A pipeline by its name in `MAKERS`, made once a process: not to be changed. Weights by which
    the condition enters, and those of the output, are raised, so that they matter as after
    training.
    """
    torch.manual_seed(SEEDS.index(name))
    pipe = MAKERS[name]()
    pipe.set_progress_bar_config(disable=True)
    network = getattr(pipe, "transformer", None) or pipe.unet
    if name in KINDS:  # `tiny_unet` has raised them
        return pipe
    with torch.no_grad():
        for key, weight in network.named_parameters():
            if any(part in key for part in ("attn2.to_", "add_embedding", "add_k", "add_v")):
                weight.mul_(2)
            if "proj_out" in key or "embedding_table" in key:
                weight.copy_(0.3 * torch.randn(weight.shape))
            if "conv_out" in key:
                weight.copy_(0.1 * torch.randn(weight.shape))
    return pipe


def side(name: str) -> int:
    """Of the pipeline's pictures, in pixels."""
    return 8 if name in ("ddim", "ddpm") else 16


def diffusers_pictures(
    name: str, latents: torch.Tensor, prompt: str, negative: str, guidance: float, steps: int
) -> torch.Tensor:
    """Pictures [batch, 3, H, W] in [-1, 1] of diffusers' own pipeline; those in pixel space with
    the DDIM sampler, as `DDIMPipeline` makes it of any scheduler.
    """
    from diffusers import DDIMPipeline

    pipe, count = tiny_pipeline(name), len(latents)
    settings: dict[str, Any] = {"num_inference_steps": steps, "output_type": "pt"}
    if name == "dit" or side(name) == 8:  # takes no latents: draws these
        source = _Given(latents)
        if name == "dit":
            call = pipe
            settings |= {"class_labels": [int(prompt)] * count, "guidance_scale": guidance}
        else:
            call = DDIMPipeline(pipe.unet, pipe.scheduler)
            call.set_progress_bar_config(disable=True)
            settings |= {"batch_size": count}
        with source:
            return 2 * call(**settings).images - 1
    settings |= {"prompt": [prompt] * count}
    if name == "flux":
        settings |= {"guidance_scale": guidance}
    elif name == "flux schnell":
        settings |= {"true_cfg_scale": guidance, "negative_prompt": [negative] * count}
    else:
        settings |= {"guidance_scale": guidance, "negative_prompt": [negative] * count}
    if name.startswith("flux"):
        # As FluxPipeline packs them, written out by its author.
        batch, channels, height, width = latents.shape
        latents = pipe._pack_latents(latents, batch, channels, height, width)
        settings |= {"height": 16, "width": 16}
    return 2 * pipe(latents=latents.clone(), **settings).images - 1


class _Given:
    """Within it diffusers' pipelines start from `latents` in place of their own draw."""

    MODULES = ("pipelines.dit.pipeline_dit", "pipelines.ddim.pipeline_ddim")

    def __init__(self, latents: torch.Tensor) -> None:
        self.latents, self.patch = latents, pytest.MonkeyPatch()

    def __enter__(self) -> None:
        for module in self.MODULES:
            self.patch.setattr(f"diffusers.{module}.randn_tensor", lambda *_, **__: self.latents)

    def __exit__(self, *_: object) -> None:
        self.patch.undo()
