"""Coverage of the intervals of FID and KID by simulation, on a classifier's features of real digits
and on Gaussian features.
"""

from collections.abc import Callable

import pytest
import torch

from scoregeo.dataset.digits import load_digits
from scoregeo.dataset.rotation import random_rotations, rotate
from scoregeo.evaluation.digit_classifier import load_digit_classifier
from scoregeo.evaluation.fid_kid import weighted_fid, weighted_kid
from scoregeo.evaluation.statistics import jackknife_error, t_interval

PAIRS, FRAMES = 600, 10


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Features of ten rotations of each of 600 digits, [600, 10, 128], and of 300 rotations of
    other digits.
    """
    images = load_digits("test", source="embedded").images[: PAIRS + 300, None].double() / 127.5 - 1
    source = torch.Generator().manual_seed(0)
    index = torch.arange(PAIRS).repeat_interleave(FRAMES)
    angles = torch.linspace(0, 90, FRAMES, dtype=torch.float64).repeat(PAIRS)
    frames = torch.cat(
        [rotate(images[index], angles), random_rotations(images[PAIRS:], 300, source)]
    )
    network = load_digit_classifier()
    with torch.no_grad():
        features = torch.cat([network.features(x.float()).double() for x in frames.split(500)])
    return features[: PAIRS * FRAMES].view(PAIRS, FRAMES, -1), features[PAIRS * FRAMES :]


@pytest.fixture(scope="module")
def gaussian() -> tuple[torch.Tensor, torch.Tensor]:
    """Features whose pairs have means of their own, and a reference around another mean."""
    source = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=source, dtype=torch.float64)

    return (
        1 + 0.5 * normal(PAIRS, 1, 32) + 0.3 * normal(PAIRS, FRAMES, 32),
        1.2 + 0.5 * normal(300, 32),
    )


# The bounds are those that docs/explanation/reading_results.md states, less and more three binomial
# deviations of 400 trials: 0.038 at 0.93, 0.033 at 0.95, 0.02 at 0.98. KID has no interval of fewer
# than six pairs.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "measure", "pairs", "least", "most"),
    [
        *[("digits", weighted_fid, pairs, 0.91, 0.995) for pairs in (3, 5, 8)],
        *[("digits", weighted_kid, pairs, 0.892, 0.985) for pairs in (6, 8)],
        *[("gaussian", weighted_fid, pairs, 0.91, 0.995) for pairs in (3, 5, 8)],
        *[("gaussian", weighted_kid, pairs, 0.91, 0.995) for pairs in (6, 8)],
    ],
)
def test_covers_as_often_as_the_documents_say(
    data: str,
    measure: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
    pairs: int,
    least: float,
    most: float,
    request: pytest.FixtureRequest,
) -> None:
    population, reference = request.getfixturevalue(data)
    source = torch.Generator().manual_seed(pairs)
    held = torch.cat([torch.ones(1, pairs), 1 - torch.eye(pairs)]).double()
    found = torch.stack(
        [
            measure(
                population[torch.randperm(PAIRS, generator=source)[:pairs]], reference, held
            ).cpu()
            for _ in range(400)
        ]
    )
    mean = float(found[:, 0].mean())  # what the measure is on average of so many pairs
    bounds = [t_interval(float(row[0]), jackknife_error(row[1:]), pairs) for row in found]
    covered = sum(low <= mean <= high for low, high in bounds) / len(bounds)
    assert least <= covered <= most
