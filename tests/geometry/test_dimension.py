"""Intrinsic dimension of manifolds of known dimension, of Gaussians, and the probes' own error."""

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.base import AbstractDataset
from scoregeo.dataset.closed_curve import ClosedCurve
from scoregeo.dataset.flat_torus import FlatTorus
from scoregeo.dataset.rotation_group import RotationGroup
from scoregeo.dataset.sphere import Sphere
from scoregeo.geometry.dimension import intrinsic_dimension
from scoregeo.score.base import AbstractScore
from scoregeo.score.field import ScoreField
from scoregeo.score.manifold import manifold_score
from scoregeo.score.sphere import SphereScore


class Gaussian(AbstractScore):
    """Centred, of given variances along the axes."""

    def __init__(self, variance: torch.Tensor) -> None:
        self.variance = variance

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.variance),)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return -x / (self.variance + sigma**2)


def test_gaussian_closed_form() -> None:
    variance = torch.tensor([4.0, 1.0, 0.01, 0.0], dtype=torch.float64)
    field = ScoreField(Gaussian(variance), 0.5)
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = (variance / (variance + 0.25)).sum()
    torch.testing.assert_close(
        intrinsic_dimension(field, x), expected.expand(3), rtol=1e-12, atol=0
    )
    # A diagonal Jacobian has no variance under random signs.
    torch.testing.assert_close(
        intrinsic_dimension(field, x, probes=1), expected.expand(3), rtol=1e-12, atol=0
    )


@pytest.mark.parametrize(
    ("data", "field", "dimension", "curvature"),
    [
        (Sphere(2, 50), ScoreField(SphereScore(2, 50), 0.05), 2, 1.0),
        (Sphere(7, 20), ScoreField(SphereScore(7, 20), 0.05), 7, 1.0),
        (FlatTorus(2), manifold_score(FlatTorus(2), 0, sigma=0.05), 2, 1.5),
        (RotationGroup(), manifold_score(RotationGroup(), 0, sigma=0.3), 3, 0.5),
        (ClosedCurve(), manifold_score(ClosedCurve(), 0, sigma=0.05), 1, 3.7),
    ],
    ids=["S2_in_R50", "S7_in_R20", "clifford", "SO3", "curve"],
)
def test_known_dimensions(
    data: AbstractDataset, field: ScoreField, dimension: int, curvature: float
) -> None:
    found = intrinsic_dimension(field, data.sample(6, 0))
    # The blurred density's curvature along the manifold is of relative order (sigma k)^2, for each
    # dimension once.
    assert (found - dimension).abs().max() < dimension**2 * (field.sigma * curvature) ** 2


def test_probes_are_unbiased() -> None:
    field = ScoreField(SphereScore(3, 12), 0.1)
    x = Sphere(3, 12).sample(1, 0).expand(4000, 12).clone()
    exact, found = intrinsic_dimension(field, x[:1]), intrinsic_dimension(field, x, probes=1)
    assert (
        found.mean() - exact
    ).abs() < 5 * found.std() / 4000**0.5 and found.std() > 0.1  # five standard errors
    assert torch.equal(found, intrinsic_dimension(field, x, probes=1))
    assert (
        intrinsic_dimension(field, x, probes=16).std() < 0.3 * found.std()
    )  # a quarter, within its own error


@pytest.mark.parametrize("probes", [0, 1.5])
def test_bad_probes(probes: float) -> None:
    with pytest.raises(ConfigError, match="probes"):
        intrinsic_dimension(ScoreField(SphereScore(2, 3), 0.1), torch.ones(1, 3), probes=probes)  # type: ignore[arg-type]
