"""The LAND metric: the inverse of the data's local diagonal covariance."""

import torch

from scoregeo.metric.diagonal import (
    AbstractDiagonalMetric,
    check_width,
    nearest_distance,
    square_distances,
)


class LandMetric(AbstractDiagonalMetric):
    """`g_aa = 1 / (h_a + rho)`, `h_a(x) = sum_n w_n (x_n - x)_a^2`, `w_n = exp(-|x_n - x|^2 / (2
    gamma^2))` (Arvanitidis, Hansen and Hauberg 2016, "A locally adaptive normal distribution",
    NeurIPS; as a metric of flow matching, Kapusniak et al. 2024, "Metric flow matching for smooth
    interpolations on the data manifold", NeurIPS, arXiv 2405.14780).

    Near data h is large and a step cheap, in the directions in which the data vary; where no point
    is within a few gamma, g is `I / rho` everywhere, the metric is flat and geodesics are straight.
    In high dimension neighbours lie almost as far as all others, and the second is the rule; Metric
    Flow Matching therefore keeps LAND to low dimensions.

    Defaults: rho and gamma = 0.2 of the Metric Flow Matching code are for whitened data; gamma
    None, ours, is the median distance of a point to its nearest other.
    """

    name = "land"
    parameters = ("gamma", "rho")

    def __init__(self, points: torch.Tensor, gamma: float | None = None, rho: float = 1e-3) -> None:
        """`points` [count, *shape]; `gamma` in data units, above 0; `rho` in data units squared."""
        check_width("metric.gamma", gamma)
        super().__init__(points, rho)
        self.gamma = nearest_distance(self.points) if gamma is None else float(gamma)

    def density(self, x: torch.Tensor) -> torch.Tensor:
        """`sum_n w_n (y_n^2 - 2 y_n x + x^2)` about the points' mean, in which little cancels."""
        centre = self.points.mean(0)
        points, x = self.points - centre, x - centre
        weight = (-square_distances(x, points) / (2 * self.gamma**2)).exp()
        total = weight.sum(1, keepdim=True)
        return (weight @ points.square() - 2 * x * (weight @ points) + total * x**2).clamp_min(0)
