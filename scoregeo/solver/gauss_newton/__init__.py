"""Damped Gauss-Newton on energies that are sums of squares.

`solver` has the configuration; `stages` the grids and quadratures it goes through; `iteration` the
state on one of them. What an iteration is made of is apart: `descent` proposes a step (by the
`normal_equations`), `search` judges it and sets the damping, `continuation` raises lam,
`termination` says when a pair stops and why, `evaluation` computes residuals and their derivatives.
"""

from scoregeo.solver.gauss_newton.solver import AUTO as AUTO
from scoregeo.solver.gauss_newton.solver import GaussNewton as GaussNewton
