"""The same metric in other libraries: scipy's boundary-value solver and geomstats."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scoregeo.metric.stein import SteinMetric

Array = NDArray[np.float64]
MAX_NODES = 20_000  # of a collocation mesh: the time ends a method before this does


def geodesic_equation(metric: SteinMetric) -> Callable[[float | Array, Array], Array]:
    """The right-hand side of `x'' = -Gamma(x', x')` for states (x, x') [2 D, nodes]; 3 score
    evaluations a node.
    """

    def flow(_: float | Array, state: Array) -> Array:
        columns = state[:, None] if state.ndim == 1 else state
        x, v = (torch.from_numpy(np.ascontiguousarray(half.T)) for half in np.split(columns, 2))
        with torch.no_grad():
            acceleration = -metric.christoffel(x, v, v)
        return np.concatenate([v.numpy().T, acceleration.numpy().T]).reshape(state.shape)

    return flow


def scipy_bvp(
    metric: SteinMetric,
    ends: torch.Tensor,
    tolerance: float,
    start: Array | None = None,
) -> tuple[Callable[[Array], Array] | None, str]:
    """scipy's `solve_bvp` on the geodesic equation: positions as a function of times, None where it
    gave up, and its message.

    From the straight line on 17 nodes, or from states `start` [2 D, nodes] at equal times.
    """
    from scipy.integrate import solve_bvp

    a, b = ends.numpy()
    if start is None:
        u = np.linspace(0, 1, 17)
        start = np.concatenate([a[:, None] + np.outer(b - a, u), np.tile((b - a)[:, None], 17)])
    times = np.linspace(0, 1, start.shape[1])

    def boundary(first: Array, last: Array) -> Array:
        return np.concatenate([first[: len(a)] - a, last[: len(a)] - b])

    found = solve_bvp(
        geodesic_equation(metric), boundary, times, start, tol=tolerance, max_nodes=MAX_NODES
    )
    if not found.success:
        return None, str(found.message)
    return lambda u: found.sol(u)[: len(a)].T, ""


def scipy_ivp(
    metric: SteinMetric, x: Array, v: Array, tolerance: float
) -> Callable[[Array], Array]:
    """scipy's `solve_ivp` (DOP853) on the geodesic equation from x with velocity v."""
    from scipy.integrate import solve_ivp

    state = np.concatenate([x, v])
    flow = geodesic_equation(metric)
    found = solve_ivp(
        flow,
        (0, 1),
        state,
        method="DOP853",
        rtol=tolerance,
        atol=tolerance * 1e-2,
        dense_output=True,
    )
    position = found.sol
    assert position is not None  # dense_output
    return lambda u: position(u)[: len(x)].T


@contextmanager
def default_dtype_kept() -> Iterator[None]:
    """Gives torch's default type back at the end: geomstats' torch backend makes float64
    everybody's.
    """
    kept = torch.get_default_dtype()
    try:
        yield
    finally:
        torch.set_default_dtype(kept)


def import_geomstats() -> Any:
    """geomstats on its torch backend, which can differentiate; None where it is not installed or
    has another backend already.
    """
    os.environ.setdefault("GEOMSTATS_BACKEND", "pytorch")
    if not hasattr(np, "trapz"):  # geomstats 2.8 still imports what numpy 2.4 has removed
        np.trapz = np.trapezoid  # type: ignore[attr-defined]
    try:
        import geomstats.backend as gs
    except ImportError:
        return None
    return gs if gs.__name__.endswith("pytorch") else None


def geomstats_space(metric: SteinMetric, dimension: int) -> Any:
    """R^`dimension` with this metric in geomstats: it is given the matrix, and the matrix's
    derivative in closed form.

    The derivative spares it an automatic one: a score evaluation and a JVP a coordinate, in place
    of a backward pass an entry."""
    import geomstats.backend as gs
    from geomstats.geometry.euclidean import Euclidean
    from geomstats.geometry.riemannian_metric import RiemannianMetric

    class Stein(RiemannianMetric):
        def metric_matrix(self, base_point: Any = None) -> Any:
            s = metric.field(base_point.reshape(-1, dimension))
            matrix = torch.eye(dimension, dtype=s.dtype) + metric.lam * s[:, :, None] * s[:, None]
            return matrix.reshape(*base_point.shape, dimension)

        def inner_product_derivative_matrix(self, base_point: Any = None) -> Any:
            x = base_point.reshape(-1, dimension)
            columns = [
                metric.field.jvp(x, e.expand_as(x).contiguous())
                for e in torch.eye(dimension, dtype=x.dtype)
            ]
            s, jacobian = (
                columns[0][0],
                torch.stack([column[1] for column in columns], 2),
            )  # J_ik = d s_i / d x_k
            outer = torch.einsum("bik,bj->bijk", jacobian, s)
            return (metric.lam * (outer + outer.transpose(1, 2))).reshape(
                *base_point.shape, dimension, dimension
            )

    gs.random.seed(0)
    space = Euclidean(dimension, equip=False)
    space.metric = Stein(space)
    return space
