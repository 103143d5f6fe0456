"""The file of references of a hundred digits and all others."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.large_data.hundred import write_hundred
from scoregeo.dataset.digits import load_digits
from scoregeo.dataset.identities import identities, rotation_sample
from scoregeo.dataset.rotated_mnist import RotatedMNIST


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """MNIST's files with the first 300 digits in them."""
    digits = load_digits("train", "embedded")
    for kind, data in (("images-idx3", digits.images[:300]), ("labels-idx1", digits.labels[:300])):
        head = struct.pack(f">4B{data.ndim}I", 0, 0, 8, data.ndim, *data.shape)
        body = data.numpy().astype(np.uint8).tobytes()
        (tmp_path / f"train-{kind}-ubyte").write_bytes(head + body)
    return tmp_path


def test_the_hundred_s_own_data_come_first_and_no_digit_twice(few: Path) -> None:
    """The first 18,000 are what `score=empirical` of that experiment sums over."""
    path = few / "hundred.npy"
    assert write_hundred(path, few) == 18_000 + 200 * 36
    found = torch.from_numpy(np.load(path).astype(np.float32))
    data = RotatedMNIST(100, sample_angles=180, source="folder", root=str(few))
    assert torch.equal(found[:18_000], data.sample(18_000, 0).half().float())
    digits = load_digits("train", "folder", few)
    kept = torch.ones(300, dtype=torch.bool)
    kept[identities(digits, 100)] = False
    others = digits.images[kept][:, None].float() / 127.5 - 1
    upright = found[18_000:].unflatten(0, (200, 36))[:, 0]
    torch.testing.assert_close(upright, others, atol=5e-4, rtol=0)  # float16 near 1
    turned = rotation_sample(others[-1:], 36)
    torch.testing.assert_close(found[-36:], turned, atol=5e-4, rtol=0)
