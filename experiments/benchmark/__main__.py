"""Run the benchmark and write its page, `results/bench_solver/`.

    python -m experiments.benchmark [--only PART ...] [--quick] [--seed N] [--output results]

Numbers of finished units lie under `outputs/bench` and are taken from there, unless their settings,
the measured code, torch or the number of threads changed.
"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from experiments.benchmark import tables
from experiments.benchmark.figures import growth_figures, race_figures
from experiments.benchmark.problem import DIGIT_SUBNODES, SUBNODES
from experiments.benchmark.spline import FINENESS, SEGMENTS
from experiments.benchmark.store import Store
from experiments.benchmark.suite import PARTS, Results, Suite
from scoregeo._utils.arguments import path_argument, whole_argument
from scoregeo._utils.logs import start_logging
from scoregeo.report.model import FIGURES, Page, Picture, table_of
from scoregeo.report.picture import describe
from scoregeo.report.render import write_page
from scoregeo.report.run_page import clear_figures
from scoregeo.report.table import Row

log = logging.getLogger("bench")

NAME = "bench_solver"
NOTES = (
    (
        "An evaluation is one of the score at one point; a backward pass through it, a VJP or a JVP"
        " counts as two more."
    ),
    (
        "Part 1, 2: all solvers start from the straight line. Energies are on the trapezoid rule"
        f" with {SUBNODES} sub-nodes a segment ({DIGIT_SUBNODES} on digits), for every solver, so"
        " that tunnelling counts; what this costs to measure is not counted. A path is measured"
        " after each of its first 300 moves, and then after every fiftieth part of their number:"
        " counts of Adam, the only one to come so far, are up to 2 % too high. The best is the"
        " least that any of the solvers came to,"
        " pair by pair, in part 1 with an exact score also a minimum on a quarter of the sub-nodes,"
        " found from the best of their paths. Adam runs on the trapezoid energy at the path's own"
        " points at each learning rate, and the best rate is shown; adam_midpoint is the paper's"
        " energy at that rate. spline_lbfgs: a natural cubic spline of"
        f" {SEGMENTS} segments in place of points, by SciPy's L-BFGS-B, measured at"
        f" {FINENESS} of its points for each of the path's segments."
    ),
    (
        "Evaluations to 1 % are means of the pairs that came there: 6 to 8 pairs say that 6 of 8"
        " did. In part 2, and on digits, the best is the least of that table's solvers, so that one"
        " of them is always within 1 %."
    ),
    (
        "Each solver minimises a rule of its own, coarser than that one: that it stays above the"
        " best can be its rule's doing. The column for its own minimum, on its own rule, says when"
        " it was done by its own measure."
    ),
    (
        "Part 3: accuracy is the greatest distance to the reference geodesic at 9 equal times; each"
        " method's own setting of accuracy (number of points, tolerance) was raised until it was"
        " met."
    ),
    "Part 4: memory is resident bytes at most, less those before, each in a process of its own.",
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="the same parts at their smallest, to see that they work",
    )
    parser.add_argument("--seed", type=whole_argument(0), default=0)
    parser.add_argument("--output", type=path_argument, default=Path("results"))
    parser.add_argument("--store", type=path_argument, default=Path("outputs/bench"))
    given = parser.parse_args(arguments)
    start_logging("fontTools", "httpx", "scoregeo.solver")
    suite = Suite.quick() if given.quick else Suite()
    store = Store(given.store / ("quick" if given.quick else "full"))
    began = time.monotonic()
    results = {part: suite.run(part, store, given.seed) for part in PARTS if part in given.only}
    written = write_results(results, suite, given)
    log.info("%s after %.0f s", written, time.monotonic() - began)
    return 0


def write_results(results: dict[str, Results], suite: Suite, given: argparse.Namespace) -> Path:
    """The page with the tables and figures of all `results`; gives its Markdown file."""
    folder = given.output / NAME
    clear_figures(folder)
    made: dict[str, list[Row]] = {}
    pictures: list[Path] = []
    for part, found in results.items():
        if part == "race":
            made |= tables.race_tables(found)
            pictures += race_figures(found, folder / FIGURES)
        elif part == "growth":
            made |= tables.growth_tables(found)
            pictures += growth_figures(found, folder / FIGURES)
        elif part == "library":
            made |= tables.package_tables(found, suite.libraries[0].accuracy)
        elif part == "overhead":
            made |= tables.overhead_tables(found)
        else:
            made |= tables.decoding_tables(found)
    chosen = [f"--only {' '.join(results)}"] if set(results) != set(PARTS) else []
    command = ["python -m experiments.benchmark", *chosen, *(["--quick"] if given.quick else [])]
    machine = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    page = Page(
        name=NAME,
        title="Solvers, side by side",
        command=" ".join(command),
        tables=tuple(table_of(caption, rows) for caption, rows in made.items()),
        question="What does a geodesic cost, with which solver?",
        seed=given.seed,
        settings=machine | _settings(suite, results),
        measures=("arrived", "evaluations", "worst", "final", "final_worst"),
        titles=tables.TITLES,
        notes=NOTES,
        figures=tuple(Picture(path.name, describe(path.stem)) for path in pictures),
    )
    return write_page(page, folder)


def _settings(suite: Suite, results: dict[str, Results]) -> dict[str, Any]:
    """Every setting of the parts that ran, by part."""
    everything = asdict(suite)
    keys = {
        "race": ("races", "lams"),
        "growth": ("growth",),
        "library": ("libraries",),
        "overhead": ("overhead",),
        "decoding": ("decoding",),
    }
    return {key: everything[key] for part in results for key in keys[part]}


if __name__ == "__main__":
    sys.exit(main())
