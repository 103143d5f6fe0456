"""Which code and libraries made a result."""

import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from scoregeo import __version__

_LIBRARIES = (
    *("torch", "diffusers", "hydra-core", "numpy", "safetensors", "scipy", "torchmetrics"),
    *("torch-fidelity", "lpips"),
)


def versions() -> dict[str, str]:
    """Of the package, of Python, and of the libraries that numbers depend on."""
    found = {"scoregeo": __version__, "python": platform.python_version()}
    return found | {name: _version(name) for name in _LIBRARIES}


@cache
def _version(library: str) -> str:
    return metadata.version(library)


@cache
def git_revision() -> str | None:
    """The commit of the code, "-dirty" where it was changed since, or None outside a clone. Asked
    once a process, for later changes are not in what it has loaded.
    """
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    run = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(run, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
