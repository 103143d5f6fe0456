"""What every test starts from."""

import os
from collections.abc import Iterator

import pytest
import torch

# geomstats chooses its backend once a process, at its first import; with the other one it makes
# float64 torch's default type.
os.environ["GEOMSTATS_BACKEND"] = "numpy"


@pytest.fixture(autouse=True)
def default_dtype() -> Iterator[None]:
    """Whatever a test, or a library it imports, makes torch's default type, the next one starts
    from float32.
    """
    yield
    torch.set_default_dtype(torch.float32)
