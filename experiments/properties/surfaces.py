"""Surfaces with their exact scores, true normals and true Gaussian curvature: what the study of
properties is measured on.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from scoregeo.dataset.base import AbstractDataset
from scoregeo.dataset.ellipsoid import Ellipsoid
from scoregeo.dataset.sphere import Sphere
from scoregeo.dataset.torus import Torus
from scoregeo.dataset.wiggly_sphere import WigglySphere
from scoregeo.score.field import ScoreField
from scoregeo.score.manifold import manifold_score
from scoregeo.score.sphere import sphere_score
from scoregeo.score.torus import torus_score


@dataclass(frozen=True)
class SurfaceCase:
    """A surface in R^3: `title`, the dataset, its exact score at a sigma, and its Gaussian
    curvature.
    """

    title: str
    dataset: AbstractDataset
    score: Callable[[float], ScoreField]

    def curvature(self, x: torch.Tensor) -> torch.Tensor:
        found = self.dataset.curvature(x)
        assert found is not None
        return found


def surface_cases() -> dict[str, SurfaceCase]:
    """Curvature of one sign and size, of both signs, of one sign and a ratio of 38, and of both
    signs over short distances.
    """
    sphere, torus, ellipsoid, wiggly = Sphere(), Torus(), Ellipsoid(), WigglySphere()
    return {
        "sphere": SurfaceCase(
            "sphere, radius 1", sphere, lambda sigma: sphere_score(sphere, 0, sigma)
        ),
        "torus": SurfaceCase(
            "torus, radii 1 and 0.4", torus, lambda sigma: torus_score(torus, 0, sigma)
        ),
        "ellipsoid": SurfaceCase(
            "ellipsoid, half-axes 1.5, 1, 0.6",
            ellipsoid,
            lambda sigma: manifold_score(ellipsoid, 0, sigma),
        ),
        "wiggly_sphere": SurfaceCase(
            "wiggly sphere", wiggly, lambda sigma: manifold_score(wiggly, 0, sigma)
        ),
    }
