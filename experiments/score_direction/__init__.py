"""The angle between the score and the outward radial direction on a sphere (Appendix C)."""

from experiments.score_direction.page import run

__all__ = ["run"]
