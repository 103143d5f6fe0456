"""How often each start leads to the best known geodesic, on torus and digits: `results/starts.{md,csv}` and a figure.

    python scripts/starts.py [--quick] [--only CASE ...]

Each start on each case is kept as it is done, under `outputs/starts`: the same command goes on where it stopped.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from scoregeo.study.cases import FULL, QUICK, cases
from scoregeo.study.page import write_starts
from scoregeo.study.starts import Cell, run_case

log = logging.getLogger("starts")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tiny size that only proves that everything runs")
    parser.add_argument("--only", nargs="+", choices=list(cases(QUICK)), default=None, metavar="CASE")
    parser.add_argument("--output", type=Path, default=Path("outputs/starts"))
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves its choice")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="[%(asctime)s] %(levelname)s %(message)s", datefmt="%H:%M:%S")
    if given.threads:
        torch.set_num_threads(given.threads)
    known = cases(QUICK if given.quick else FULL)
    chosen = {name: case for name, case in known.items() if given.only is None or name in given.only}
    found: dict[str, list[Cell]] = {}
    total = sum(len(case.starts) for case in chosen.values())
    with logging_redirect_tqdm(), tqdm(total=total, desc="starts", unit="cell", disable=None) as bar:

        def on_cell(cell: Cell) -> None:
            bar.update()
            log.info("%s, %s: %.1f s", cell.case, cell.start, cell.seconds)

        for name, case in chosen.items():
            found[name] = run_case(case, given.output, on_cell)
    shown = ["python scripts/starts.py", *(["--quick"] if given.quick else [])]
    shown += ["--only", *given.only] if given.only else []
    for path in write_starts(given.results / "starts", known, found, " ".join(shown)):
        log.info("wrote %s", path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
