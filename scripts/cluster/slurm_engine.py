"""SLURM on this machine."""

import getpass
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .engine import Cluster
from .processes import answers, command_line, find_program, free_ports, kill, wait_for

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
        packages = {package for program, package in programs.items() if not find_program(program)}
        if not packages:
            return None
        return f"SLURM is not installed here: apt-get install {' '.join(sorted(packages))}"

    def ready(self) -> bool:
        return self.ask("sinfo", "--noheader", "--format=%T") in ("idle", "mixed", "allocated")

    def begin(self) -> None:
        ports = dict(
            zip(
                ("controller_port", "node_port", "accounting_port", "database_port"),
                map(str, free_ports(4)),
                strict=True,
            )
        )
        node = subprocess.check_output([find_program("slurmd"), "-C"], text=True).splitlines()[0]
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
        self.run(find_program("slurmctld"))
        self.start_node()

    def start_node(self) -> None:
        """Start the node's daemon, at first or after a test has killed it."""
        self.run(find_program("slurmd"))

    def kill_node(self) -> None:
        """Kill the node's daemon and every job on it, as a loss of power would."""
        others = ("slurmctld", "slurmscriptd", "slurmdbd", "munged", "mariadbd")
        for pid in self.processes():
            if not any(name in command_line(pid) for name in others):
                kill(pid)

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
            find_program("munged"),
            *(f"--{option}={self.folder}/munge.{name}" for option, name in names.items()),
        )

    def _start_accounting(self, values: Mapping[str, str]) -> None:
        """The database, which only this machine can reach, and SLURM's daemon before it."""
        data = f"--datadir={self.folder}/database"
        user = f"--user={getpass.getuser()}"
        self.run(find_program("mariadb-install-db"), "--no-defaults", user, data, "--skip-test-db")
        self.spawn(
            find_program("mariadbd"),
            "--no-defaults",
            user,
            data,
            f"--socket={self.folder}/database.socket",
            f"--pid-file={self.folder}/database.pid",
            "--bind-address=127.0.0.1",
            f"--port={values['database_port']}",
            "--skip-grant-tables",
        )
        wait_for(lambda: answers(int(values["database_port"])), "the database did not get ready")
        conf = self.folder / "slurmdbd.conf"
        conf.touch(mode=0o600)  # SLURM refuses it where others can read it
        conf.write_text(SLURMDBD_CONF.format(**values), encoding="utf-8")
        self.run(find_program("slurmdbd"))
        wait_for(
            lambda: answers(int(values["accounting_port"])), "the accounting did not get ready"
        )
