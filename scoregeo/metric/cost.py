"""What a metric's operations cost in score evaluations."""

from dataclasses import dataclass

BACKWARD = 2  # evaluations that a backward pass through the score, or a JVP beside it, counts as


@dataclass(frozen=True)
class Cost:
    """Score evaluations of each operation at one point; a JVP or VJP counts as two, beside the
    score itself.

    The defaults are those of a metric made of the score at the point, such as `stein`. What a
    metric does not offer is never asked for.

    Attributes:
        inner: `<u, u>_x`.
        product: `g v`, `g^-1 v`, and `<u, v>_x` with u other than v.
        initial_velocity: `AbstractClosedFormMetric.initial_velocity`.
        christoffel: `Gamma(v, v)`.
        christoffel_pair: `Gamma(u, v)` with u other than v.
        curvature: the sectional curvature of one plane.
        unit: `AbstractMetric.unit`.
        transport: `Gamma(v, w)` beside `Gamma(v, v)` (`AbstractClosedFormMetric.accelerations`).
    """

    inner: int = 1
    product: int = 1
    initial_velocity: int = 1
    christoffel: int = 1 + BACKWARD
    christoffel_pair: int = 2 * (1 + BACKWARD)
    curvature: int = 2 * (1 + BACKWARD)
    unit: int = 0
    transport: int = 2 * (1 + BACKWARD)


FREE = Cost(0, 0, 0, 0, 0, 0, 0, 0)
