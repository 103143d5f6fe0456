"""Where the metric adds anything to a graph through the data, by the density of its references."""

from experiments.sparse_references.page import write

__all__ = ["write"]
