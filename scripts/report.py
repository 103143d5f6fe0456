"""Write `results/report.html`: one self-contained page of every table, figure and path of frames in
`results/`.

    python scripts/report.py [--results results] [--runs outputs/reproduce]

Where the runs behind the tables are still there, their frames and comparisons are first kept beside
the tables, so that a clone without them makes the same page.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from scoregeo._utils.errors import ScoregeoError
from scoregeo._utils.logs import start_logging
from scoregeo.report.command import report
from scoregeo.report.results_section import keep_runs

log = logging.getLogger("report")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--runs", type=Path, default=Path("outputs/reproduce"))
    given = parser.parse_args(arguments)
    start_logging()
    try:
        kept = keep_runs(given.results, given.runs)
        log.info(
            "runs found behind the tables: %s",
            ", ".join(kept) or "none; the page is made from what is kept of them",
        )
        log.info("wrote %s", report(given.results, None, given.runs))
    except ScoregeoError as error:
        sys.exit(f"report: error: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
