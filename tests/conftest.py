"""What every test starts from."""

import os

# One thread a test process, before torch is imported: make test runs a process a core.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: the short ones then even out what is left for each process."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
