"""Curvature, intrinsic dimension and descent on the manifold, from the score."""

from experiments.properties.page import FULL, LEARNED, QUICK, SMOKE, properties_page, run

__all__ = ["FULL", "LEARNED", "QUICK", "SMOKE", "properties_page", "run"]
