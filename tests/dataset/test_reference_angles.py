"""References of graphs: their number, their angles away from the pairs', and the score apart."""

from typing import Any

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.digits import load_digits
from scoregeo.dataset.identities import identities, pixels
from scoregeo.dataset.reference_angles import angle_gap, reference_angles
from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.dataset.rotation import rotate
from scoregeo.score.empirical import empirical_score

STEPS = (1, 2, 5, 10, 20, 30, 60)
MANY = 10**5


def embedded(**settings: Any) -> RotatedMNIST:
    return RotatedMNIST(**{"source": "embedded", **settings})


@pytest.mark.parametrize("step", STEPS)
def test_references_are_every_rotation_by_the_step_and_no_pair_s_end(step: int) -> None:
    for seed in range(5):
        data = embedded(identities=10, reference_step=step, pairs_per_angle=12)
        degrees = reference_angles(step, 720, seed)
        assert len(degrees) == 360 // step and (degrees.diff() == step).all()
        assert 0 <= degrees[0] < step and (degrees / 0.5 == (degrees / 0.5).round()).all()
        truth = data.pairs(seed).truth
        assert truth is not None
        ends = torch.stack([truth[:, 1], truth[:, 1] + truth[:, 2]])
        gap = angle_gap(ends, degrees)
        assert gap.min() >= 0.25 and gap.max() <= step / 2
    assert len(data.reference_points(MANY, 0)) == 3600 // step


def test_references_are_rotations_of_the_pairs_digits_or_of_none_of_them() -> None:
    digits = load_digits("train", "embedded")
    twenty = pixels(digits.images[identities(digits, 20)])
    same = embedded(identities=10, reference_step=60).reference_points(MANY, 4)
    other = embedded(identities=10, reference_step=60, reference_digits="other")
    degrees = reference_angles(60, 720, 4)
    for found, images in ((same, twenty[:10]), (other.reference_points(MANY, 4), twenty[10:])):
        wanted = rotate(images.repeat_interleave(6, 0), degrees.repeat(10))
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    assert torch.equal(other.pairs(4).first, embedded(identities=10).pairs(4).first)
    # An end's own image is not there: the nearest is a quarter of a degree or more away.
    ends = embedded(identities=10).pairs(4).ends.flatten(0, 1).flatten(1)
    assert torch.cdist(ends, same.flatten(1)).min() > 0.05


def test_test_digits_are_in_no_training_set() -> None:
    unseen = embedded(identities=10, split="test", reference_step=30)
    upright = unseen._identity_images.flatten(1)
    train = pixels(load_digits("train", "embedded").images).flatten(1)
    assert torch.cdist(upright, train).min() > 1
    labels = load_digits("test", "embedded").labels
    assert labels[identities(load_digits("test", "embedded"), 10, "test")].tolist() == [
        *(2, 3, 5, 4, 7, 6, 9, 1, 8, 0)
    ]
    assert unseen.reference_points(MANY, 0).shape == (120, 1, 28, 28)


def test_the_score_s_data_and_the_references_are_independent() -> None:
    """The score's points do not follow the references' step, nor the references the sample's."""
    x = embedded(identities=1).pairs(0).ends.mean(1)
    dense, sparse = (embedded(identities=1, reference_step=step) for step in (1, 60))
    assert torch.equal(dense.sample(720, 0), sparse.sample(720, 0))
    scores = [empirical_score(data, 0, sigma=1.0)(x) for data in (dense, sparse)]
    assert torch.equal(*scores)
    assert torch.equal(
        embedded(identities=1, reference_step=60).reference_points(6, 0),
        sparse.reference_points(MANY, 0),
    )
    # Asked for, it is the score of the references, and then of nothing else.
    own = empirical_score(sparse, 0, sigma=1.0, points="references")(x)
    points = sparse.reference_points(MANY, 0).double().flatten(1)
    flat = x.double().flatten(1)
    weight = (-torch.cdist(flat, points).square() / 2).softmax(1)
    torch.testing.assert_close(own.double().flatten(1), weight @ points - flat, atol=1e-3, rtol=0)
    assert not torch.allclose(own, scores[0], atol=0.1)


def test_without_a_step_the_references_are_the_sample() -> None:
    data = embedded(identities=10)
    assert torch.equal(data.reference_points(90, 3), data.sample(90, 3))


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("split", {"split": "valid"}),
        ("split", {"split": "test", "identities": "all"}),
        ("reference_step", {"reference_step": 7}),
        ("reference_step", {"reference_step": 0.75}),
        ("reference_step", {"reference_step": 0}),
        ("reference_step", {"reference_step": 5, "identities": "all"}),
        ("reference_digits", {"reference_digits": "none"}),
        ("reference_digits", {"reference_digits": "other"}),
    ],
)
def test_bad_settings_are_refused(key: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"dataset\.{key} = .*must be"):
        embedded(**settings)


def test_too_small_a_count_and_unknown_points_are_refused() -> None:
    data = embedded(identities=10, reference_step=10)
    with pytest.raises(ConfigError, match="num_references = 300 .*360 or more"):
        data.reference_points(300, 0)
    with pytest.raises(ConfigError, match=r"score\.points = 'all'"):
        empirical_score(data, 0, sigma=1.0, points="all")


def test_angle_gap_goes_round_the_circle() -> None:
    gap = angle_gap(torch.tensor([359.0, 14.0, 365.0]), torch.tensor([0.0, 10.0, 180.0]))
    assert gap.tolist() == [1.0, 4.0, 5.0]


def test_the_note_says_what_is_held_out() -> None:
    ten = embedded(identities=10, angles=[60, 45.25])
    assert "angles only" in ten.note and "0.125 degrees" in ten.note
    assert "0.25 degrees" in embedded(identities=10, angles=[60]).note
    other = embedded(identities=10, split="test", reference_step=20, reference_digits="other")
    assert other.note.startswith("Held out: identities")
    assert "of other digits, every 20 degrees" in other.note
    assert embedded(identities="all").note.startswith("Held out: identities. Pairs are")
