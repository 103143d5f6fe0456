"""How good the noise levels are that score.sigma=auto and auto_ridge choose: `results/sigma_auto.{md,csv}` and a figure.

    python scripts/sigma_auto.py [--quick] [--only CASE ...] [--metrics METRIC ...]

Each manifold, metric and level is kept as it is done, under `outputs/sigma_auto`: the same command goes on where it stopped.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from scoregeo.study.noise_level import FULL, QUICK, RULE_OF, Cell, run_case, sampled_cases
from scoregeo.study.noise_level_page import write_noise_level

log = logging.getLogger("sigma_auto")


def main(arguments: Sequence[str] | None = None) -> int:
    cases = sampled_cases()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tiny size that only proves that everything runs")
    parser.add_argument("--only", nargs="+", choices=list(cases), default=None, metavar="CASE")
    parser.add_argument("--metrics", nargs="+", choices=list(RULE_OF), default=list(FULL.metrics), metavar="METRIC")
    parser.add_argument("--output", type=Path, default=Path("outputs/sigma_auto"))
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves its choice")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="[%(asctime)s] %(levelname)s %(message)s", datefmt="%H:%M:%S")
    if given.threads:
        torch.set_num_threads(given.threads)
    size = replace(QUICK if given.quick else FULL, metrics=tuple(given.metrics))
    names = given.only or size.names or list(cases)

    def on_cell(cell: Cell) -> None:
        log.info("%s, %s, sigma %.4g %s: %.4f", cell.case, cell.metric, cell.sigma, cell.rule, cell.greatest)

    found = {name: run_case(cases[name], size, given.output, on_cell) for name in names}
    shown = [
        "python scripts/sigma_auto.py",
        *(["--quick"] if given.quick else []),
        *(["--only", *given.only] if given.only else []),
    ]
    shown += ["--metrics", *size.metrics] if size.metrics != FULL.metrics else []
    for path in write_noise_level(given.results / "sigma_auto", cases, found, size, " ".join(shown)):
        log.info("wrote %s", path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
