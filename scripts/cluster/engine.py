"""What both engines have in common: starting, stopping and asking a cluster in its folder."""

import os
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path

from .processes import MARK, ClusterError, command_line, end_all, processes_of, wait_for

ATTEMPTS = 3  # Ray gives a node 30 seconds to start, too few on a busy machine


class Cluster(ABC):
    """One engine on this machine, in one folder."""

    engine: str

    def __init__(self, folder: Path | None = None) -> None:
        # Short, for the paths of sockets have at most 107 characters.
        name = f"scoregeo-{self.engine}-{os.getuid()}"
        self.folder = folder or Path(tempfile.gettempdir()) / name

    @property
    @abstractmethod
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to send jobs to the cluster."""

    @abstractmethod
    def missing(self) -> str | None:
        """What to install before it can start; None where all is there."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether every node takes jobs."""

    @abstractmethod
    def begin(self) -> None:
        """Start the daemons in the empty folder."""

    def start(self) -> dict[str, str]:
        """Start the cluster unless it runs; gives `environment`.

        Raises ClusterError, with the last lines of the logs, where it does not come up.
        """
        missing = self.missing()
        if missing:
            raise ClusterError(missing)
        if self.ready():
            return self.environment
        for attempt in range(1, ATTEMPTS + 1):
            self.stop()
            self.folder.mkdir(parents=True)
            (self.folder / MARK).touch()
            try:
                self.begin()
                wait_for(self.ready, f"{self.engine} did not get ready")
                break
            except (ClusterError, OSError, subprocess.CalledProcessError) as error:
                end_all(self.folder)
                if attempt == ATTEMPTS:
                    raise ClusterError(f"{error}{self._logs()}") from error
        return self.environment

    def stop(self) -> None:
        """End every process of the cluster and remove its folder."""
        if self.folder.exists() and not self._is_own():
            raise ClusterError(f"{self.folder} is not a folder that this script made.")
        end_all(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *command: str) -> None:
        """Run a command that starts a daemon; what it says goes to a file of the folder."""
        with (self.folder / f"{Path(command[0]).name}.out").open("ab") as out:
            subprocess.run(
                command,
                cwd=self.folder,
                env=self._marked(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                check=True,
            )

    def spawn(self, *command: str) -> None:
        """Start a daemon that does not go to the background by itself."""
        with (self.folder / f"{Path(command[0]).name}.out").open("ab") as out:
            subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._marked(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def ask(self, *command: str) -> str:
        """The output of a command that asks the cluster; empty where it gets no answer."""
        done = subprocess.run(
            command,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    def processes(self, name: str = "") -> list[int]:
        """The ids of the cluster's processes, jobs included, whose command line contains `name`."""
        return [pid for pid in processes_of(self.folder) if name in command_line(pid)]

    def _is_own(self) -> bool:
        """Whether this user's call of `start` made the folder: nothing else may be removed."""
        mark = self.folder / MARK
        return mark.exists() and mark.stat().st_uid == os.getuid()

    def _marked(self) -> dict[str, str]:
        return {**os.environ, **self.environment, MARK: str(self.folder)}

    def _logs(self) -> str:
        """The last lines of every log."""
        said = ""
        for path in sorted([*self.folder.glob("*.log"), *self.folder.glob("*.out")]):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
            said += "".join(f"\n{line}" for line in [f"--- {path}", *lines])
        return said
