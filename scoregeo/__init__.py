"""Riemannian geometry of a diffusion model's score: metrics, geodesics, and the experiments that
test them.
"""

__version__ = "0.1.0"
