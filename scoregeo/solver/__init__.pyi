from .adam import Adam as Adam
from .base import AbstractSolver as AbstractSolver
from .base import Solution as Solution
from .base import Step as Step
from .gauss_newton import GaussNewton as GaussNewton
from .georce import Georce as Georce
from .lbfgs import LBFGS as LBFGS
