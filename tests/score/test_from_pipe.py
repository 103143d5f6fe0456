"""Pipelines of diffusers that were changed after they were loaded."""

import copy
import re
from typing import Any

import pytest
import torch

from scoregeo._utils.errors import DataError
from scoregeo.score.loading import from_pipe
from scoregeo.score.sd_model import generate
from tests.score.tiny_pipelines import noise, sd, side, tiny_pipeline
from tests.score.tiny_sd import WIDTH, tiny_unet

pytest.importorskip("transformers")


def ip_adapter(network: Any, flux: bool, features: int = 6) -> dict[str, dict[str, torch.Tensor]]:
    """Weights of an IP-Adapter as its files have them, for pictures of so many `features`."""
    key = "joint_attention_dim" if flux else "cross_attention_dim"
    width = network.config[key]
    names = [n for n in network.attn_processors if not n.startswith("single") and "attn1" not in n]
    adapter = {}
    for k, name in enumerate(names):
        queries = network.get_submodule(name.removesuffix(".processor")).to_q.out_features
        for letter in "kv":
            number = k if flux else 2 * k + 1  # every second layer attends to the picture itself
            adapter[f"{number}.to_{letter}_ip.weight"] = noise(queries, width)
            if flux:
                adapter[f"{number}.to_{letter}_ip.bias"] = noise(queries)
    projection = {"proj.weight": noise(4 * width, features), "proj.bias": noise(4 * width)}
    norm = {"norm.weight": torch.ones(width), "norm.bias": torch.zeros(width)}
    return {"image_proj": projection | norm, "ip_adapter": adapter}


@pytest.mark.parametrize("name", ["sd1", "sdxl", "flux"])
def test_an_ip_adapter_is_refused_until_it_is_unloaded(name: str) -> None:
    pipe = copy.deepcopy(tiny_pipeline(name))
    network = pipe.transformer if name == "flux" else pipe.unet
    x = noise(1, *from_pipe(pipe).score("cat", size=16).shape)
    wanted = from_pipe(pipe).score("cat", size=16).score(x, 1.0)
    # As `load_ip_adapter` does, which takes no weights in memory for every family.
    network._load_ip_adapter_weights([ip_adapter(network, name == "flux")], low_cpu_mem_usage=False)
    with pytest.raises(
        DataError, match=r"encoder_hid_dim_type = 'ip_image_proj'.*Call unload_ip_adapter\(\)"
    ):
        from_pipe(pipe)
    pipe.unload_ip_adapter()
    found = from_pipe(pipe).score("cat", size=16).score(x, 1.0)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_a_network_that_projects_its_text_itself() -> None:
    torch.manual_seed(0)
    pipe = sd("sd1")
    pipe.set_progress_bar_config(disable=True)
    unet = tiny_unet("sd1", encoder_hid_dim=WIDTH, cross_attention_dim=WIDTH + 8)
    assert unet.config.encoder_hid_dim_type == "text_proj"
    pipe.register_modules(unet=unet)
    model = from_pipe(pipe)
    latents = noise(1, *model.latent_shape(16))
    theirs = pipe(
        "cat", latents=latents.clone(), num_inference_steps=3, guidance_scale=1.0, output_type="pt"
    ).images
    ours = generate(model, model.score("cat", size=16), latents, 3)
    torch.testing.assert_close(ours, 2 * theirs - 1, rtol=0, atol=1e-4)
    pipe.register_modules(unet=tiny_unet("sd1", encoder_hid_dim=WIDTH + 8))
    words = re.escape(f"unet takes embeddings of width {WIDTH + 8}")
    with pytest.raises(DataError, match=words):
        from_pipe(pipe)


@pytest.mark.parametrize("name", ["sd1", "ddpm"])
def test_weights_that_are_not_in_memory_are_refused(name: str) -> None:
    pytest.importorskip("accelerate")
    pipe = copy.deepcopy(tiny_pipeline(name))
    score = from_pipe(pipe).score("", size=side(name))
    x = noise(1, *score.shape)
    wanted = score.score(x, 1.0)
    pipe.enable_sequential_cpu_offload(device="cpu")
    with pytest.raises(DataError, match=r"\.(vae|unet) has.*_sequential_.*Call enable_model_"):
        from_pipe(pipe)
    pipe.enable_model_cpu_offload(device="cpu")  # as the error says
    found = from_pipe(pipe).score("", size=side(name)).score(x, 1.0)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)
