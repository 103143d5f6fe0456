"""What paths pass, on paths that are known to pass it."""

import pytest
import torch

from scoregeo.dataset.landmarks import Landmarks
from scoregeo.evaluation.landmarks import passage, passed

RING = Landmarks(torch.eye(10).double(), tuple("abcdefghij"), closed=True)


def path(names: str) -> torch.Tensor:
    return torch.stack([RING.points[RING.names.index(name)] for name in names])


def test_shares_and_order_of_known_paths() -> None:
    ends = path("ae")[None].repeat(5, 1, 1)
    paths = ["abcde", "aeeee", "abbde", "adcbe", "aajje"]
    found = passage(torch.stack([path(p) for p in paths]), ends, RING)
    assert found.met.tolist() == pytest.approx([1, 0, 2 / 3, 1, 0])
    assert found.outside.tolist() == pytest.approx([0, 0, 0, 0, 2 / 3])
    # a d c b e: of ten pairs of visits three are reversed; a j e: the ring's j lies before a
    assert found.order.tolist() == pytest.approx([1, torch.nan, 1, 4 / 10, 1 / 3], nan_ok=True)


def test_a_closed_family_is_passed_over_its_seam() -> None:
    ends = path("ib")[None]
    found = passage(path("ijab")[None], ends, RING)
    assert found.met.item() == 1 and found.order.item() == 1 and found.outside.item() == 0
    assert passed(path("iijab"), RING) == ["i", "j", "a", "b"]
