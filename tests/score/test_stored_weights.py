"""Networks whose weights are stored in another type than they compute in."""

import copy
from typing import Any

import pytest
import torch

from scoregeo.score.latent_model import AbstractLatentModel
from scoregeo.score.loading import from_pipe
from scoregeo.score.network import computing_dtype
from tests.score.tiny_pipelines import noise, tiny_pipeline

FLOAT8 = torch.float8_e4m3fn


def models(kind: str, guidance: float) -> tuple[Any, Any]:
    """A score with layerwise casting, and one of a network with its weights."""
    pipe = copy.deepcopy(tiny_pipeline(kind))
    name = "transformer" if kind == "flux" else "unet"
    plain, network = copy.deepcopy(pipe), getattr(pipe, name)
    network.enable_layerwise_casting(storage_dtype=FLOAT8, compute_dtype=torch.float32)
    stored = {key: weight.float() for key, weight in network.state_dict().items()}
    getattr(plain, name).load_state_dict(stored)
    assert next(network.parameters()).dtype == FLOAT8
    return tuple(from_pipe(one).score("cat", "", guidance, 16, chunk=2) for one in (pipe, plain))  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ["sd1", "sdxl", "flux"])
def test_layerwise_casting(kind: str) -> None:
    score, exact = models(kind, 2.0)
    x = noise(3, *exact.shape)
    torch.testing.assert_close(score.score(x, 1.0), exact.score(x, 1.0))
    for product in ("jvp", "vjp"):
        for count in (1, 3):  # of which the graph is held, and computed again
            found, wanted = (
                getattr(one, product)(x[:count], x[:count], 1.0) for one in (score, exact)
            )
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert next(score.network.parameters()).dtype == FLOAT8  # as they were stored


class Quantised(torch.nn.Module):
    """A convolution whose weight is stored in 8 bits, as of bitsandbytes and GGUF."""

    def __init__(self, layer: torch.nn.Conv2d) -> None:
        super().__init__()
        low, high = layer.weight.detach().aminmax()
        self.low, self.step = float(low), float((high - low) / 255)
        whole = ((layer.weight.detach() - low) / self.step).round().to(torch.uint8)
        self.weight = torch.nn.Parameter(whole, requires_grad=False)
        self.bias, self.padding = layer.bias, layer.padding

    @property
    def restored(self) -> torch.Tensor:
        return self.low + self.step * self.weight.float()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.dtype == self.bias.dtype, x.dtype
        weight = self.restored.to(x)
        return torch.nn.functional.conv2d(x, weight, self.bias, padding=self.padding)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_of_whole_numbers(dtype: torch.dtype) -> None:
    pipes = [copy.deepcopy(tiny_pipeline("sd1")).to(dtype) for _ in range(2)]
    for place in ("unet", "vae.encoder", "vae.decoder"):
        exact, network = (_at(pipe, place) for pipe in pipes)
        network.conv_in = Quantised(network.conv_in)
        exact.conv_in.weight.data = network.conv_in.restored.to(dtype)
    exact, quantised = map(from_pipe, pipes)
    assert next(quantised.network.parameters()).dtype == torch.uint8
    assert computing_dtype(quantised.network) == dtype
    _same(quantised, exact)


def _at(pipe: Any, place: str) -> Any:
    found = pipe
    for name in place.split("."):
        found = getattr(found, name)
    return found


def _same(model: AbstractLatentModel, other: AbstractLatentModel) -> None:
    picture, latents = 0.5 * torch.tanh(noise(2, 3, 16, 16)), noise(2, *model.latent_shape(16))
    for call in (
        lambda one: one.codec.encode(picture),
        lambda one: one.codec.decode(latents),
        lambda one: one.score("cat", "", 2.0, 16).score(latents, 1.0),
        lambda one: one.score("cat", "", 2.0, 16).vjp(latents, latents, 1.0)[1],
    ):
        torch.testing.assert_close(call(model), call(other))


def test_a_network_without_a_floating_type_is_fed_float32() -> None:
    network = torch.nn.Module()
    network.weight = torch.nn.Parameter(torch.zeros(3, dtype=torch.uint8), requires_grad=False)
    assert computing_dtype(network) == torch.float32
    network.bias = torch.nn.Parameter(torch.zeros(3, dtype=torch.float16))
    assert computing_dtype(network) == torch.float16
