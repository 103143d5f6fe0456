"""Curvature, intrinsic dimension and descent on the manifold, from the score."""

from experiments.properties.page import properties_page, run
from experiments.properties.rows import FULL, LEARNED, QUICK

__all__ = ["FULL", "LEARNED", "QUICK", "properties_page", "run"]
