"""An exported folder is one that diffusers' StableDiffusionPipeline reads."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import read_json
from scoregeo.score.schedule import NoiseSchedule
from scoregeo.score.training.pipeline_export import (
    check_size,
    ddim_scheduler,
    export_pipeline,
    load_weights,
)
from scoregeo.score.training.tokenizer import train_clip_tokenizer


def tiny_parts() -> dict[str, Any]:
    torch.manual_seed(0)
    tokenizer = train_clip_tokenizer(["red apple", "green heart"], 10, 8)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=8,
        projection_dim=8,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    unet = UNet2DConditionModel(
        sample_size=4,
        block_out_channels=(8, 8),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=8,
        attention_head_dim=2,
        norm_num_groups=4,
    )
    vae = AutoencoderKL(
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=8,
    )
    vae.register_to_config(scaling_factor=0.7)
    text_encoder = CLIPTextModel(config)
    return {
        "vae": vae.eval(),
        "unet": unet.eval(),
        "text_encoder": text_encoder.eval(),
        "tokenizer": tokenizer,
        "scheduler": ddim_scheduler(),
    }


def test_diffusers_reads_the_folder_and_makes_the_same_picture(tmp_path: Path) -> None:
    parts = tiny_parts()
    folder = tmp_path / "model"
    (folder / "unet").mkdir(parents=True)
    (folder / "unet" / "old.txt").write_text("of the last export")
    (folder / "README.md").write_text("card")
    size = export_pipeline(folder, **parts, facts={"seed": 3})
    assert size == sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert (folder / "README.md").read_text() == "card" and not (
        folder / "unet" / "old.txt"
    ).exists()
    assert read_json(folder / "training.json") == {"seed": 3}
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    assert not [file for file in folder.rglob("*") if file.suffix in (".bin", ".pt", ".ckpt")]
    weights = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16}

    latents = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    settings: dict[str, Any] = {
        "num_inference_steps": 2,
        "guidance_scale": 3.0,
        "output_type": "np",
    }
    read: Any = StableDiffusionPipeline.from_pretrained(str(folder), torch_dtype=torch.float32)
    read.set_progress_bar_config(disable=True)
    assert (
        read.vae.config.scaling_factor == 0.7
        and read.scheduler.config.prediction_type == "v_prediction"
    )
    made = read("Red apple", latents=latents, **settings).images
    for part in ("vae", "unet", "text_encoder"):
        parts[part].float()
    plain: Any = StableDiffusionPipeline(
        **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    plain.set_progress_bar_config(disable=True)
    expected = plain("Red apple", latents=latents, **settings).images
    assert made.shape == (1, 8, 8, 3)
    assert np.abs(made - expected).max() < 1e-5  # the same float16 weights, computed in float32
    assert np.abs(made - plain("green heart", latents=latents, **settings).images).max() > 1e-5


def test_weights_that_float16_cannot_hold_are_refused(tmp_path: Path) -> None:
    parts = tiny_parts()
    torch.nn.init.constant_(parts["unet"].conv_in.bias, 1e5)
    with pytest.raises(DataError, match=r"unet: conv_in\.bias does not fit float16"):
        export_pipeline(tmp_path / "model", **parts, facts={})
    assert not (tmp_path / "model").exists()


def test_noise_levels_of_the_schedule() -> None:
    """Of betas `linspace(sqrt(0.00085), sqrt(0.012), 1000)^2`, as Stable Diffusion has them."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    abar = torch.cumprod(1 - betas, 0)
    low, high = NoiseSchedule(ddim_scheduler().alphas_cumprod).sigma_range
    assert low == pytest.approx(
        float(((1 - abar[0]) / abar[0]).sqrt()), rel=1e-3
    )  # betas are float32 in diffusers
    assert high == pytest.approx(float(((1 - abar[-1]) / abar[-1]).sqrt()), rel=1e-3)
    assert 14 < high < 15


def test_a_folder_that_is_too_large_is_refused() -> None:
    check_size(Path("model"), 5, 5)
    with pytest.raises(DataError, match=r"model takes 6\.0 MB, at most 5\.0 MB"):
        check_size(Path("model"), 6_000_000, 5_000_000)


def test_weights_of_another_network_are_refused() -> None:
    layer = torch.nn.Linear(2, 2)
    load_weights(layer, {"weight": torch.eye(2), "bias": torch.ones(2)}, Path("some.safetensors"))
    assert torch.equal(layer.bias, torch.ones(2))
    with pytest.raises(DataError, match=r"some\.safetensors does not fit"):
        load_weights(layer, {"weight": torch.eye(3)}, Path("some.safetensors"))
