"""A SLURM or Ray cluster on this machine, for `make test-cluster` or by hand.

    eval "$(python -m scripts.cluster slurm start)"  # one node with this machine's cores and memory
    eval "$(python -m scripts.cluster ray start)"  # two nodes of one core each
    python -m scripts.cluster slurm status  # exit status 1 where it does not run
    python -m scripts.cluster slurm stop

`start` returns when jobs can be sent, and prints the environment that sends them there. Where the
cluster runs already it only prints that. Whatever a cluster writes lies in one folder (`--folder`),
which `stop` removes. Linux only.

The folder is also how a cluster's processes are found: they carry its name in their environment or
work inside it. Hence no file of process ids can go stale, and a second start, or a stop after a
crash, ends what is left.
"""

from .engine import Cluster as Cluster
from .processes import ClusterError as ClusterError
from .ray_engine import Ray as Ray
from .slurm_engine import Slurm as Slurm
