"""From the benchmark's stored numbers to the rows of its tables."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.benchmark.race import ADAM, ADAPTIVE
from experiments.benchmark.suite import Results
from scoregeo.evaluation.statistics import Estimate, NotAvailable, mean_with_interval
from scoregeo.report.table import Cell, Row
from scoregeo.solver.base import CONVERGED

NEVER = "no pair came within 1 % of the best energy"
CUT = "no pair came within 1 % of the best energy before the run's time was up"
NOT_EVERY = "not every pair came within 1 % of the best energy"
TITLES = {
    "arrived": "pairs within 1 %",
    "evaluations": "evaluations a point to 1 %",
    "worst": "evaluations a point to 1 %, worst pair",
    "fewer": "times adaptive Gauss-Newton's evaluations",
    "ratio": "least energy / best",
    "final": "energy at the end / best",
    "final_worst": "energy at the end / best, worst pair",
    "own": "evaluations a point to 1 % of its own minimum",
    "spent": "evaluations a point, spent",
    "converged": "pairs that say converged",
    "rate": "learning rate",
}
_PROBLEMS = {"sphere_r50": "S^2 in R^50"}


def race_tables(results: Results) -> dict[str, list[Row]]:
    """Part 1, a table for each problem; a row for each lam and solver."""
    tables: dict[str, list[Row]] = {}
    for unit, found in results.items():
        name, _, lam = unit.partition("-lam")
        title = f"1. To within 1 % of the best energy: {_PROBLEMS.get(name, name)}"
        rows = tables.setdefault(title, [])
        for solver, run in found["solvers"].items():
            cells = race_cells(found, run)
            if solver.startswith(ADAM):
                cells["rate"] = Estimate(found["rate"])
            rows.append(Row({"lam": lam, "solver": solver}, cells))
    return tables


def growth_tables(results: Results) -> dict[str, list[Row]]:
    """Part 2, a table for each quantity; a row for each value and solver."""
    tables: dict[str, list[Row]] = {}
    for unit, found in results.items():
        quantity, _, value = unit.partition("-")
        column = "pairs together" if quantity == "pairs" else quantity
        rows = tables.setdefault(f"2. Growth with {quantity}", [])
        for solver, run in found["solvers"].items():
            cells = {
                key: cell
                for key, cell in race_cells(found, run).items()
                if key not in ("own", "fewer")
            }
            rows.append(Row({column: value, "solver": solver}, cells))
    return tables


def race_cells(found: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Cell]:
    """The measures of one solver's run on one problem."""
    points, pairs = found["points"], len(run["spent"])
    arrived = [count for count in run["evaluations"] if count is not None]
    ours = found["solvers"][ADAPTIVE]["evaluations"]
    both = [
        theirs / max(own, 1)
        for own, theirs in zip(ours, run["evaluations"], strict=True)
        if own is not None and theirs is not None
    ]
    everyone = len(arrived) == pairs
    cells: dict[str, Cell] = {
        "arrived": Estimate(len(arrived), n=pairs),
        "evaluations": mean([count / points for count in arrived])
        if arrived
        else NotAvailable(CUT if run["limited"] else NEVER),
        "fewer": mean(both)
        if both
        else NotAvailable("no pair at which both came within 1 % of the best energy"),
        "worst": Estimate(max(arrived) / points, n=pairs) if everyone else NotAvailable(NOT_EVERY),
        "ratio": mean(run["ratio"]),
        "final": mean(run["final"]),
        "final_worst": Estimate(max(run["final"]), n=pairs),
        "own": mean([count / points for count in run["own_evaluations"] if count is not None]),
        "spent": mean([count / points for count in run["spent"]]),
        "converged": Estimate(run["status"].count(CONVERGED), n=pairs),
    }
    return cells


def package_tables(results: Results, accuracies: Sequence[float]) -> dict[str, list[Row]]:
    """Part 3: for each method its first try that meets each accuracy."""
    tables: dict[str, list[Row]] = {}
    for kind, title in (
        ("boundary", "from end to end"),
        ("initial", "from the same initial velocity"),
    ):
        rows = tables.setdefault(f"3. Other libraries in R^3, {title}", [])
        for unit, found in results.items():
            sigma, _, lam = unit.removeprefix("sigma").partition("-lam")
            for method, tries in found[kind].items():
                for accuracy in accuracies:
                    labels = {
                        "sigma": sigma,
                        "lam": lam,
                        "accuracy": f"{accuracy:g}",
                        "method": method,
                    }
                    rows.append(_library_row(labels, tries, accuracy))
    return tables


def _library_row(
    labels: dict[str, str], tries: Sequence[Mapping[str, Any]], accuracy: float
) -> Row:
    errors = [math.inf if one["error"] is None else one["error"] for one in tries]
    met = next((one for one, error in zip(tries, errors, strict=True) if error <= accuracy), None)
    if met is None:
        best = min(errors)
        last = tries[-1]["reason"] or f"best {best:.2g} at {tries[errors.index(best)]['setting']}"
        reason = NotAvailable(
            last if math.isinf(best) else f"{last}; greatest distance to the reference {best:.2g}"
        )
        return Row(
            {**labels, "setting": ""},
            dict.fromkeys(("evaluations of the score", "error"), reason),
        )
    cells: dict[str, Cell] = {
        "evaluations of the score": Estimate(met["evaluations"]),
        "error": Estimate(met["error"]),
    }
    return Row({**labels, "setting": met["setting"]}, cells)


def overhead_tables(results: Results) -> dict[str, list[Row]]:
    """Part 4."""
    found = results["overhead"]
    memory = {what: numbers["peak"] - numbers["base"] for what, numbers in found["memory"].items()}
    cells: dict[str, Cell] = {
        "parameters": Estimate(found["parameters"]),
        "iterations": Estimate(found["iterations"]),
        "seconds": Estimate(found["seconds"]),
        "seconds in the network": Estimate(found["network_seconds"]),
        "share of the solver's arithmetic": Estimate(found["share"]),
        "MB above the model, forward pass": Estimate(memory["forward"] / 1e6),
        "MB above the model, solve": Estimate(memory["solve"] / 1e6),
        "memory, solve / forward pass": Estimate(memory["solve"] / max(memory["forward"], 1)),
    }
    return {
        "4. The solver's own arithmetic and memory": [Row({"D": str(found["dimension"])}, cells)]
    }


def decoding_tables(results: Results) -> dict[str, list[Row]]:
    """Part 5."""
    rows = []
    for inversion, found in results.items():
        evaluations = found["geodesic_evaluations"]
        cells: dict[str, Cell] = {
            "evaluations, geodesic": mean(evaluations),
            "evaluations, decoding": Estimate(found["decoding_evaluations"], n=len(evaluations)),
            "seconds, geodesic": Estimate(found["geodesic_seconds"], n=len(evaluations)),
            "seconds, decoding": Estimate(found["decoding_seconds"], n=len(evaluations)),
            "evaluations, geodesic / decoding": mean(
                [count / found["decoding_evaluations"] for count in evaluations]
            ),
        }
        status = ", ".join(dict.fromkeys(found["status"]))
        rows.append(Row({"ends": inversion, "status": status}, cells))
    return {"5. A geodesic on digits against the DDIM decoding of its frames": rows}


def mean(values: Sequence[float | None]) -> Cell:
    """Mean over pairs with its interval; values that are missing are left out and counted."""
    return mean_with_interval([math.nan if value is None else float(value) for value in values])
