"""Rotating small images about their centre."""

import math

import torch
import torch.nn.functional as F

_BATCH = 2048  # images rotated at a time; bounds memory


def rotate(images: torch.Tensor, degrees: torch.Tensor) -> torch.Tensor:
    """Rotate images counter-clockwise about their centre, bicubically.

    Args:
        images: [batch, channels, height, width], values in [-1, 1]; what comes in from outside the
            frame is -1.
        degrees: [batch], angles in degrees.

    Returns: images of the same shape, clamped to [-1, 1] (bicubic interpolation overshoots at
    edges).
    """
    theta = degrees.to(images) * (math.pi / 180)
    cos, sin, zero = theta.cos(), theta.sin(), torch.zeros_like(theta)
    # affine_grid maps output to input positions in (x right, y down); this is the matrix that turns
    # counter-clockwise.
    matrix = torch.stack(
        [torch.stack([cos, -sin, zero], -1), torch.stack([sin, cos, zero], -1)], -2
    )
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    turned = F.grid_sample(
        images + 1, grid, mode="bicubic", padding_mode="zeros", align_corners=False
    )
    return (turned - 1).clamp(-1, 1)


def rotations(images: torch.Tensor, index: torch.Tensor, degrees: torch.Tensor) -> torch.Tensor:
    """`rotate` of `images[index]`, index and degrees [count], a part at a time."""
    parts = zip(index.split(_BATCH), degrees.split(_BATCH), strict=True)
    return torch.cat([rotate(images[i], d) for i, d in parts])


def random_rotations(images: torch.Tensor, count: int, source: torch.Generator) -> torch.Tensor:
    """`count` of the images, drawn with replacement, at uniform angles."""
    index = torch.randint(len(images), (count,), generator=source)
    degrees = 360 * torch.rand(count, generator=source, dtype=torch.float64)
    return rotations(images, index, degrees)
