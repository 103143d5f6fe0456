"""What every test starts from."""

import os

# One thread a test process, before torch is imported: make test runs a process a core.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import copy
from collections.abc import Iterator

import pytest
import torch
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.plugins.config_source import ConfigResult

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


@pytest.fixture(scope="module")
def configs_read_once() -> Iterator[None]:
    """For tests that compose hundreds of configurations: each file is parsed once."""
    load, kept = FileConfigSource.load_config, dict[tuple[str, str], ConfigResult]()

    def once(source: FileConfigSource, path: str) -> ConfigResult:
        key = (source.path, path)
        if key not in kept:
            kept[key] = load(source, path)
        return copy.deepcopy(kept[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileConfigSource, "load_config", once)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: the short ones then even out what is left for each process."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
