"""The ellipsoid in R^3: curvature that varies and keeps its sign."""

from collections.abc import Sequence

from scoregeo._utils.errors import bad_value, check_length
from scoregeo.dataset.level_set import LevelSet
from scoregeo.dataset.surface import AbstractSurface


class Ellipsoid(AbstractSurface):
    """`(x / a)^2 + (y / b)^2 + (z / c)^2 = 1`, uniform in area; points [3], float64.

    Gaussian curvature `1 / (a b c h)^2`, `h = (x / a^2)^2 + (y / b^2)^2 + (z / c^2)^2`.
    """

    def __init__(
        self,
        axes: Sequence[float] = (1.5, 1.0, 0.6),
        num_pairs: int = 8,
        min_angle: float = 0.5,
        max_angle: float = 1.5,
        curvature_groups: int = 1,
    ) -> None:
        """Settings of the group `dataset`.

        Args:
            axes: half-axes a, b, c, data units; the longest at most ten times the shortest.
            num_pairs: pairs drawn from the seed.
            min_angle, max_angle: between the ends' directions from the centre, radians, within (0,
                pi].
            curvature_groups: tables average apart over so many groups of pairs, equal in size, by
                the greatest absolute Gaussian curvature along the true geodesic; from 1 to
                num_pairs.

        Raises: ConfigError for anything else.
        """
        self._axes = three_axes(axes)
        self._settings(num_pairs, min_angle, max_angle, curvature_groups)

    @property
    def surface(self) -> LevelSet:
        return LevelSet(self._axes)


def three_axes(axes: Sequence[float]) -> tuple[float, float, float]:
    """Three half-axes above 0, the longest at most ten times the shortest; ConfigError for anything
    else.
    """
    if isinstance(axes, str) or not isinstance(axes, Sequence) or len(axes) != 3:
        raise bad_value("dataset.axes", axes, "three numbers above 0")
    for value in axes:
        check_length("dataset.axes", value)
    if max(axes) > 10 * min(axes):
        raise bad_value(
            "dataset.axes",
            axes,
            "three numbers above 0, the longest at most ten times the shortest",
        )
    first, second, third = (float(value) for value in axes)
    return first, second, third
