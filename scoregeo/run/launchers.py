"""Checks of Hydra's launchers before a multirun begins."""

import shutil
import socket
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

# By a part of the launcher's name, the extra that installs it.
_EXTRAS = {"joblib": "local", "ray": "ray", "submitit": "slurm"}
_PATIENCE = 5.0  # seconds for a cluster's head to answer


def check_launcher(config: "DictConfig") -> None:
    """End the command where its launcher cannot work: a package or a program that is not installed,
    a Ray cluster that does not answer, a number of processes that is none.
    """
    target = config.hydra.launcher._target_
    extra = next((name for part, name in _EXTRAS.items() if part in target), None)
    if extra is None:
        return
    try:
        import_module(target.rpartition(".")[0])
    except ImportError:
        sys.exit(f"scoregeo: error: {not_installed(extra)}")
    if extra == "local" and config.hydra.launcher.n_jobs == 0:
        sys.exit(
            "scoregeo: error: hydra.launcher.n_jobs = 0 is not allowed: hydra.launcher.n_jobs must"
            " be a number of processes at least 1, or -1 for as many as there are cores."
        )
    if target.endswith(".SlurmLauncher") and shutil.which("srun") is None:
        sys.exit(
            "scoregeo: error: hydra/launcher = 'slurm' is not allowed: this machine has no srun,"
            " SLURM's program. On a cluster give the command on a login node; elsewhere"
            " hydra/launcher must be 'local' (processes of this machine), 'ray' or 'basic' (one job"
            " after another)."
        )
    _check_address(config)


def not_installed(extra: str) -> str:
    """What is said of a launcher whose package is missing."""
    return (
        f"hydra/launcher = {extra!r} needs a package that is not installed: pip install"
        f" 'scoregeo[{extra}]'."
    )


def _check_address(config: "DictConfig") -> None:
    """End the command where a Ray cluster is asked for that does not answer: Ray itself would try
    for a quarter of an hour.
    """
    from omegaconf import OmegaConf

    key = "hydra.launcher.ray.init.address"
    address = OmegaConf.select(config, key)
    if address is not None and not isinstance(address, str):
        sys.exit(
            f"scoregeo: error: {key} = {address!r} is not allowed: it must be host:port of a Ray"
            " cluster's head, or null for this machine."
        )
    if not address or ":" not in address or "//" in address:
        return  # none, or one that Ray resolves by itself
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, ValueError) as error:
        sys.exit(
            f"scoregeo: error: {key} = {address!r} does not answer ({error}): it must be host:port"
            " of a Ray cluster's head, or null for this machine."
        )
