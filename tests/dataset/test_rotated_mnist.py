"""Rotated digits: pairs, samples, sources and what is refused."""

import lzma
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.dataset.base import Pairs
from scoregeo.dataset.digits import EMBEDDED, load_digits
from scoregeo.dataset.identities import identities, pixels, rotation_sample
from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.dataset.rotation import rotate


def embedded(**settings: Any) -> RotatedMNIST:
    return RotatedMNIST(**{"source": "embedded", **settings})


@cache
def plain(name: str) -> bytes:
    return lzma.decompress((EMBEDDED / f"{name}.xz").read_bytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The embedded digits as a user's folder: two files plain, two as .xz."""
    for name in ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(plain(name))
    for name in ("train-labels-idx1-ubyte.xz", "t10k-images-idx3-ubyte.xz"):
        shutil.copy(EMBEDDED / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("count", [1, 10])
def test_pairs_of_finite_data(count: int) -> None:
    data = embedded(identities=count, angles=[60, 120], pairs_per_angle=12)
    pairs = data.pairs(7)
    assert (
        pairs.truth is not None
        and pairs.first.shape == (24, 1, 28, 28)
        and pairs.first.dtype == torch.float32
    )
    assert pairs.groups == ("60 deg",) * 12 + ("120 deg",) * 12 and len(set(pairs.names)) == 24
    index, start, angle = pairs.truth.T
    assert index.tolist() == [i % count for i in range(12)] * 2
    assert angle.tolist() == [60.0] * 12 + [120.0] * 12
    for end in (
        start,
        start + angle,
    ):  # half a step off the sample's grid of 0.5 degrees; exact in binary
        assert ((end / 0.5) % 1 == 0.5).all()
    digits = load_digits("train", "embedded")
    images = pixels(digits.images[identities(digits, count)])[index.long()]
    assert torch.equal(pairs.first, rotate(images, start)) and torch.equal(
        pairs.second, rotate(images, start + angle)
    )
    assert pairs.ends.min() >= -1 and pairs.ends.max() <= 1
    # Not in the sample: its nearest member is a quarter of a degree away.
    sample = data.sample(10**6, 0).flatten(1)
    assert torch.cdist(pairs.ends.flatten(0, 1).flatten(1), sample).min() > 0.05


def test_true_continuation_turns_the_digit_on() -> None:
    data = embedded(identities=1, angles=[45])
    image = pixels(
        load_digits("train", "embedded").images[identities(load_digits("train", "embedded"), 1)]
    )
    truth = torch.tensor([[0, 0, 45], [0, 45, 45]], dtype=torch.float64)
    ends = [
        rotate(image.repeat(2, 1, 1, 1), degrees) for degrees in (truth[:, 1], truth[:, 1] + 45)
    ]
    pairs = Pairs(ends[0], ends[1], ("a", "b"), ("45 deg",) * 2, truth)
    path = data.true_continuation(pairs, torch.tensor([1.0, 3.0]), 4)
    assert path.shape == (2, 4, 1, 28, 28) and torch.equal(path[:, 0], pairs.second)
    # A quarter and half a turn need no interpolation: pixels fall on pixels, to the rounding of
    # their positions.
    torch.testing.assert_close(path[0, -1], image[0].rot90(1, (-2, -1)), atol=2e-5, rtol=0)
    torch.testing.assert_close(path[1, 2], image[0].rot90(2, (-2, -1)), atol=2e-5, rtol=0)


def test_angles_that_are_no_whole_steps_stay_off_the_grid() -> None:
    data = embedded(angles=[33.2, 77.9], pairs_per_angle=5, sample_angles=100)
    truth = data.pairs(0).truth
    assert truth is not None
    for end in (truth[:, 1], truth[:, 1] + truth[:, 2]):
        steps = end / 3.6
        # A quarter of a step is the worst case by construction, less rounding.
        assert (steps - steps.round()).abs().min() > 0.25 - 1e-9


def test_pairs_of_all_digits_are_held_out_and_distinct() -> None:
    data = embedded(identities="all", angles=[30, 60, 90, 120], pairs_per_angle=5)
    pairs = data.pairs(1)
    assert pairs.truth is not None and len(pairs) == 20
    index = pairs.truth[:, 0].long()
    assert index.unique().numel() == 20 and index.max() < 3000
    images = pixels(load_digits("test", "embedded").images)[index]
    assert torch.equal(pairs.first, rotate(images, pairs.truth[:, 1]))


def test_the_seed_decides() -> None:
    for kind in (10, "all"):
        data = embedded(identities=kind)
        assert torch.equal(data.pairs(0).ends, embedded(identities=kind).pairs(0).ends)
        assert not torch.equal(data.pairs(0).ends, data.pairs(1).ends)
        assert torch.equal(data.sample(20, 0), data.sample(20, 0))
        assert not torch.equal(data.sample(20, 0), data.sample(20, 1))
        assert torch.equal(data.held_out(20, 0), data.held_out(20, 0))


def test_a_folder_gives_the_same_pairs(folder: Path) -> None:
    for root, kind in ((folder, 10), (folder, "all"), (EMBEDDED, 10)):
        own = embedded(identities=kind)
        pairs, sample = own.pairs(0).ends, own.sample(30, 0)
        for source in ("auto", "folder"):
            data = RotatedMNIST(identities=kind, source=source, root=str(root))
            assert torch.equal(data.pairs(0).ends, pairs)
            assert torch.equal(data.sample(30, 0), sample)


def test_true_path_and_length() -> None:
    data = embedded(identities=10, angles=[60], pairs_per_angle=2)
    pairs = data.pairs(0)
    path = data.true_path(pairs, 13)
    assert torch.equal(path[:, 0], pairs.first) and torch.equal(path[:, -1], pairs.second)
    assert pairs.truth is not None
    digits = load_digits("train", "embedded")
    images = pixels(digits.images[identities(digits, 10)])[pairs.truth[:, 0].long()]
    assert torch.equal(path[:, 6], rotate(images, pairs.truth[:, 1] + 30))
    length = data.true_length(pairs)
    coarse = data.true_path(pairs, 121).double().diff(dim=1).flatten(2).norm(dim=2).sum(1)
    # Steps of 0.5 and of 0.25 degrees: chords fall short by their squares, here a few parts in ten
    # thousand.
    assert (length > coarse).all() and (length < coarse * 1.002).all()
    with pytest.raises(DataError, match="no angles"):
        data.true_length(Pairs(pairs.first, pairs.second, pairs.names, pairs.groups))


def test_half_a_turn_has_two_true_paths() -> None:
    data = embedded(identities=10, angles=[90, 180], pairs_per_angle=2)
    pairs = data.pairs(0)
    one, other = data.true_path(pairs, 5), data.other_true_path(pairs, 5)
    assert pairs.truth is not None and other is not None
    assert torch.equal(other[:2], one[:2])  # a quarter of a turn has one
    # Half-way they are half a turn apart: pixels fall on pixels, to the rounding of their
    # positions.
    torch.testing.assert_close(other[2:, 2], one[2:, 2].rot90(2, (-2, -1)), atol=2e-5, rtol=0)
    torch.testing.assert_close(other[2:, -1], pairs.second[2:], atol=2e-5, rtol=0)
    assert (
        embedded(identities=10, angles=[90], pairs_per_angle=2).other_true_path(pairs, 5)
        is not None
    )  # the pairs decide
    assert data.other_true_path(embedded(identities=10, angles=[90]).pairs(0), 5) is None


def test_finite_sample() -> None:
    data = embedded(identities=10, sample_angles=36)
    digits = load_digits("train", "embedded")
    whole = rotation_sample(pixels(digits.images[identities(digits, 10)]), 36)
    assert data.sample_size == 360
    assert torch.equal(data.sample(360, 0), whole) and torch.equal(data.sample(10**6, 5), whole)
    part = data.sample(90, 0)  # every fourth rotation, the same of each digit
    places = [int((whole == image).flatten(1).all(1).nonzero()[0]) for image in part]
    assert {b - a for a, b in zip(places, places[1:], strict=False)} == {4}
    odd = data.sample(101, 0)
    assert len(odd) == 101 and odd.flatten(1).unique(dim=0).shape[0] == 101


def test_held_out_is_off_the_sample() -> None:
    data = embedded(identities=1, sample_angles=36)
    near = torch.cdist(data.held_out(50, 0).flatten(1), data.sample(36, 0).flatten(1)).amin(1)
    assert (
        near.min() > 1
    )  # half a step is 5 degrees, where neighbours of the sample are some 10 apart
    everything = embedded(identities="all")
    assert everything.sample_size is None
    assert everything.held_out(30, 0).shape == everything.sample(30, 0).shape == (30, 1, 28, 28)
    assert everything.shape == (1, 28, 28) and everything.dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("train-images-idx3-ubyte", lambda data: data[:-100]),  # truncated
        ("train-images-idx3-ubyte", lambda data: data[:9]),  # within the header
        ("train-images-idx3-ubyte", lambda data: b"PK\3\4" + data[4:]),  # another kind of file
        ("train-labels-idx1-ubyte.xz", lambda data: data[: len(data) // 2]),
        ("train-labels-idx1-ubyte.xz", lambda data: data[:100] + b"\0" * 50 + data[150:]),
    ],
)
def test_a_damaged_file_is_named(folder: Path, name: str, damage: Any) -> None:
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=name):
        RotatedMNIST(source="folder", root=str(folder)).pairs(0)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "t10k-images-idx3-ubyte.xz").unlink()
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte"):
        RotatedMNIST(identities="all", source="folder", root=str(folder)).pairs(0)


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("identities", {"identities": 7}),
        ("identities", {"identities": "some"}),
        ("identities", {"identities": 1.0}),
        ("identities", {"identities": True}),
        ("angles", {"angles": []}),
        ("angles", {"angles": 60}),
        ("angles", {"angles": "60"}),
        ("angles", {"angles": [60, 60.0]}),
        (r"angles\[1\]", {"angles": [60, 0]}),
        (r"angles\[0\]", {"angles": [181]}),
        (r"angles\[0\]", {"angles": ["wide"]}),
        (r"angles\[0\]", {"angles": [float("nan")]}),
        ("pairs_per_angle", {"pairs_per_angle": 0}),
        ("pairs_per_angle", {"pairs_per_angle": 2000, "identities": "all"}),
        ("sample_angles", {"sample_angles": 1}),
        ("sample_angles", {"sample_angles": 72.5}),
        ("source", {"source": "memory"}),
        ("root", {"root": "/nowhere"}),  # beside source="embedded"
        ("root", {"root": ""}),
        ("pairs_per_angle", {"identities": 10, "sample_angles": 2, "pairs_per_angle": 21}),
    ],
)
def test_bad_settings_are_refused(key: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"dataset\.{key} = .*must be"):
        embedded(**settings)


def test_a_folder_source_needs_its_folder() -> None:
    with pytest.raises(ConfigError, match=r"dataset\.root"):
        RotatedMNIST(source="folder").pairs(0)
