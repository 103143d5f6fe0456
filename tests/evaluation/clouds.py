"""Features to compare."""

import torch


def cloud(*shape: int, seed: int = 0, shift: float = 0.0) -> torch.Tensor:
    """Correlated float64 features."""
    generator = torch.Generator().manual_seed(seed)
    mix = (
        torch.randn(
            shape[-1], shape[-1], generator=torch.Generator().manual_seed(99), dtype=torch.float64
        )
        / shape[-1] ** 0.5
    )
    return torch.randn(*shape, generator=generator, dtype=torch.float64) @ mix + shift
