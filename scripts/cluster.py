"""A SLURM or Ray cluster on this machine, for `make test-cluster` or by hand.

    eval "$(python scripts/cluster.py slurm start)"  # one node with this machine's cores and memory
    eval "$(python scripts/cluster.py ray start)"  # two nodes of one core each
    python scripts/cluster.py slurm status  # exit status 1 where it does not run
    python scripts/cluster.py slurm stop

`start` returns when jobs can be sent, and prints the environment that sends them there. Where the
cluster runs already it only prints that. Whatever a cluster writes lies in one folder (`--folder`),
which `stop` removes. Linux only.

The folder is also how a cluster's processes are found: they carry its name in their environment or
work inside it. Hence no file of process ids can go stale, and a second start, or a stop after a
crash, ends what is left.
"""

import argparse
import contextlib
import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

MARK = "SCOREGEO_CLUSTER"  # a variable of the processes' environment, and a file of the folder
SECONDS = 60.0  # for every wait
ATTEMPTS = 3  # Ray gives a node 30 seconds to start, too few on a busy machine
SBIN = "/usr/sbin:/sbin"  # where the daemons lie, which the PATH of a user may lack

# Neither systemd nor control groups are needed. SlurmdTimeout is short, so that a test sees soon
# that the node is lost. Its jobs run again two minutes after it is back. A short cred_expire would
# shorten that, but jobs that ran again within a minute were killed by the loss of the node still.
# Jobs wait for cores and memory, but nothing holds a job to its memory.
SLURM_CONF = """\
ClusterName=scoregeo
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
MailProg=/bin/true
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdTimeout=10
KillWait=2
ReturnToService=2
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=512
JobAcctGatherType=jobacct_gather/{gather}
{accounting}
{node} NodeAddr=127.0.0.1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
SLURM_ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting_port}
AccountingStoragePass={folder}/munge.socket"""
SLURMDBD_CONF = """\
DbdHost=localhost
DbdPort={accounting_port}
SlurmUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=root
StorageLoc=slurm
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""
RAY_NODES = """
import sys, ray
ray.init(sys.argv[1], logging_level="error", log_to_driver=False)
print(sum(node["Alive"] for node in ray.nodes()))
"""


class ClusterError(Exception):
    """The cluster cannot be started or stopped; the message says why."""


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
                _wait(self.ready, f"{self.engine} did not get ready")
                break
            except (ClusterError, OSError, subprocess.CalledProcessError) as error:
                _end(self.folder)
                if attempt == ATTEMPTS:
                    raise ClusterError(f"{error}{self._logs()}") from error
        return self.environment

    def stop(self) -> None:
        """End every process of the cluster and remove its folder."""
        if self.folder.exists() and not self._is_own():
            raise ClusterError(f"{self.folder} is not a folder that this script made.")
        _end(self.folder)
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
        return [pid for pid in _processes(self.folder) if name in _command_line(pid)]

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


class Slurm(Cluster):
    """SLURM with one node and one partition, `main`.

    `accounting` adds the database that `sacct` asks. Without it submitit sees results only, and
    waits forever for a job that was killed.
    """

    engine = "slurm"

    def __init__(self, folder: Path | None = None, accounting: bool = False) -> None:
        super().__init__(folder)
        self.accounting = accounting

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def missing(self) -> str | None:
        programs = {
            "slurmctld": "slurm-wlm",
            "slurmd": "slurm-wlm",
            "sbatch": "slurm-wlm",
            "munged": "munge",
        }
        if self.accounting:
            programs |= {
                "slurmdbd": "slurmdbd",
                "mariadbd": "mariadb-server",
                "mariadb-install-db": "mariadb-server",
            }
        packages = {package for program, package in programs.items() if not _program(program)}
        if not packages:
            return None
        return f"SLURM is not installed here: apt-get install {' '.join(sorted(packages))}"

    def ready(self) -> bool:
        return self.ask("sinfo", "--noheader", "--format=%T") in ("idle", "mixed", "allocated")

    def begin(self) -> None:
        ports = dict(
            zip(
                ("controller_port", "node_port", "accounting_port", "database_port"),
                map(str, _free_ports(4)),
                strict=True,
            )
        )
        node = subprocess.check_output([_program("slurmd"), "-C"], text=True).splitlines()[0]
        values = {
            "folder": str(self.folder),
            "host": socket.gethostname().split(".")[0],
            "user": getpass.getuser(),
            "node": node,
            **ports,
        }
        values["accounting"] = SLURM_ACCOUNTING.format(**values) if self.accounting else ""
        values["gather"] = "linux" if self.accounting else "none"
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        (self.folder / "slurm.conf").write_text(SLURM_CONF.format(**values), encoding="utf-8")
        self._start_munge()
        if self.accounting:
            self._start_accounting(values)
        self.run(_program("slurmctld"))
        self.start_node()

    def start_node(self) -> None:
        """Start the node's daemon, at first or after a test has killed it."""
        self.run(_program("slurmd"))

    def kill_node(self) -> None:
        """Kill the node's daemon and every job on it, as a loss of power would."""
        others = ("slurmctld", "slurmscriptd", "slurmdbd", "munged", "mariadbd")
        for pid in self.processes():
            if not any(name in _command_line(pid) for name in others):
                _kill(pid)

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(64))
        names = {
            "key-file": "key",
            "socket": "socket",
            "pid-file": "pid",
            "log-file": "log",
            "seed-file": "seed",
        }
        self.run(
            _program("munged"),
            *(f"--{option}={self.folder}/munge.{name}" for option, name in names.items()),
        )

    def _start_accounting(self, values: Mapping[str, str]) -> None:
        """The database, which only this machine can reach, and SLURM's daemon before it."""
        data = f"--datadir={self.folder}/database"
        user = f"--user={getpass.getuser()}"
        self.run(_program("mariadb-install-db"), "--no-defaults", user, data, "--skip-test-db")
        self.spawn(
            _program("mariadbd"),
            "--no-defaults",
            user,
            data,
            f"--socket={self.folder}/database.socket",
            f"--pid-file={self.folder}/database.pid",
            "--bind-address=127.0.0.1",
            f"--port={values['database_port']}",
            "--skip-grant-tables",
        )
        _wait(lambda: _answers(int(values["database_port"])), "the database did not get ready")
        conf = self.folder / "slurmdbd.conf"
        conf.touch(mode=0o600)  # SLURM refuses it where others can read it
        conf.write_text(SLURMDBD_CONF.format(**values), encoding="utf-8")
        self.run(_program("slurmdbd"))
        _wait(lambda: _answers(int(values["accounting_port"])), "the accounting did not get ready")


