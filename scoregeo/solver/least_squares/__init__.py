"""What `gauss_newton` is made of: energies that are sums of squares, minimised by damped
Gauss-Newton steps.

`stages` has the grids and quadratures that a solve goes through, `iteration` the state on one of
them. What an iteration is made of is apart: `descent` proposes a step (by the `normal_equations`),
`search` judges it and sets the damping, `continuation` raises lam, `termination` says when a pair
stops and why, `evaluation` computes residuals and their derivatives.
"""
