"""Adam's steps are torch's own, to the last digit."""

import pytest
import torch

from scoregeo._utils.adam import AdamSteps


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_are_those_of_torch(dtype: torch.dtype) -> None:
    rng = torch.Generator().manual_seed(0)
    start = torch.randn(3, 5, generator=rng, dtype=dtype)
    ours, theirs = (start.clone().requires_grad_(True) for _ in range(2))
    steps, reference = AdamSteps(ours, 0.03), torch.optim.Adam([theirs], lr=0.03)
    for number in range(40):
        gradient = torch.randn(3, 5, generator=rng, dtype=dtype) * 10.0 ** (number % 5 - 2)
        gradient[number % 3] = 0  # as of a pair that has converged
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        steps.step()
        reference.step()
        assert torch.equal(ours, theirs) and ours.grad is None
    assert not torch.equal(ours, start)
    before = ours.detach().clone()
    steps.step()
    assert torch.equal(ours, before)
