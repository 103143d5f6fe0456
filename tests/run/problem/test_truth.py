"""What a path is compared with where half a turn can be made either way round."""

import torch

from scoregeo.evaluation.measures.pictures import TWO_TRUTHS
from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.run.measures import Measures
from scoregeo.run.problem.interpolation import InterpolationProblem
from scoregeo.run.problem.outcome import closed_form
from tests.commands import PLAIN

POINTS = 5
FEW = ("evaluation.network=null", *PLAIN)


def problem(angles: str) -> InterpolationProblem:
    sizes = (
        f"dataset.angles={angles}",
        "dataset.pairs_per_angle=2",
        "dataset.sample_angles=24",
        f"solver.num_points={POINTS}",
    )
    config, _ = compose(
        ["experiment=rotated_mnist_empirical", "dataset.source=embedded", *sizes, *FEW]
    )
    return InterpolationProblem(build(config))


def test_half_a_turn_is_compared_with_the_nearer_way_round() -> None:
    made = problem("[90,180]")
    measures = Measures(made.experiment, made)
    one, other = made.truth(POINTS), made.other_truth(POINTS)
    assert one is not None and other is not None and TWO_TRUTHS in measures.notes()
    noise = 0.01 * torch.randn(one.shape, generator=torch.Generator().manual_seed(0))
    # One row each way: what counts is decided row by row.
    both = torch.stack([one[0], one[1], one[2], other[3]]) + noise
    found = measures.of_pairs("lerp", closed_form(both, noisy=False, seconds=0.0), both)
    # Noise of 0.01 on a range of 2: 10 log10(4 / 1e-4) = 46 dB, less 0.26 for two deviations of
    # 2,352 squares.
    # More where pixels are clipped to that range.
    assert isinstance(found["psnr"], torch.Tensor) and (found["psnr"] > 45.7).all()


def test_other_angles_have_one_truth() -> None:
    made = problem("[90]")
    path = made.truth(POINTS)
    assert (
        path is not None
        and made.other_truth(POINTS) is None
        and torch.equal(made.truth_near(path + 0.1), path)
    )
    assert TWO_TRUTHS not in Measures(made.experiment, made).notes()


def test_without_a_known_truth_there_is_none() -> None:
    config, _ = compose(["experiment=rotated_mnist_empirical", "dataset.source=embedded", *FEW])
    made = InterpolationProblem(build(config))
    made.experiment.dataset.true_path = lambda *_: None  # type: ignore[method-assign]
    assert made.truth_near(torch.zeros(6, made.experiment.num_points, 1, 28, 28)) is None
