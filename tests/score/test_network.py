"""Networks held and fed for evaluation: the same values, whatever the memory
format and the batch.
"""

import pytest
import torch

from scoregeo.score.network import batches, frozen


@pytest.mark.parametrize("rows", [0, 1, 31, 33, 47, 48, 100, 512])
@pytest.mark.parametrize("largest", [1, 7, 40, 512])
def test_batches_are_all_of_the_rows_in_order_and_nearly_equal(rows: int, largest: int) -> None:
    x = torch.arange(rows * 2.0).reshape(rows, 2)
    parts = batches(x, largest)
    sizes = [len(part) for part in parts]
    assert torch.equal(torch.cat(parts), x)
    assert max(sizes) <= largest and max(sizes) - min(sizes) <= 1
    assert max(sizes) < 64  # on a processor, however many are allowed


def test_a_frozen_network_gives_the_same_values_and_gradients_of_its_input() -> None:
    torch.manual_seed(0)
    layers = [
        torch.nn.Conv2d(1, 8, 3, padding=1),
        torch.nn.GroupNorm(2, 8),
        torch.nn.SiLU(),
        torch.nn.Conv2d(8, 1, 3, padding=1),
    ]
    network = torch.nn.Sequential(*layers, torch.nn.Dropout(0.5)).double().train()
    x = torch.randn(3, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    plain = torch.nn.Sequential(*layers)(x)
    (slope,) = torch.autograd.grad(plain.square().sum(), x)
    assert frozen(network) is network and not network.training
    assert layers[0].weight.grad is None and not any(
        weight.requires_grad for weight in network.parameters()
    )
    assert layers[3].weight.is_contiguous(memory_format=torch.channels_last)
    value = network(x)
    # Sums of 72 products in another order, in float64.
    torch.testing.assert_close(value, plain, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(
        torch.autograd.grad(value.square().sum(), x)[0], slope, rtol=1e-11, atol=1e-12
    )
