"""How often each start leads to the best known geodesic."""

from experiments.starts.cells import run
from experiments.starts.page import write

__all__ = ["run", "write"]
