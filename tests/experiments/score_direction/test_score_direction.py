"""The study of the score's direction: exact angles where they are known, and the page."""

import math
from pathlib import Path

import pytest
import torch

from experiments.score_direction.angles import (
    INSIDE,
    ON,
    OUTSIDE,
    UNSCALED,
    angles,
    radius,
    schedule,
)
from scoregeo._utils.files import read_json
from scoregeo.dataset.sphere import Sphere
from scoregeo.score.function import FunctionScore
from scoregeo.score.sphere import SphereScore
from tests.commands import TINY, run_here


@pytest.mark.parametrize("ambient", [3, 50])
def test_the_exact_score_is_radial(ambient: int) -> None:
    """Inward on the sphere and outside of it, outward inside while the noise is small: the ridge of
    the blurred density is at about `1 - sigma^2`."""
    exact, sphere = SphereScore(2, ambient), Sphere(2, ambient, num_pairs=1)
    for sigma in (0.05, 0.2):
        for place, expected in ((ON, 180.0), (OUTSIDE, 180.0), (UNSCALED, 180.0), (INSIDE, 0.0)):
            found = angles(exact, exact, sphere, place, sigma, 20)
            torch.testing.assert_close(
                found.angle, torch.full_like(found.angle, expected), atol=1e-4, rtol=0
            )
            assert (found.error == 0).all()


def test_an_error_of_known_direction_gives_a_known_angle() -> None:
    """Exact score plus as much of a tangent vector: 135 degrees, and an error of 1."""
    exact, sphere = SphereScore(2, 3), Sphere(2, 3, num_pairs=1)

    def disturbed(x: torch.Tensor, sigma: float) -> torch.Tensor:
        found = exact.score(x, sigma)
        across = torch.linalg.cross(x, torch.tensor([0.3, 0.5, 0.8]).to(x).expand_as(x))
        return found + found.norm(dim=1, keepdim=True) * across / across.norm(dim=1, keepdim=True)

    found = angles(FunctionScore(disturbed, (3,)), exact, sphere, ON, 0.1, 20)
    torch.testing.assert_close(found.angle, torch.full_like(found.angle, 135.0))
    torch.testing.assert_close(found.error, torch.ones_like(found.error))


def test_places_are_those_of_the_schedule() -> None:
    levels = schedule()
    product = math.prod(1 - (1e-4 + (0.02 - 1e-4) * i / 999) for i in range(401))
    sigma = float(levels.sigma(torch.tensor(400)))
    assert sigma == pytest.approx(math.sqrt((1 - product) / product), rel=1e-9)
    assert radius(UNSCALED, sigma) == pytest.approx(1 / math.sqrt(product), rel=1e-9)


def test_the_page(tmp_path: Path) -> None:
    folder, reason = run_here(["experiment=score_direction", *TINY["score_direction"]], tmp_path)
    assert reason is None
    page = read_json(folder / "summary.json")
    assert [table["caption"] for table in page["tables"]] == [
        "Angle, S^2 in R^3",
        "Error, S^2 in R^3",
    ]
    assert (folder / "figures" / "angle.png").is_file()
