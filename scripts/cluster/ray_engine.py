"""Ray on this machine."""

import sys

from .engine import Cluster
from .processes import answers, free_ports

RAY_NODES = """
import sys, ray
ray.init(sys.argv[1], logging_level="error", log_to_driver=False)
print(sum(node["Alive"] for node in ray.nodes()))
"""


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
        if not answers(int(address.rpartition(":")[2])):  # Ray itself would try for minutes
            return False
        return self.ask(sys.executable, "-c", RAY_NODES, address) == str(self.nodes)

    def begin(self) -> None:
        port, client = free_ports(2)
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
        ports = (f"--{name}={port}" for name, port in zip(names, free_ports(4), strict=True))
        workers = ("--min-worker-port=0", "--max-worker-port=0")  # any free ones
        size = ("--num-cpus=1", f"--object-store-memory={100 * 2**20}")
        start = (sys.executable, "-m", "ray.scripts.scripts", "start")
        self.run(*start, *options, *ports, *workers, *size)