class Ray(Cluster):
    """Ray with two nodes of one core each.

    The second is the last of `processes("raylet/raylet")`, which a test can kill.
    """

    engine = "ray"
    nodes = 2

    @property
    def environment(self) -> dict[str, str]:
        file = self.folder / "port"
        port = file.read_text(encoding="utf-8") if file.exists() else "0"
        return {"RAY_ADDRESS": f"127.0.0.1:{port}"}

    def missing(self) -> str | None:
        from importlib.util import find_spec

        if find_spec("ray"):
            return None
        return "Ray is not installed here: pip install 'scoregeo[ray]'"

    def ready(self) -> bool:
        address = self.environment["RAY_ADDRESS"]
        if not _answers(int(address.rpartition(":")[2])):  # Ray itself would try for minutes
            return False
        return self.ask(sys.executable, "-c", RAY_NODES, address) == str(self.nodes)

    def begin(self) -> None:
        port, client = _free_ports(2)
        (self.folder / "port").write_text(str(port), encoding="utf-8")
        self.start_node(
            "--head",
            f"--port={port}",
            f"--ray-client-server-port={client}",
            f"--temp-dir={self.folder}",
            "--include-dashboard=false",
            "--disable-usage-stats",
        )
        for _ in range(1, self.nodes):
            self.start_node(f"--address=127.0.0.1:{port}")

    def start_node(self, *options: str) -> None:
        """Start one node; the ports that would be the same for all nodes are free ones."""
        names = (
            "dashboard-agent-listen-port",
            "dashboard-agent-grpc-port",
            "metrics-export-port",
            "runtime-env-agent-port",
        )
        ports = (f"--{name}={port}" for name, port in zip(names, _free_ports(4), strict=True))
        workers = ("--min-worker-port=0", "--max-worker-port=0")  # any free ones
        size = ("--num-cpus=1", f"--object-store-memory={100 * 2**20}")
        start = (sys.executable, "-m", "ray.scripts.scripts", "start")
        self.run(*start, *options, *ports, *workers, *size)


def _program(name: str) -> str:
    """The path of a program; empty where there is none."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SBIN}") or ""


def _free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _answers(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex(("127.0.0.1", port)) == 0


def _wait(condition: Callable[[], bool], otherwise: str) -> None:
    """Until the condition holds."""
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            raise ClusterError(f"{otherwise} in {SECONDS:.0f} seconds")
        time.sleep(0.2)


def _processes(folder: Path) -> list[int]:
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


def _command_line(pid: int) -> str:
    try:
        line = (Path("/proc") / str(pid) / "cmdline").read_bytes()
        return line.replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _end(folder: Path) -> None:
    """Kill a cluster's processes until none is left. None is asked first: nothing is to be kept."""

    def none_left() -> bool:
        left = _processes(folder)
        for pid in left:
            _kill(pid)
        return not left

    _wait(none_left, f"processes of {folder} did not end")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("engine", choices=("slurm", "ray"))
    parser.add_argument("command", choices=("start", "stop", "status"))
    parser.add_argument("--folder", type=Path, help="where it writes; by default a temporary one")
    parser.add_argument(
        "--accounting",
        action="store_true",
        help="SLURM with its database, so that sacct knows what came of a job",
    )
    options = parser.parse_args(arguments)
    folder = options.folder and options.folder.resolve()
    cluster = Slurm(folder, options.accounting) if options.engine == "slurm" else Ray(folder)
    try:
        if options.command == "stop":
            cluster.stop()
        elif options.command == "start":
            for name, value in cluster.start().items():
                print(f"export {name}={shlex.quote(value)}")
        elif cluster.missing() or not cluster.ready():
            sys.exit(f"cluster: {options.engine} does not run in {cluster.folder}")
        else:
            processes = " ".join(map(str, cluster.processes()))
            print(f"{options.engine} runs in {cluster.folder}, processes {processes}")
            for name, value in cluster.environment.items():
                print(f"export {name}={shlex.quote(value)}")
    except ClusterError as error:
        sys.exit(f"cluster: {error}")


if __name__ == "__main__":
    main()
