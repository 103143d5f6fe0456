"""A tiny Hydra application with this repository's launchers: each job writes where it ran.

python tests/cluster/app.py -m hydra/launcher=ray +folder=/tmp/jobs +n=0,1,2,3 +together=2
"""

import json
import os
import socket
import time
from pathlib import Path

import hydra
from omegaconf import DictConfig

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SECONDS = 60


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name=None)
def main(config: DictConfig) -> None:
    """Write the job's process and node, and wait until `together` jobs have done so."""
    folder = Path(config.folder)
    place = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "folder": str(Path.cwd()),
        "node": _ray_node(),
    }
    (folder / f"{config.n}.json").write_text(json.dumps(place), encoding="utf-8")
    end = time.monotonic() + SECONDS
    while len(list(folder.glob("*.json"))) < config.get("together", 1):
        if time.monotonic() > end:
            raise TimeoutError(f"fewer than {config.together} jobs ran together")
        time.sleep(0.1)


def _ray_node() -> str | None:
    try:
        import ray
    except ImportError:
        return None
    return ray.get_runtime_context().get_node_id() if ray.is_initialized() else None


if __name__ == "__main__":
    main()
