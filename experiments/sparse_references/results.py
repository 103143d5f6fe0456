"""The runs of `study=sparse_references` as the page needs them: one case at one density each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from scoregeo.dataset.reference_angles import angle_gap, reference_angles
from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.evaluation.comparison import LEVEL
from scoregeo.evaluation.difference import Difference, holm, paired_difference
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.run import read_run
from scoregeo.report.table import read_cell
from scoregeo.run.instantiate import make

LERP, CONTROL, POWER = "lerp", "graph_euclidean", "graph_power"
MEASURE = "psnr"
COMPARED = (MEASURE, "lpips")


@dataclass(frozen=True)
class Done:
    """One case at one density of references.

    Attributes:
        step: degrees between the references of a digit. references: of the graph.
        gap: mean distance in degrees of the pairs' ends to the nearest reference angle.
        off_score: least distance in degrees of the ends to the sample's angles, which the exact
            score's data have.
        cells: estimates by method and measure. values: by measure of `COMPARED` that the run has,
            each method's, [pairs].
        start, geodesic: names of the methods that are the start and the geodesic from it.
        config: of the run.
    """

    case: str
    step: float
    references: int
    gap: float
    off_score: float
    cells: Mapping[str, Mapping[str, Estimate]]
    values: Mapping[str, Mapping[str, torch.Tensor]]
    start: str
    geodesic: str
    config: Mapping[str, Any]

    def difference(self, method: str, other: str, measure: str = MEASURE) -> Difference:
        """The measure of `method` less that of `other`, pair by pair."""
        return paired_difference(self.values[measure][method], self.values[measure][other])

    @property
    def methods(self) -> tuple[str, ...]:
        """The compared methods that the run has, the geodesic last."""
        return (LERP, CONTROL, POWER, self.start, self.geodesic)


def read_done(folder: Path) -> Done:
    """A run's folder. Raises DataError where its results cannot be read."""
    run = read_run(folder)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    dataset: RotatedMNIST = make("dataset", config["dataset"])
    angles = torch.arange(dataset.sample_angles).double() * (360 / dataset.sample_angles)
    steps = reference_angles(config["dataset"]["reference_step"], len(angles), config["seed"])
    truth = dataset.pairs(config["seed"]).truth
    assert truth is not None
    ends = torch.stack([truth[:, 1], truth[:, 1] + truth[:, 2]], 1)
    cells: dict[str, dict[str, Estimate]] = {}
    for entry in run.entries:
        cell = read_cell(entry)
        if entry["group"] == "all" and isinstance(cell, Estimate):
            cells.setdefault(entry["method"], {})[entry["measure"]] = cell
    values: dict[str, dict[str, list[float]]] = {}
    for line in run.lines:
        for name in COMPARED:
            if name in line["measures"]:
                own = values.setdefault(name, {})
                own.setdefault(line["method"], []).append(line["measures"][name])
    return Done(
        case=config["page"]["case"],
        step=float(config["dataset"]["reference_step"]),
        references=len(steps) * config["dataset"]["identities"],
        gap=float(angle_gap(ends, steps).mean()),
        off_score=float(angle_gap(ends, angles).min()),
        cells=cells,
        values={
            name: {m: torch.tensor(one, dtype=torch.float64) for m, one in own.items()}
            for name, own in values.items()
        },
        start=next(name for name in cells if name.startswith("start_")),
        geodesic=next(name for name in cells if name.startswith(f"{config_metric(config)}_")),
        config=config,
    )


@dataclass(frozen=True)
class Tested:
    """A paired difference, and its p corrected within its case."""

    difference: Difference
    p_corrected: float

    @property
    def better(self) -> bool:
        """Whether the corrected test says that the difference is above 0."""
        return self.difference.mean > 0 and self.p_corrected < LEVEL

    @property
    def cell(self) -> Estimate:
        """Mean, interval and p as a table has them."""
        one, p = self.difference, f"p = {self.p_corrected:.2g}"
        return Estimate(one.mean, one.low, one.high, n=one.n, detail=p)


def differences(runs: Sequence[Done], measure: str = MEASURE) -> dict[float, dict[str, Tested]]:
    """The compared differences of one case's runs by the degrees between references, in one
    measure, Holm's correction over all of them.
    """
    found = {
        (run.step, name): run.difference(method, other, measure)
        for run in runs
        for name, method, other in (
            ("weights", run.start, CONTROL),
            ("weights_power", run.start, POWER),
            ("relaxation", run.geodesic, run.start),
            ("lengths", run.geodesic, CONTROL),
            ("power", run.geodesic, POWER),
        )
    }
    tested: dict[float, dict[str, Tested]] = {}
    corrected = holm([one.p for one in found.values()])
    for ((step, name), one), p in zip(found.items(), corrected, strict=True):
        tested.setdefault(step, {})[name] = Tested(one, p)
    return tested


def config_metric(config: Mapping[str, Any]) -> str:
    """The metric's name, as its target has it."""
    return str(config["metric"]["_target_"]).rpartition(".")[2].removesuffix("Metric").lower()


def by_case(done: Sequence[Done]) -> dict[str, list[Done]]:
    """The runs of each case, from dense to sparse."""
    found: dict[str, list[Done]] = {}
    for one in done:
        found.setdefault(one.case, []).append(one)
    return {case: sorted(runs, key=lambda run: run.step) for case, runs in found.items()}
