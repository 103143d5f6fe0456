"""Pictures of a text-to-image model, taken to the noise level and back under their prompts."""

from collections.abc import Sequence

import torch

from scoregeo.inversion.base import AbstractInversion
from scoregeo.score.condition import PerPoint
from scoregeo.score.text_to_image import TextModel


@torch.no_grad()
def invert_pictures(
    model: TextModel,
    inversion: AbstractInversion,
    pictures: torch.Tensor,
    prompts: Sequence[str],
    source: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Clean latents, and those at the noise level, each [count, *shape], of `pictures` [count, 3,
    H, W] in [-1, 1] on the model's device; the i-th under the i-th of `prompts`.

    In one batch: what the inversion draws for a pair, it draws once for all of them. Costs
    `inversion.lift_evaluations` score evaluations a picture.
    """
    clean = model.encode(pictures)
    noisy = inversion.lift(clean[None], model.field(model.of_ends(tuple(prompts))), source)
    return clean, noisy[0]


@torch.no_grad()
def decode_latents(
    model: TextModel,
    inversion: AbstractInversion,
    latents: Sequence[torch.Tensor],
    prompts: Sequence[tuple[str, str]],
    u: Sequence[torch.Tensor],
) -> list[torch.Tensor]:
    """Pictures [points, 3, H, W] of each path in `latents` [points, *shape] at the noise level.

    The points of the i-th path are decoded under its two `prompts`, mixed in the proportion of
    their fractions `u` [points] of the way. All in one batch; costs `inversion.decode_evaluations`
    score evaluations a point.
    """
    clean = clean_latents(model, inversion, torch.cat(list(latents)), prompts, u)
    return list(model.decode(clean).split([len(one) for one in latents]))


@torch.no_grad()
def clean_latents(
    model: TextModel,
    inversion: AbstractInversion,
    points: torch.Tensor,
    prompts: Sequence[tuple[str, str]],
    u: Sequence[torch.Tensor],
) -> torch.Tensor:
    """The clean latents of `decode_latents`, before the autoencoder: those of the noisy `points`
    [sum of the lengths of `u`, *shape], path after path. It makes all of the evaluations.
    """
    conditions = [model.at(*one).embeddings for one in zip(prompts, u, strict=True)]
    return inversion.decode(points, model.field(PerPoint(torch.cat(conditions))))
