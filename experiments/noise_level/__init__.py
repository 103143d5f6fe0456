"""How good the noise levels are that a rule chooses."""

from experiments.noise_level.levels import run
from experiments.noise_level.page import write

__all__ = ["run", "write"]
