"""Entry point: `python -m scripts.cluster ENGINE COMMAND`."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from . import ClusterError, Ray, Slurm
from . import __doc__ as package_words


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the script."""
    parser = argparse.ArgumentParser(description=(package_words or "").splitlines()[0])
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
