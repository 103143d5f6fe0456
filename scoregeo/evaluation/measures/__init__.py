"""The measures, a module a subject; importing this package declares all of them.

A module placed here is found by itself. Its columns come after those of the modules below. Modules
import torch within their functions only.
"""

import pkgutil
from importlib import import_module

# In the order of the tables.
_ORDER = (
    "truth",
    "sound",
    "spectrogram",
    "landmarks",
    "pictures",
    "shape",
    "sets",
    "departure",
    "metric",
    "solution",
    "cost",
)

for _name in dict.fromkeys((*_ORDER, *sorted(one.name for one in pkgutil.iter_modules(__path__)))):
    import_module(f"{__name__}.{_name}")
