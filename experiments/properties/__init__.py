"""Curvature, intrinsic dimension and descent on the manifold, from the score."""

from experiments.properties.page import properties_page, run
from experiments.properties.rows import FULL, LEARNED, QUICK, SMOKE

__all__ = ["FULL", "LEARNED", "QUICK", "SMOKE", "properties_page", "run"]
