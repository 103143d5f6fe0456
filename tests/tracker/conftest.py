"""A run that the library itself tracked offline; made once a session for the tests that read it."""

from pathlib import Path

import pytest
from filelock import FileLock

from tests.commands import DIGITS, GRAPH, run_here
from tests.figures import quick_figures


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on a machine that knows no server of Weights & Biases."""
    forget_key(monkeypatch, tmp_path)


@pytest.fixture(scope="session")
def tracked(shared: Path) -> Path:
    """The folder of a small run on digits with the project's two solvers for the Stein metric,
    strips and animations.
    """
    pytest.importorskip("wandb")
    output = shared / "tracked"
    output.mkdir(exist_ok=True)
    small = (
        *DIGITS,
        *GRAPH,
        "+solver@rivals.lbfgs=lbfgs",
        "rivals.lbfgs.num_points=6",
        "rivals.lbfgs.max_iterations=4",
    )
    lock = FileLock(shared / "tracked.lock")
    with pytest.MonkeyPatch.context() as patch, lock, quick_figures():
        forget_key(patch, output)
        folder, reason = run_here(
            ["experiment=rotated_mnist_empirical", *small, "tracker=[jsonl,wandb]"], output
        )
    assert reason is None
    return folder


def forget_key(patch: pytest.MonkeyPatch, folder: Path) -> None:
    for name in (
        "WANDB_API_KEY",
        "WANDB_IDENTITY_TOKEN_FILE",
        "WANDB_BASE_URL",
        "WANDB_MODE",
        "WANDB_DATA_DIR",
    ):
        patch.delenv(name, raising=False)
    patch.setenv("NETRC", str(folder / "netrc"))
    patch.setenv("WANDB_CONFIG_DIR", str(folder))  # of the library's settings file
