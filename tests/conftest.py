"""What every test starts from."""

import os

# One thread a test process, before torch is imported: make test runs a process a core.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests of two threads wait asleep for each other, not in a loop: another process has the core.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Ray's workers give way to every other process unless told: beside the tests they hardly ran.
os.environ.setdefault("RAY_worker_niceness", "0")

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

# geomstats chooses its backend once a process, at its first import; with the other one it makes
# float64 torch's default type.
os.environ["GEOMSTATS_BACKEND"] = "numpy"

# Files that take more than twenty seconds, the longest first.
LONGEST = (
    "run/test_kill_sharded.py",
    "run/test_launchers.py",
    "run/test_runner.py",
    "run/test_shards.py",
    "solver/test_status.py",
    "docs/test_site.py",
    "run/test_cli.py",
    "report/test_results.py",
    "score/test_families.py",
    "run/problem/test_latent.py",
    "run/test_picture_runs.py",
    "run/test_kill_and_resume.py",
    "score/test_mlp.py",
    "docs/test_tutorials.py",
    "solver/test_mixtures.py",
    "run/test_determinism.py",
    "test_reproduce.py",
)


@pytest.fixture(autouse=True)
def default_dtype() -> Iterator[None]:
    """Whatever a test, or a library it imports, makes torch's default type, the next one starts
    from float32.
    """
    yield
    import torch  # not by the process that only hands out the tests

    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all test processes of a session see."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session", autouse=True)
def options_composed_once(shared: Path) -> Iterator[None]:
    """Tests compose hundreds of configurations, most of the same options."""
    from tests.composing import Composer, kept_parts

    folder = shared / "composed"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch, kept_parts():
        patch.setattr("hydra.compose", Composer(folder))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Files need not outlive a loss of power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


def pytest_collection_finish() -> None:
    """What is imported lives as long as the process: the collector need not look at it, nor come
    after every 700 objects, which took 7 % of the tests' time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, then those with slow tests: the short ones even out what is left for each
    process.
    """
    place = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST)}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (place.get(item.path, len(place)), item.path not in slow))
