"""Curvature, intrinsic dimension and descent on the manifold, from the score."""

from experiments.properties.page import FULL, LEARNED, QUICK, run, write_properties

__all__ = ["FULL", "LEARNED", "QUICK", "run", "write_properties"]
