"""The Stein metric on R^D as a metric of geomstats, from its definition `I + lam s s^T` alone.

Christoffel symbols, geodesics, transport and curvature are then geomstats' own, by its tensor
formulas.
"""

import os
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from scipy.integrate import solve_ivp

from scoregeo.score.field import ScoreField
from tests.metric.outside import differentiate


class Reference:
    """geomstats' answers at single points, [D] tensors."""

    def __init__(self, field: ScoreField, lam: float) -> None:
        os.environ.setdefault("GEOMSTATS_BACKEND", "numpy")
        # geomstats 2.8 imports a name that numpy 2.4 has removed.
        with patch.object(
            np, "trapz", getattr(np, "trapezoid", None) or getattr(np, "trapz", None), create=True
        ):
            import geomstats.backend as gs
            from geomstats.geometry.euclidean import Euclidean
            from geomstats.geometry.riemannian_metric import RiemannianMetric

        def matrix(x: torch.Tensor) -> torch.Tensor:
            s = field(x[None])[0]
            return torch.eye(len(s), dtype=s.dtype) + lam * s[:, None] * s

        class Stein(RiemannianMetric):  # type: ignore[misc]
            def metric_matrix(self, base_point: Any = None) -> Any:
                return gs.array(matrix(_tensor(base_point)).numpy())

            def inner_product_derivative_matrix(self, base_point: Any = None) -> Any:
                return gs.array(
                    torch.autograd.functional.jacobian(matrix, _tensor(base_point)).numpy()
                )

        self.gs, self.metric = gs, Stein(Euclidean(field.shape[0], equip=False))

    def geodesic(
        self, x: torch.Tensor, v: torch.Tensor, vector: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`exp_x(v)` and `vector` transported along, by geomstats' geodesic equation and
        Christoffel symbols.
        """

        def change(_: float, state: np.ndarray) -> np.ndarray:
            position, velocity, carried = state.reshape(3, -1)
            symbols = np.asarray(self.metric.christoffels(self.gs.array(position)))
            along = -np.einsum("kij,i->kj", symbols, velocity)
            return np.concatenate([velocity, along @ velocity, along @ carried])

        start = torch.cat([x, v, vector]).numpy()
        end = (
            solve_ivp(change, (0, 1), start, method="DOP853", rtol=1e-7, atol=1e-9)
            .y[:, -1]
            .reshape(3, -1)
        )
        return torch.from_numpy(end[0].copy()), torch.from_numpy(end[2].copy())

    def sectional_curvature(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> float:
        with self._differentiable():
            return float(
                self.metric.sectional_curvature(*(self.gs.array(t.numpy()) for t in (u, v, x)))
            )

    def ricci(self, x: torch.Tensor, v: torch.Tensor) -> float:
        """`Ric(v, v) / <v, v>`."""
        with self._differentiable():
            tensor = np.asarray(self.metric.ricci_tensor(self.gs.array(x.numpy())))
        return float(
            v.numpy()
            @ tensor
            @ v.numpy()
            / self.metric.squared_norm(*(self.gs.array(t.numpy()) for t in (v, x)))
        )

    def _differentiable(self) -> Any:
        """geomstats' numpy backend cannot differentiate: finite differences of order 4 in its
        place.
        """
        return patch.object(
            self.gs.autodiff,
            "jacobian_vec",
            lambda function: lambda point: self.gs.array(differentiate(function)(point)),
        )


def _tensor(x: Any) -> torch.Tensor:
    return torch.as_tensor(np.asarray(x), dtype=torch.float64)
