from .base import AbstractClosedFormMetric as AbstractClosedFormMetric
from .base import AbstractMetric as AbstractMetric
from .base import PathMeasure as PathMeasure
from .conformal import ConformalMetric as ConformalMetric
from .euclidean import EuclideanMetric as EuclideanMetric
from .pullback import PullbackMetric as PullbackMetric
from .stein import SteinMetric as SteinMetric
