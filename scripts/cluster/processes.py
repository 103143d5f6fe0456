"""The processes of a cluster, found by the folder that they work in; ports and programs."""

import contextlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

MARK = "SCOREGEO_CLUSTER"  # a variable of the processes' environment, and a file of the folder
SECONDS = 60.0  # for every wait
SBIN = "/usr/sbin:/sbin"  # where the daemons lie, which the PATH of a user may lack


class ClusterError(Exception):
    """The cluster cannot be started or stopped; the message says why."""


def find_program(name: str) -> str:
    """The path of a program; empty where there is none."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SBIN}") or ""


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def answers(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: Callable[[], bool], otherwise: str) -> None:
    """Until the condition holds."""
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            raise ClusterError(f"{otherwise} in {SECONDS:.0f} seconds")
        time.sleep(0.2)


def processes_of(folder: Path) -> list[int]:
    """Every process that carries the folder's mark or works inside it, and all their descendants.

    Some daemons overwrite their environment with a title, hence more ways than one; a SLURM job's
    script whose daemon is gone has nothing but its path. This process and its ancestors are left
    out.
    """
    mark = f"{MARK}={folder}".encode()
    script = f"{folder}/spool/".encode()
    parents: dict[int, int] = {}
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            state, parent = stat.rpartition(")")[2].split()[:2]
            if state == "Z":
                continue
            parents[int(entry.name)] = int(parent)
            marked = mark in (entry / "environ").read_bytes().split(b"\0")
            inside = (entry / "cwd").readlink().is_relative_to(folder)
            if marked or inside or script in (entry / "cmdline").read_bytes():
                found.add(int(entry.name))
        except OSError:  # it has ended, or belongs to another user
            continue
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    one: int | None = os.getpid()
    while one:
        found.discard(one)
        one = parents.get(one)
    return sorted(found)


def command_line(pid: int) -> str:
    try:
        line = (Path("/proc") / str(pid) / "cmdline").read_bytes()
        return line.replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def end_all(folder: Path) -> None:
    """Kill a cluster's processes until none is left. None is asked first: nothing is to be kept."""

    def none_left() -> bool:
        left = processes_of(folder)
        for pid in left:
            kill(pid)
        return not left

    wait_for(none_left, f"processes of {folder} did not end")
