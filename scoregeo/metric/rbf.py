"""The RBF metric: a sum of Gaussian bumps about the data's clusters, fitted to be 1 on the data."""

import numpy as np
import torch

from scoregeo._utils.errors import DataError, bad_value, check_number
from scoregeo.metric.diagonal import AbstractDiagonalMetric, nearest_distance, square_distances


class RbfMetric(AbstractDiagonalMetric):
    """`g = I / (h + rho)`, `h(x) = sum_k omega_k exp(-l_k |x - c_k|^2 / 2)`, fitted to 1 on the
    data (Arvanitidis, Hauberg and Schoelkopf 2021, "Geometrically enriched latent spaces", AISTATS;
    Kapusniak et al. 2024, "Metric flow matching", NeurIPS, arXiv 2405.14780).

    c_k are the centres of `clusters` clusters (k-means), `l_k = 1 / (2 (kappa s_k)^2)` with s_k the
    root mean square distance of a cluster's points to its centre, and the weights omega the same in
    every coordinate, as released. There they are trained by Adam on `mean (1 - h(x_i))^2`; here
    they are that problem's minimum over omega at least 0 (non-negative least squares). A cluster of
    one point has the median width of the others. `rho` is the released epsilon.
    """

    name = "rbf"
    parameters = ("clusters", "kappa", "rho")

    def __init__(
        self,
        points: torch.Tensor,
        clusters: int = 100,
        kappa: float = 1.0,
        rho: float = 1e-2,
        seed: int = 0,
    ) -> None:
        """`points` [count, *shape]; at most as many `clusters` as points; `seed` of k-means."""
        check_number("metric.clusters", clusters, at_least=1, integer=True)
        check_number("metric.kappa", kappa, above=0.0)
        check_number("metric.seed", seed, at_least=0, integer=True)
        super().__init__(points, rho)
        self.clusters, self.kappa = min(clusters, len(self.points)), float(kappa)
        self.centres, widths = _clusters(self.points, self.clusters, seed)
        self.rates = 1 / (2 * (self.kappa * widths) ** 2)
        bumps = self._bumps(self.points)
        if not bool(self.rates.isfinite().all() and bumps.isfinite().all()):
            raise bad_value("metric.kappa", kappa, "greater: the clusters' bumps have no width")
        self.weights = _fitted(bumps)

    def density(self, x: torch.Tensor) -> torch.Tensor:
        """h, [batch, 1]: the same in every coordinate."""
        return self._bumps(x) @ self.weights[:, None]

    def _bumps(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, clusters]."""
        return (-self.rates / 2 * square_distances(x, self.centres)).exp()


def _clusters(points: torch.Tensor, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Centres [count, D] and widths [count] above 0; fewer where clusters are empty."""
    from scipy.cluster.vq import kmeans2

    values = points.cpu().numpy()
    rng = np.random.default_rng(seed)
    # By indices: k-means++ of copies gives fewer centres than asked for
    start = values[np.sort(rng.choice(len(values), count, replace=False))]
    centres, labels = kmeans2(values, start, minit="matrix", iter=30, missing="warn")
    kept = np.unique(labels)
    spread = ((values - centres[labels]) ** 2).sum(1)
    widths = np.array([spread[labels == label].mean() ** 0.5 for label in kept])
    if not (widths > 0).any():
        widths = np.full(len(kept), nearest_distance(points))
    widths[widths == 0] = np.median(widths[widths > 0])
    return torch.as_tensor(centres[kept]).to(points), torch.as_tensor(widths).to(points)


def _fitted(bumps: torch.Tensor) -> torch.Tensor:
    """Weights [clusters] at least 0 for which `bumps` [count, clusters] sum to 1 most nearly."""
    from scipy.optimize import nnls

    try:
        found, _ = nnls(bumps.cpu().numpy(), np.ones(len(bumps)))
    except RuntimeError as error:
        raise DataError(f"rbf: the weights of the clusters cannot be fitted: {error}") from error
    return torch.as_tensor(found).to(bumps)
