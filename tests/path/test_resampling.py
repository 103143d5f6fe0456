"""Resampling by arc length against closed forms and numpy.interp."""

import math

import numpy as np
import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.path.resampling import (
    arc_length,
    arc_parameter,
    resample,
    resample_by,
    segment_lengths,
)


def random_path(pairs: int = 3, points: int = 9, shape: tuple[int, ...] = (2, 3)) -> torch.Tensor:
    return torch.randn(
        pairs, points, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )


def test_lengths_of_a_right_angle() -> None:
    path = torch.tensor([[[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]])
    assert segment_lengths(path).tolist() == [[3.0, 4.0]]
    assert arc_length(path).tolist() == [7.0]
    assert arc_parameter(path).tolist() == [[0.0, 3 / 7, 1.0]]


def test_matches_numpy_interp() -> None:
    path = random_path()
    new = resample(path, 17)
    for pair in range(3):
        flat = path[pair].flatten(1).numpy()
        travelled = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(flat, axis=0), axis=1))])
        wanted = [
            np.interp(np.linspace(0, travelled[-1], 17), travelled, column) for column in flat.T
        ]
        # Both interpolate linearly in float64: only rounding differs.
        np.testing.assert_allclose(new[pair].flatten(1).numpy(), np.stack(wanted, 1), atol=1e-12)


def test_equal_spacing_on_a_circle_and_exact_ends() -> None:
    # Crowded at the start: angles as squares.
    angle = torch.linspace(0, 1, 400, dtype=torch.float64).square() * math.pi / 2
    path = torch.stack([angle.cos(), angle.sin()], 1)[None]
    new = resample(path, 11)
    spacing = segment_lengths(new)
    # The 400-gon differs from the circle by its sagitta, below (pi / 400)^2 / 8 = 8e-6.
    assert float(spacing.max() / spacing.min() - 1) < 1e-4
    assert torch.equal(new[:, [0, -1]], path[:, [0, -1]])
    assert float(arc_length(new)) == pytest.approx(10 * 2 * math.sin(math.pi / 40), rel=1e-5)


def test_resampling_twice_changes_nothing_on_a_line() -> None:
    path = torch.linspace(0, 1, 5, dtype=torch.float64)[None, :, None] * torch.tensor(
        [1.0, -2.0], dtype=torch.float64
    )
    assert torch.allclose(resample(resample(path, 9), 5), path, atol=1e-15, rtol=0)


def test_zero_length_path_and_segments() -> None:
    still = torch.ones(2, 4, 3)
    assert torch.equal(resample(still, 6), torch.ones(2, 6, 3))
    assert arc_parameter(still)[0].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    rests = torch.tensor([[[0.0], [0.0], [1.0], [1.0], [2.0], [2.0]]])
    assert resample(rests, 5).flatten().tolist() == pytest.approx([0, 0.5, 1, 1.5, 2])


def test_keeps_dtype_and_image_shape() -> None:
    path = random_path(shape=(1, 4, 4)).float()
    new = resample(path, 5)
    assert new.shape == (3, 5, 1, 4, 4)
    assert new.dtype == torch.float32


def test_bad_input() -> None:
    with pytest.raises(ConfigError, match="num_points = 1"):
        resample(random_path(), 1)
    with pytest.raises(DataError, match=r"\[pairs, points >= 2"):
        resample(torch.zeros(3, 1, 2), 4)
    with pytest.raises(DataError, match="points"):
        arc_length(torch.zeros(3, 4))


def test_equal_steps_of_a_given_length() -> None:
    line = torch.linspace(0, 1, 5, dtype=torch.float64)[None, :, None]
    # The first quarter counts as much as the rest together.
    found = resample_by(line, torch.tensor([[3.0, 1.0, 1.0, 1.0]]), 5)[0, :, 0]
    torch.testing.assert_close(found, torch.tensor([0, 0.125, 0.25, 0.625, 1], dtype=torch.float64))
    euclidean = torch.rand(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(
        resample_by(euclidean, segment_lengths(euclidean), 9), resample(euclidean, 9)
    )


@pytest.mark.parametrize("lengths", [[[1.0, 1.0]], [[1.0, -1.0, 1.0]], [[1.0, float("nan"), 1.0]]])
def test_lengths_that_are_none_are_refused(lengths: list[list[float]]) -> None:
    with pytest.raises(DataError, match="segment lengths are finite"):
        resample_by(torch.rand(1, 4, 2), torch.tensor(lengths), 4)


@pytest.mark.parametrize("kind", [torch.int64, torch.complex64])
def test_a_path_of_other_numbers_is_refused(kind: torch.dtype) -> None:
    path = torch.tensor([[[0], [1]]]).to(kind)
    for function in (segment_lengths, arc_length, arc_parameter, lambda p: resample(p, 4)):
        with pytest.raises(DataError, match=f"path is of {kind}"):
            function(path)
