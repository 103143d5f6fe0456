"""The same metrics in geomstats: it is given a metric's matrix and works the rest out by its own
formulas.
"""

from typing import Any

import numpy as np
import torch

from scoregeo.metric.base import AbstractMetric

STEP = 1e-3  # of the finite differences: of order 4, so that two of them nested leave about 1e-9


def differentiate(function: Any) -> Any:
    """A function's Jacobian with the derivative's index last, as geomstats wants it, by differences
    of order 4.
    """

    def jacobian(point: Any) -> np.ndarray:
        columns = []
        for direction in np.eye(len(point)) * STEP:
            values = [
                np.asarray(function(np.asarray(point) + k * direction)) for k in (-2, -1, 1, 2)
            ]
            columns.append((values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * STEP))
        return np.stack(columns, -1)

    return jacobian


def geomstats_metric(metric: AbstractMetric, dimension: int, monkeypatch: Any) -> Any:
    """A geomstats RiemannianMetric with this metric's matrix; its Christoffel symbols and curvature
    are geomstats' own.
    """
    if not hasattr(np, "trapz"):  # geomstats 2.8 still imports what numpy 2.4 has removed
        monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)
    import geomstats.backend as gs
    from geomstats.geometry.euclidean import Euclidean
    from geomstats.geometry.riemannian_metric import RiemannianMetric

    class Outside(RiemannianMetric):  # type: ignore[misc]
        def metric_matrix(self, base_point: Any = None) -> Any:
            point = torch.as_tensor(np.asarray(base_point), dtype=torch.float64)[None]
            return gs.array(metric.matrix(point)[0].numpy())

    # The numpy backend cannot differentiate.
    monkeypatch.setattr(
        gs.autodiff,
        "jacobian_vec",
        lambda function: lambda point: gs.array(differentiate(function)(point)),
    )
    return Outside(Euclidean(dimension, equip=False))
