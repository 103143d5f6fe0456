"""The torus with pairs at several angles, in the groups that a dataset of pictures has."""

import math
from collections.abc import Sequence

import torch

from scoregeo._utils.errors import bad_value, check_number
from scoregeo.dataset.base import Pairs
from scoregeo.dataset.torus import Torus

_TURN = (0.95, 1.0)  # shares of the angle named, between which the greater angle of a pair lies


class TorusAtAngles(Torus):
    """A `Torus` whose pairs come in groups, one for each angle.

    The ends of a pair differ in th or ph by 0.95 to 1 times the angle of its group, and in the
    other by no more.
    """

    def __init__(
        self,
        angles: Sequence[float],
        pairs_per_angle: int = 4,
        major: float = 1.0,
        minor: float = 0.4,
    ) -> None:
        """Settings of `dataset`.

        Args:
            angles: degrees, each in (0, 180], at least one.
            pairs_per_angle: pairs for each of `angles`.
            major, minor: as of `Torus`.

        Raises: ConfigError for anything else.
        """
        if not isinstance(angles, (list, tuple)) or not angles or len(set(angles)) < len(angles):
            allowed = "a list of one or more degrees without repetitions"
            raise bad_value("dataset.angles", angles, allowed)
        for i, angle in enumerate(angles):
            check_number(f"dataset.angles[{i}]", angle, above=0, at_most=180)
        check_number("dataset.pairs_per_angle", pairs_per_angle, at_least=1, integer=True)
        super().__init__(major, minor, len(angles) * pairs_per_angle)
        self.degrees = tuple(float(angle) for angle in angles)
        self.pairs_per_angle = pairs_per_angle

    def pairs(self, seed: int) -> Pairs:
        """`pairs_per_angle` pairs of each angle, drawn as those of a `Torus` of that angle."""
        low, high = _TURN
        found = []
        for angle in self.degrees:
            size = math.radians(angle)
            shape = (self.major, self.minor, self.pairs_per_angle)
            found.append(Torus(*shape, low * size, high * size).pairs(seed))
        every = [(angle, i) for angle in self.degrees for i in range(self.pairs_per_angle)]
        return Pairs(
            torch.cat([one.first for one in found]),
            torch.cat([one.second for one in found]),
            tuple(f"{angle:g}deg_{i:03d}" for angle, i in every),
            tuple(f"{angle:g} deg" for angle, _ in every),
            torch.cat([one.truth for one in found if one.truth is not None]),
        )
