"""A sphere with waves on it: curvature that changes size and sign over short distances."""

import numpy as np

from scoregeo._utils.errors import bad_value, check_length, check_number
from scoregeo.dataset.level_set import LevelSet
from scoregeo.dataset.surface import AbstractSurface


class WigglySphere(AbstractSurface):
    """`|x|^2 / r^2 + wiggle sum_i (cos(waves x_i) - 1) = 1`, uniform in area; points [3], float64.

    The Gaussian curvature of the default runs from -0.74 to 5.1.
    """

    def __init__(
        self,
        radius: float = 1.0,
        wiggle: float = 0.04,
        waves: float = 8.0,
        num_pairs: int = 8,
        min_angle: float = 0.5,
        max_angle: float = 1.5,
        curvature_groups: int = 1,
    ) -> None:
        """Settings of the group `dataset`.

        Args:
            radius: r, in data units. wiggle: height of the waves, within [0, 0.5]; waves: their
                wave number, radians per data unit, at least 0. The surface must stay star-shaped
                about the origin.
            num_pairs: pairs drawn from the seed.
            min_angle, max_angle: between the ends' directions from the centre, radians, within (0,
                pi].
            curvature_groups: tables average apart over so many groups of pairs, equal in size, by
                the greatest absolute Gaussian curvature along the true geodesic; from 1 to
                num_pairs.

        Raises: ConfigError for anything else.
        """
        check_length("dataset.radius", radius)
        check_number("dataset.wiggle", wiggle, at_least=0.0, at_most=0.5)
        check_number("dataset.waves", waves, at_least=0.0)
        self._surface = LevelSet((float(radius),) * 3, float(wiggle), float(waves))
        if not self._surface.is_star_shaped():
            raise bad_value(
                "dataset.wiggle",
                wiggle,
                f"less with dataset.waves = {waves:g} and dataset.radius = {radius:g}: the surface"
                " must stay star-shaped",
            )
        self._settings(num_pairs, min_angle, max_angle, curvature_groups)

    @property
    def surface(self) -> LevelSet:
        return self._surface

    def curvature_range(self) -> tuple[float, float]:
        """Least and greatest Gaussian curvature on a fine net of the surface."""
        found = self._surface.curvature(self._nodes(200)[0])
        return float(np.min(found)), float(np.max(found))
