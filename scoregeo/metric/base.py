"""The metric interface: everything derives from the inner product; a metric knows a score and no
solver.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch

from scoregeo._utils.errors import ConfigError, check_kind
from scoregeo.metric.cost import FREE, Cost
from scoregeo.metric.given import check_operations
from scoregeo.metric.inverse_sum import AbstractNodeInverse
from scoregeo.metric.least_squares import LeastSquares, ScoreChords
from scoregeo.metric.path_measure import PathMeasure as PathMeasure
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField

LARGEST_MATRIX = 512  # dimension up to which `matrix` may be asked for


class AbstractMetric(ABC):
    """A Riemannian metric on the ambient space. Paths are [pairs, points, *shape]; vectors and
    points [batch, *shape].

    A subclass gives the abstract methods. The rest of the package asks a metric for what it needs
    to know of it and never for its name or class; what a subclass does not declare has the default
    stated here. Whoever calls the operations of any subclass with vectors of another shape than
    their points, or with paths that are none, gets a DataError (`scoregeo.metric.given`).

    Attributes:
        name: what rows and tables call the metric.
        parameters: names of the attributes that tables show with it, such as ("lam",).
        is_flat: whether `g = I` everywhere, so that geodesics are straight lines.
        has_node_inverse: whether `linearise` is there, which `georce` needs.
        has_score_chords: whether `score_chords` is there, which `string_method` needs.
        measures_scores: whether `measure_scores` is there, so that paths can share evaluations.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
        >>> metric = scoregeo.SteinMetric(field, lam=100.0)
        >>> isinstance(metric, scoregeo.AbstractMetric), metric.parameters
        (True, ('lam',))
    """

    name: str
    parameters: ClassVar[tuple[str, ...]] = ()
    is_flat: ClassVar[bool] = False
    has_node_inverse: ClassVar[bool] = False
    has_score_chords: ClassVar[bool] = False
    measures_scores: ClassVar[bool] = False

    def __init_subclass__(cls, **arguments: object) -> None:
        super().__init_subclass__(**arguments)
        check_operations(cls)

    @property
    @abstractmethod
    def field(self) -> ScoreField | None:
        """The score field the metric is made of, or None for metrics that need none."""

    @abstractmethod
    def inner(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`<u, v>_x`, [batch]; differentiable in all three where the score is."""

    @abstractmethod
    def apply(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`g(x) v`, the momentum of velocity v, [batch, *shape]."""

    @abstractmethod
    def measure(self, path: torch.Tensor, quadrature: Quadrature) -> PathMeasure:
        """Energy, length and lower bound of each path; `evaluations` score evaluations a path."""

    def measure_scores(
        self, scores: torch.Tensor, path: torch.Tensor, quadrature: Quadrature
    ) -> PathMeasure:
        """`measure` of `path` [pairs, points, *shape] from known `scores` [pairs, n, nodes, D] at
        the nodes of each segment (`scoregeo.metric.graph.node_scores`); no evaluation.

        Raises ConfigError for a metric that needs more than these, the default (`measures_scores`).
        """
        raise ConfigError(f"metric = {self.name!r} is not measured by scores at nodes alone.")

    @abstractmethod
    def gradient(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
        """dE/dx_j of `measure(path, quadrature).energy` in the inner points, float64 [pairs, points
        - 2, *shape].
        """

    @property
    def cost(self) -> Cost:
        """Score evaluations of the operations at a point: by default those of a metric made of the
        score there (`Cost`), none where `field` is None.
        """
        return FREE if self.field is None else Cost()

    def evaluations(self, num_points: int, quadrature: Quadrature) -> int:
        """Score evaluations of `measure`, for one path of `num_points` points: by default one at
        each node of the quadrature, none where `field` is None.
        """
        return 0 if self.field is None else quadrature.evaluations(num_points)

    @property
    def least_squares(self) -> LeastSquares | None:
        """The energy as a sum of squares, which `gauss_newton` minimises; None, the default, where
        it is none. Solvers ask before the field is known, too.
        """
        return None

    @property
    def score_chords(self) -> ScoreChords:
        """The energy as one of the score's chords, which `string_method` minimises. Raises
        ConfigError for a metric whose energy is none, the default (`has_score_chords`).
        """
        raise ConfigError(f"metric = {self.name!r} is no energy of chords of the score.")

    def linearise(
        self, x: torch.Tensor, u: torch.Tensor
    ) -> tuple[torch.Tensor, AbstractNodeInverse]:
        """`d/dx [u . g(x) u]`, [pairs, n, D] float64, and g's inverse, at the nodes `x` [pairs, n,
        *shape]; `u` has their shape, D = prod(shape).

        Costs one `inner` and a backward pass through it a node. Raises ConfigError for a metric
        whose inverse is not matrix-free, the default (`has_node_inverse`).
        """
        raise ConfigError(
            f"metric = {self.name!r} has no matrix-free inverse: metric must be one that has, such"
            " as stein, conformal, euclidean."
        )

    @property
    def settings(self) -> dict[str, bool | int | float | str]:
        """What distinguishes this metric from others of its name and field, for the keys of caches:
        by default its attributes that are flags, numbers or words.
        """
        kinds = (bool, int, float, str)
        return {key: value for key, value in vars(self).items() if isinstance(value, kinds)}

    def unit(self, x: torch.Tensor) -> torch.Tensor:
        """Unit of length, at a point, of paths that start at `x` [batch, *shape]: [batch] float64.

        Times this the `length` of such a path is in units that compare between paths. 1 and without
        cost by default, for a metric that measures all paths alike.
        """
        return torch.ones(len(x), dtype=torch.float64, device=x.device)

    def scale(self, path: torch.Tensor) -> torch.Tensor:
        """A weight in the unit of g, [pairs] float64, of paths [pairs, points, *shape]: energy over
        scale is in data units squared. 1 and without cost by default, for a metric without unit.
        """
        return torch.ones(len(path), dtype=torch.float64, device=path.device)

    def norm(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`|v|_x = sqrt(<v, v>_x)`, [batch]."""
        return self.inner(x, v, v).clamp_min(0).sqrt()

    def energy(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
        """Discrete energy of each path, [pairs], of paths [pairs, points >= 2, *shape]."""
        return self.measure(path, quadrature).energy

    def length(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
        """Length of each path in the metric, [pairs], of paths [pairs, points >= 2, *shape]."""
        return self.measure(path, quadrature).length

    def matrix(self, x: torch.Tensor) -> torch.Tensor:
        """g(x) in full, [batch, D, D], for D up to 512: D products `g v` a point. Nothing else
        makes a D x D matrix.
        """
        batch, size = len(x), x.shape[1:].numel()
        if size > LARGEST_MATRIX:
            raise ConfigError(
                f"a metric's matrix at points of {size} numbers is not made: at most"
                f" {LARGEST_MATRIX} are allowed."
            )
        basis = (
            torch.eye(size, dtype=x.dtype, device=x.device)
            .repeat(batch, 1)
            .view(batch * size, *x.shape[1:])
        )
        columns = self.apply(x.repeat_interleave(size, 0), basis)
        return columns.reshape(batch, size, size).mT


class AbstractClosedFormMetric(AbstractMetric):
    """A metric whose inverse, volume, connection and curvature are closed forms in the score and
    its Jacobian-vector products.
    """

    @abstractmethod
    def inverse(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`g(x)^-1 v`, the velocity of momentum v, [batch, *shape]."""

    def initial_velocity(self, x: torch.Tensor, momentum: torch.Tensor) -> torch.Tensor:
        """The velocity of the `momentum` that the energy of a path from x has there, [batch,
        *shape]: `inverse`, by default. It differs where paths are measured in units of their first
        point (`unit`).
        """
        return self.inverse(x, momentum)

    @abstractmethod
    def log_volume(self, x: torch.Tensor) -> torch.Tensor:
        """`log sqrt(det g(x))`, the logarithm of the Riemannian volume density, [batch] float64."""

    @abstractmethod
    def christoffel(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """The Christoffel action `Gamma_x(u, v)`, symmetric in u and v, [batch, *shape].

        The geodesic equation is `x'' = -Gamma(x', x')`, parallel transport of V along x
        `V' = -Gamma(x', V)`.
        """

    def accelerations(
        self, x: torch.Tensor, v: torch.Tensor, carried: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """`-Gamma(v, v)`, and `-Gamma(v, carried)` where a vector is carried along, [batch,
        *shape]: the right sides of both equations. `cost.christoffel`, and `cost.transport` more.
        """
        along = None if carried is None else -self.christoffel(x, v, carried)
        return -self.christoffel(x, v, v), along

    @abstractmethod
    def sectional_curvature(
        self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        """K of the plane of u and v at x, [batch] float64, in 1 / data units^2 of the metric; NaN
        where they are parallel.
        """


check_operations(AbstractMetric)
check_operations(AbstractClosedFormMetric)


def check_metric(metric: object) -> None:
    """Raise ConfigError for what is no metric, as a score or its field."""
    check_kind("metric", metric, AbstractMetric, "a metric, as scoregeo.SteinMetric(field, lam)")
