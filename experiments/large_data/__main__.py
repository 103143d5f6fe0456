"""Scores of the nearest of many references, and graphs through them.

    python -m experiments.large_data [--digits 600 6000 60000 --mnist FOLDER]
        [--graph 10000 100000] [--side 128]

Rotations of MNIST digits, 36 angles each, memory-mapped in float16. Against the sum of all of them:
evaluations a second of CPU time, memory, error, bound, recall. Then the edges of graphs: by every
distance and by an index. Writes the page `results/large_data/`. Linux; one thread.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from experiments.large_data.references import (
    ANGLES,
    SIDE,
    Source,
    full_score,
    query_points,
    write_references,
)
from experiments.large_data.watch import Watch
from scoregeo._utils.arguments import folder_argument, path_argument, whole_argument
from scoregeo.evaluation.statistics import Estimate
from scoregeo.initializer.graph_indexed import IndexedGraphInitializer
from scoregeo.initializer.reference_graph import nearest_edges
from scoregeo.report.model import Page, Table
from scoregeo.report.render import write_page
from scoregeo.report.table import Cell, Row
from scoregeo.score.neighbour import NeighbourScore
from scoregeo.score.neighbours import SEARCHES, AbstractSearch, ExactSearch, make_search, recall

SIGMAS = (1.0, 2.0)
NEIGHBOURS = 100
MORE = (1000, 10_000)  # by an index alone, where they are at most a hundredth of the references
POINTS = 32
EDGES = 8  # of a graph's point
FULL = "all, full sum"
SEARCHED = ["exact", "ivf"]
TITLES = {
    "rate": "evaluations a CPU second",
    "megabytes": "memory (MB)",
    "build": "build (CPU s)",
    "recall": "recall",
    "error": "relative error, median",
    "error_max": "largest",
    "bound": "bound, median",
    "bound_max": "largest bound",
    "edges": "edges",
    "seconds": "build (CPU s)",
    "agree": "share of the true edges",
    "longer": "shortest paths longer by, mean",
    "longer_max": "most",
}


def score_rows(
    data: np.ndarray, digits: int, folder: Path, searches: Sequence[str], source: Source
) -> list[Row]:
    """Rows of one number of references: every search at every noise level, clean and noisy."""
    built: dict[str, tuple[AbstractSearch, Watch]] = {}
    for name in searches:
        with Watch() as watch:
            found = make_search(data, name, 64, folder / f"{name}_{digits}.faiss")
        built[name] = found, watch
    exact = built["exact"][0]
    assert isinstance(exact, ExactSearch)
    sums = [(name, NEIGHBOURS) for name in searches]
    sums += [("ivf", count) for count in MORE if "ivf" in searches and 100 * count <= len(data)]
    rows = []
    for sigma in (source.scale * one for one in SIGMAS):
        for place in ("clean", "noisy"):
            x = query_points(digits, place, sigma, POINTS, source)
            labels = {"references": f"{len(data):,}", "sigma": f"{sigma:.3g}", "points": place}
            with Watch() as watch:
                true = full_score(data, x, sigma)
            cells: dict[str, Cell] = _costs(watch)
            rows.append(Row(labels | {"sum": FULL}, cells))
            for name, count in sums:
                search, building = built[name]
                score = NeighbourScore(search, (source.size,), count)
                with Watch() as watch:
                    found_score = score.bounded(x, sigma)
                length = true.norm(dim=1)
                error, bound = (found_score.score - true).norm(dim=1) / length, found_score.bound
                cells = _costs(watch) | {
                    "build": Estimate(round(building.seconds, 1)),
                    "recall": Estimate(
                        1.0 if search is exact else recall(search, exact, x.numpy(), count)
                    ),
                    "error": Estimate(float(error.median())),
                    "error_max": Estimate(float(error.max())),
                    "bound": Estimate(float((bound / length).median())),
                    "bound_max": Estimate(float((bound / length).max())),
                }
                rows.append(Row(labels | {"sum": f"{count:,} nearest, {name}"}, cells))
                print(rows[-1].labels, {k: v.mean for k, v in cells.items()}, flush=True)  # type: ignore[union-attr]
    return rows


def graph_rows(data: np.ndarray, count: int, most_exact: int, neighbours: int = EDGES) -> list[Row]:
    """Edges of the first `count` references by an index, and by brute force where they are at most
    `most_exact`; shortest Euclidean paths through both.
    """
    points = torch.from_numpy(data[:count].astype(np.float32))
    found: dict[str, tuple[np.ndarray, Watch]] = {}
    if count <= most_exact:
        with Watch() as watch:
            edges = nearest_edges(points, neighbours)
        found["every distance"] = edges, watch
    for search in ("ivf", "hnsw") if count <= most_exact else ("ivf",):
        with Watch() as watch:
            edges = IndexedGraphInitializer(count, neighbours, search=search)._edges(
                points, neighbours
            )
        found[search] = edges, watch
    rows = []
    for name, (edges, watch) in found.items():
        cells: dict[str, Cell] = {
            "edges": Estimate(len(edges)),
            "seconds": Estimate(round(watch.seconds, 1)),
            "megabytes": Estimate(round(watch.megabytes)),
        }
        if "every distance" in found:
            true = found["every distance"][0]
            code, known = (one[:, 0] * count + one[:, 1] for one in (edges, true))
            cells["agree"] = Estimate(float(np.isin(known, code).mean()))
            ratio = _lengths(points, edges) / _lengths(points, true) - 1
            cells["longer"] = Estimate(float(ratio.mean()))
            cells["longer_max"] = Estimate(float(ratio.max()))
        rows.append(Row({"references": f"{count:,}", "search": name}, cells))
        print(rows[-1].labels, {k: v.mean for k, v in cells.items()}, flush=True)  # type: ignore[union-attr]
    return rows


def _lengths(points: torch.Tensor, edges: np.ndarray, pairs: int = 64) -> np.ndarray:
    """Lengths of shortest paths from 8 points to 8 others each that the graph connects them to; the
    straight line's where it does not.
    """
    weight = (points[edges[:, 0]] - points[edges[:, 1]]).double().norm(dim=1).numpy()
    count = len(points)
    matrix = coo_matrix((weight + 1e-12, (edges[:, 0], edges[:, 1])), shape=(count, count)).tocsr()
    rng = np.random.default_rng(0)
    starts = rng.integers(count, size=pairs // 8)
    ends = rng.integers(count, size=(len(starts), 8))
    distance = dijkstra(matrix, directed=False, indices=starts)
    found = np.take_along_axis(distance, ends, 1)
    straight = (points[starts][:, None] - points[ends]).double().norm(dim=2).numpy()
    return np.where(np.isfinite(found), found, straight).ravel() + 1e-12


def _costs(watch: Watch) -> dict[str, Cell]:
    return {
        "rate": Estimate(float(f"{POINTS / watch.seconds:.3g}")),
        "megabytes": Estimate(round(watch.megabytes)),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--digits", type=whole_argument(), nargs="+", default=[600, 6000])
    add = parser.add_argument
    add("--mnist", type=folder_argument, help="folder of MNIST's idx files, 60,000 digits")
    add("--side", type=whole_argument(SIDE), default=SIDE, help="pixels, enlarged (28)")
    add("--graph", type=whole_argument(EDGES + 1), nargs="*", default=[10_000, 100_000])
    add("--most-exact", type=whole_argument(0), default=10_000)
    add("--searches", nargs="+", choices=SEARCHES, default=SEARCHED)
    add("--data", type=path_argument, default=Path("outputs/large_data"))
    add("--results", type=path_argument, default=Path("results"))
    given = parser.parse_args(arguments)
    if "exact" not in given.searches:
        parser.error("argument --searches: exact must be one of them: others are compared with it")
    torch.set_num_threads(1)
    scores, graphs = [], []
    source = Source(given.mnist, given.side)
    wide = "" if given.side == SIDE else f"_{given.side}"
    with tempfile.TemporaryDirectory() as folder:  # every index is built anew, and measured
        os.environ["SCOREGEO_CACHE"] = folder
        for digits in given.digits:
            data = write_references(given.data / f"rotations_{digits}{wide}.npy", digits, source)
            scores += score_rows(data, digits, Path(folder), given.searches, source)
        most = -(-max(given.graph, default=0) // ANGLES)
        if most:
            data = write_references(given.data / f"rotations_{most}{wide}.npy", most, source)
        for count in given.graph:
            graphs += graph_rows(data, count, given.most_exact)
    about = (
        f"Rotations of MNIST's training digits, {ANGLES} angles each, {source.size:,} numbers"
        f" ({given.side} x {given.side}), float16 in a memory-mapped file. {POINTS} points a row,"
        " evaluated together: half-way between two angles of a digit (clean), and these with noise"
        " of sigma. Errors and bounds over the full score's length. Memory: greatest anonymous"
        " memory above that before; mapped pages, which the system may drop, do not count. torch"
        f" {torch.__version__}, one thread; the machine had other work, so seconds are CPU time."
    )
    line = f"python -m experiments.large_data --digits {' '.join(map(str, given.digits))}"
    line += " --mnist FOLDER" if given.mnist else ""
    line += f" --side {given.side}" if wide else ""
    line += f" --graph {' '.join(map(str, given.graph))}".rstrip()
    line += f" --searches {' '.join(given.searches)}" if given.searches != SEARCHED else ""
    line += f" --most-exact {given.most_exact}" if given.most_exact != 10_000 else ""
    tables = [Table(tuple(scores), "Score of the nearest references")]
    if graphs:
        tables.append(Table(tuple(graphs), "Graphs through the references, 8 neighbours"))
    what = "References by the million" + (f", {source.size:,} numbers each" if wide else "")
    page = Page(
        name=f"large_data{wide}",
        title=what,
        command=line,
        tables=tuple(tables),
        question="What does the exact score of millions of points cost, and how exact is it?",
        about=(about,),
        titles=TITLES,
    )
    write_page(page, given.results / page.name)


if __name__ == "__main__":
    main()
