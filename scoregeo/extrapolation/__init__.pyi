from .base import AbstractExtrapolation as AbstractExtrapolation
from .base import Continuation as Continuation
from .density import Density as Density
from .exponential import Exponential as Exponential
from .paper import Paper as Paper
from .straight import Straight as Straight
