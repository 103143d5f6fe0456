"""Refined paths against the curve they came from."""

import torch

from scoregeo.path.refine import refine
from tests.fields import wavy


def test_error_is_of_fourth_order_and_the_ends_are_kept() -> None:
    truth = wavy(129)
    errors = []
    for points in (9, 17, 33):
        coarse = wavy(points)
        finer = refine(coarse, 129)
        assert torch.equal(finer[:, [0, -1]], coarse[:, [0, -1]])
        errors.append(float((finer - truth).abs().max()))
    # A not-a-knot spline is of order 4; the sampled orders approach it from the coarse side.
    orders = [torch.tensor(a / b).log2() for a, b in zip(errors, errors[1:], strict=False)]
    assert all(3.3 < order < 5.5 for order in orders), orders


def test_same_points_are_given_back_and_two_make_a_line() -> None:
    path = wavy(9)
    assert refine(path, 9) is path
    line = refine(path[:, [0, -1]], 5)
    torch.testing.assert_close(line[:, 2], path[:, [0, -1]].mean(1))
    assert refine(path.float(), 17).dtype == torch.float32


def test_a_path_that_requires_grad_is_refined() -> None:
    path = wavy(9)
    assert torch.equal(refine(path.clone().requires_grad_(), 17), refine(path, 17))
