"""Curvature, intrinsic dimension and descent on the manifold, from the score: `results/properties.{md,csv}`.

python -m experiments.properties [--quick]
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from experiments.properties import FULL, QUICK, write_properties
from scoregeo.core.logs import start_logging

log = logging.getLogger("properties")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tiny size that only proves that everything runs")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves its choice")
    given = parser.parse_args(arguments)
    start_logging()
    if given.threads:
        torch.set_num_threads(given.threads)
    command = " ".join(["python -m experiments.properties", *(["--quick"] if given.quick else [])])
    for path in write_properties(given.results / "properties", QUICK if given.quick else FULL, command, log.info):
        log.info("wrote %s", path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
