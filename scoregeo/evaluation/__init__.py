"""Measures of paths and of frames, what declares them, and the statistics over pairs."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
