"""Scores `s(x, sigma) = grad_x log p_sigma(x)`: exact, empirical, learned."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
