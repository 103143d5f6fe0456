"""Rotated digits: pairs are one digit at two angles, and the truth is its
rotations between them.
"""

import math
from collections.abc import Sequence
from functools import cached_property

import torch

from scoregeo._utils.errors import DataError, bad_value
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset, Pairs, reach_of, repeats_named
from scoregeo.dataset.digits import EMBEDDED_COUNT, load_digits
from scoregeo.dataset.identities import identities as choose_identities
from scoregeo.dataset.identities import pixels, shared_pixels
from scoregeo.dataset.reference_angles import held_out_note, off_grid, reference_angles
from scoregeo.dataset.rotated_checks import check_settings
from scoregeo.dataset.rotation import random_rotations, rotate, rotations

_LENGTH_STEP = 0.25  # degrees, at most, between images whose distances add up to a length


class RotatedMNIST(AbstractDataset):
    """MNIST digits at all angles; points [1, 28, 28], pixels in [-1, 1], float32.

    With `identities` = 1, 10 or 100 the data are finite: that many digits of `split`, each at
    `sample_angles` equal steps of a full turn. Pairs are of these digits, at angles as far off the
    steps as can be (half a step, where the angle between the ends is a whole number of steps). With
    "all" the data are all training digits at random angles, and pairs are of test digits. All
    digits are among those that every source shares, so pairs do not depend on the source.

    `Pairs.truth` [pairs, 3], float64: index of the digit (among the identities, or in the test
    split for "all"), angle of the first end, angle between the ends; degrees, counter-clockwise.
    """

    def __init__(
        self,
        identities: int | str = 1,
        angles: Sequence[float] = (60, 120),
        pairs_per_angle: int = 3,
        sample_angles: int = 720,
        split: str = "train",
        reference_step: float | None = None,
        reference_digits: str = "same",
        source: str = "auto",
        root: str | None = None,
    ) -> None:
        """Settings of the group `dataset`; images are read when first asked for.

        Args:
            identities: 1, 10, 100 or "all". angles: degrees between the ends, each in (0, 180], at
                least one.
            pairs_per_angle: pairs for each of `angles`. sample_angles: rotations of each identity
                in the finite sample. split: of the identities, "train" or "test"; "all" has both.
            reference_step: degrees between the references of a digit, a multiple of the sample's
                step that divides a full turn; null: the references are the sample.
            reference_digits: whose rotations they are, "same" or "other": as many digits that no
                pair is of.
            source, root: where MNIST comes from, as in `load_digits`.

        Raises: ConfigError for anything else.
        """
        finite = (identities, angles, pairs_per_angle, sample_angles)
        check_settings(*finite, split, reference_step, reference_digits, source, root)
        self.identities = identities
        self.angles = tuple(float(angle) for angle in angles)
        self.pairs_per_angle = pairs_per_angle
        self.sample_angles = sample_angles
        self.split = split
        self.reference_step = None if reference_step is None else float(reference_step)
        self.reference_digits = reference_digits
        self.source = source
        self.root = root

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, 28, 28)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32

    @property
    def sample_size(self) -> int | None:
        """Images in the finite sample; None for "all"."""
        return self.identities * self.sample_angles if isinstance(self.identities, int) else None

    @property
    def note(self) -> str:
        if self.identities == "all":
            return "Held out: identities. Pairs are of test digits, data and references of others."
        references = (self.split, self.reference_step, self.reference_digits)
        return held_out_note(self.angles, self.sample_angles, *references)

    @cached_property
    def _identity_images(self) -> torch.Tensor:
        """[identities, 1, 28, 28]: the digits of the finite sample."""
        assert isinstance(self.identities, int)
        return self._first_digits(self.identities)

    def _first_digits(self, count: int) -> torch.Tensor:
        digits = load_digits(self.split, self.source, self.root)
        return pixels(digits.images[choose_identities(digits, count, self.split)])

    @cached_property
    def _train_images(self) -> torch.Tensor:
        """The training digits that every source shares, [10000, 1, 28, 28]."""
        return shared_pixels("train", self.source, self.root)

    @cached_property
    def _test_images(self) -> torch.Tensor:
        """The test digits that every source shares, [3000, 1, 28, 28]."""
        return shared_pixels("test", self.source, self.root)

    @property
    def _pair_images(self) -> torch.Tensor:
        return self._test_images if self.identities == "all" else self._identity_images

    def pairs(self, seed: int) -> Pairs:
        """`pairs_per_angle` pairs for each angle; identity i of the data is in pairs i, i +
        identities, ... of each angle.
        """
        source = generator(seed, "pairs")
        count = len(self.angles) * self.pairs_per_angle
        between = torch.tensor(self.angles, dtype=torch.float64)
        between = between.repeat_interleave(self.pairs_per_angle)
        if isinstance(self.identities, int):
            identity = torch.arange(self.pairs_per_angle).remainder(self.identities)
            index = identity.repeat(len(self.angles))
            steps = torch.randint(self.sample_angles, (count,), generator=source)
            start = off_grid(between, steps, self.sample_angles)
        else:
            index = torch.randperm(EMBEDDED_COUNT["test"], generator=source)[:count]
            start = 360 * torch.rand(count, generator=source, dtype=torch.float64)
        truth = torch.stack([index.double(), start, between], -1)
        images = self._pair_images[index]
        groups = tuple(
            f"{angle:g} deg" for angle in self.angles for _ in range(self.pairs_per_angle)
        )
        names = tuple(
            f"{angle:g}deg_{i:03d}" for angle in self.angles for i in range(self.pairs_per_angle)
        )
        second = rotate(images, start + between)
        return repeats_named(Pairs(rotate(images, start), second, names, groups, truth))

    def sample(self, count: int, seed: int) -> torch.Tensor:
        """Points of the data, [min(count, sample_size), 1, 28, 28].

        Finite data: all of it, the rotations of one identity next to each other, where `count`
        allows; else an even subset of that order whose offset follows from the seed. "all": random
        training digits at random angles.
        """
        source = generator(seed, "sample")
        if self.sample_size is None:
            return random_rotations(self._train_images, count, source)
        offset = torch.rand(1, generator=source, dtype=torch.float64)
        index = torch.arange(self.sample_size)
        if count < self.sample_size:
            spread = (torch.arange(count) + offset) * (self.sample_size / count)
            index = spread.long().clamp_max(self.sample_size - 1)
        degrees = (index % self.sample_angles).double() * (360 / self.sample_angles)
        return rotations(self._identity_images, index // self.sample_angles, degrees)

    def reference_points(self, count: int, seed: int) -> torch.Tensor:
        """With `reference_step` all rotations by it, [references, 1, 28, 28], the rotations of one
        digit next to each other: their first angle is one of the sample's and follows from the
        seed, so that no pair's end is among them. Raises ConfigError where `count` is fewer.
        """
        if self.reference_step is None:
            return self.sample(count, seed)
        images = self._identity_images
        if self.reference_digits == "other":
            images = self._first_digits(2 * len(images))[len(images) :]
        degrees = reference_angles(self.reference_step, self.sample_angles, seed)
        if (needed := len(images) * len(degrees)) > count:
            raise bad_value("num_references", count, f"{needed} or more, for reference_step")
        index = torch.arange(len(images)).repeat_interleave(len(degrees))
        return rotations(images, index, degrees.repeat(len(images)))

    def held_out(self, count: int, seed: int) -> torch.Tensor:
        """`count` images of the same distribution that are not in `sample`, [count, 1, 28, 28];
        references for FID and KID.

        Finite data: random identities, half a step off the sample's angles. "all": random test
        digits at random angles."""
        source = generator(seed, "held out")
        if self.sample_size is None:
            return random_rotations(self._test_images, count, source)
        index = torch.randint(len(self._identity_images), (count,), generator=source)
        steps = torch.randint(self.sample_angles, (count,), generator=source).double() + 0.5
        return rotations(self._identity_images, index, steps * (360 / self.sample_angles))

    def true_path(self, pairs: Pairs, num_points: int) -> torch.Tensor:
        """The digit at equal steps of the angle.

        Its speed in pixels is only about constant: resample before comparing by arc length.
        """
        fractions = torch.linspace(0, 1, num_points, dtype=torch.float64)
        return self._turned(pairs, fractions.expand(len(pairs), -1))

    def other_true_path(self, pairs: Pairs, num_points: int) -> torch.Tensor | None:
        """The rotation in the other direction, equally long for ends half a turn apart."""
        half = self._truth(pairs)[2] == 180
        if not bool(half.any()):
            return None
        fractions = torch.linspace(0, 1, num_points, dtype=torch.float64)
        return self._turned(pairs, torch.where(half, -1.0, 1.0)[:, None] * fractions)

    def true_continuation(
        self, pairs: Pairs, reach: float | torch.Tensor, num_points: int
    ) -> torch.Tensor:
        """The digit turned on by `reach` times the angle between the ends, at equal steps of the
        angle.

        Measured by the angle, not by the length: the length in pixels of the same angle changes a
        little along the path."""
        fractions = torch.linspace(0, 1, num_points, dtype=torch.float64)
        return self._turned(pairs, 1 + reach_of(reach, pairs)[:, None] * fractions)

    def true_length(self, pairs: Pairs) -> torch.Tensor:
        """Summed distances of rotations at most 0.25 degrees apart; the length of the rotation, not
        of a shortest path.
        """
        lengths = []
        for index, start, between in zip(*self._truth(pairs), strict=True):
            steps = math.ceil(float(between) / _LENGTH_STEP)
            degrees = start + between * torch.linspace(0, 1, steps + 1, dtype=torch.float64)
            images = rotations(self._pair_images, index.expand(steps + 1), degrees)
            lengths.append(images.double().diff(dim=0).flatten(1).norm(dim=1).sum())
        return torch.stack(lengths)

    def _turned(self, pairs: Pairs, fractions: torch.Tensor) -> torch.Tensor:
        """The digits at `fractions` [pairs, points] of the angle between the ends: [pairs, points,
        1, 28, 28].
        """
        index, start, between = self._truth(pairs)
        degrees = start[:, None] + fractions * between[:, None]
        path = rotations(
            self._pair_images, index.repeat_interleave(fractions.shape[1]), degrees.flatten()
        )
        return path.view(*fractions.shape, *self.shape)

    def _truth(self, pairs: Pairs) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        if pairs.truth is None:
            raise DataError(
                "these pairs have no angles: the true path is known only for pairs made by this"
                " dataset."
            )
        return pairs.truth[:, 0].long(), pairs.truth[:, 1], pairs.truth[:, 2]
