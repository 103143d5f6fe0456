"""Velocities at the ends of a discrete geodesic, from the momentum that its energy holds there.

A discrete energy is a sum over segments of discrete Lagrangians, `E = sum_i L(x_i, x_{i+1})` with
`L ~ integral over 1/n of |x'|^2 / 2`, time running from 0 to 1 along the whole path. Its momenta at
the ends are therefore (Marsden & West 2001, "Discrete mechanics and variational integrators",
section 1.3)

    p_0 = -dE/dx_0,    p_n = dE/dx_n,    v = g^-1 p,

velocities over unit time without further scaling: a straight line of the flat metric has
`p_0 = n (x_1 - x_0)`, the whole way. They are of second order in 1/n where the one-sided difference
`n (x_1 - x_0)` is of first, and, the path being a minimum of E, `-p_0` is the derivative of the
minimal energy by the first end.

`AbstractMetric.gradient` gives derivatives in inner points. An end becomes one when it is doubled:
a segment of no length has no energy and, the energy being quadratic in velocity, no derivative.
With E of two segments in place of n, as for the path `x_0, x_0, x_1`, the derivative is 2 / n times
the one wanted.
"""

import torch

from scoregeo.metric.base import AbstractClosedFormMetric
from scoregeo.metric.cost import BACKWARD
from scoregeo.path.quadrature import Quadrature


def initial_velocity(
    metric: AbstractClosedFormMetric, path: torch.Tensor, rule: Quadrature
) -> torch.Tensor:
    """`g(x_0)^-1 p_0` of paths [pairs, points, *shape] on the quadrature `rule`, [pairs, *shape];
    `velocity_cost` a path.
    """
    n = path.shape[1] - 1
    doubled = torch.stack([path[:, 0], path[:, 0], path[:, 1]], 1)
    momentum = (metric.gradient(doubled, rule)[:, 0] * (-n / 2)).to(path)
    return metric.initial_velocity(path[:, 0], momentum)


def final_velocity(
    metric: AbstractClosedFormMetric, path: torch.Tensor, rule: Quadrature
) -> torch.Tensor:
    """`g(x_n)^-1 p_n`, [pairs, *shape]: minus the initial velocity of the path walked backwards;
    `velocity_cost` a path.
    """
    return -initial_velocity(metric, path.flip(1), rule)


def velocity_cost(metric: AbstractClosedFormMetric, rule: Quadrature) -> int:
    """Score evaluations of one end's velocity: the energy of two segments, a backward pass at
    midpoints, and one inverse.
    """
    passes = 1 if rule.shares_ends else 1 + BACKWARD
    return metric.evaluations(3, rule) * passes + metric.cost.initial_velocity
