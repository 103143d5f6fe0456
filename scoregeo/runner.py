"""One experiment, from built objects to its folder: plain Python, no Hydra, no OmegaConf."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from scoregeo.artifacts import write_pictures
from scoregeo.evaluation.statistics import NotAvailable
from scoregeo.experiment import Experiment
from scoregeo.measures import Measures
from scoregeo.problem.base import TRUTH, AbstractProblem, OnStep
from scoregeo.problem.extrapolation import ExtrapolationProblem
from scoregeo.problem.interpolation import InterpolationProblem
from scoregeo.problem.latent import LatentProblem
from scoregeo.problem.outcome import Outcome
from scoregeo.report.table import summary_entry
from scoregeo.rundir import RunFolder
from scoregeo.solver.base import Step
from scoregeo.summary import ALL, compare_methods, summarise

log = logging.getLogger(__name__)

FRAMES, POINTS = "frames", "points"


def run(experiment: Experiment, folder: RunFolder, group: str | None = None) -> None:
    """Run every method on the same pairs and write the folder. Methods an earlier, interrupted run finished are taken from it.

    `group`: the sweep this is a job of, for the trackers.
    Raises ScoregeoError for what cannot be run; the caller marks the folder as failed.
    """
    settings = experiment.settings
    if settings.threads:
        torch.set_num_threads(settings.threads)
    for tracker in experiment.trackers:
        tracker.start(folder.path, folder.config, group)
    problem = _problem(experiment)
    measures = Measures(experiment, problem)
    methods = problem.methods()
    log.info("%d pairs, %d methods, in %s", len(problem.pairs), len(methods), folder.path)
    records: list[dict[str, Any]] = []
    with logging_redirect_tqdm(), tqdm(total=len(methods), desc=settings.name, unit="method", disable=None) as bar:
        for name, method in methods.items():
            record = folder.load_method(name)
            if record is None:
                outcome = _solve(experiment, name, method, problem.budget(name))
                frames = _decoded_before(outcome, records)
                frames = measures.frames(outcome) if frames is None else frames
                record = _finish(problem, measures, folder, name, outcome, frames)
            else:
                log.info("%s: taken from the interrupted run", name)
            for tracker in experiment.trackers:
                tracker.method(name, record["pairs"], record["history"])
            records.append(record)
            bar.update()
    summary = summarise(records, settings.evaluation.bootstrap, settings.seed)
    pictures = _pictures(problem, folder, records) if settings.evaluation.figures else []
    comparisons = compare_methods(records, settings.evaluation.bootstrap, settings.seed)
    folder.write_results([line for record in records for line in record["pairs"]], summary, comparisons)
    for tracker in experiment.trackers:
        tracker.finish(summary, pictures)
    folder.finish(methods=list(methods), pairs=len(problem.pairs), weights=measures.weights, notes=measures.notes())


def _problem(experiment: Experiment) -> AbstractProblem:
    if experiment.extrapolations:
        return ExtrapolationProblem(experiment)
    return InterpolationProblem(experiment) if experiment.text_model is None else LatentProblem(experiment)


def _solve(experiment: Experiment, name: str, method: Callable[[OnStep | None], Outcome], budget: int | None) -> Outcome:
    """Run one method with its own progress bar, and tell the trackers of its steps."""
    if budget is None:
        return method(None)
    with tqdm(total=budget, desc=name, unit="step", leave=False, disable=None) as bar:

        def on_step(step: Step) -> None:
            bar.update()
            bar.set_postfix(energy=f"{float(step.energy.median()):.4g}", refresh=False)
            for tracker in experiment.trackers:
                tracker.step(name, step)

        return method(on_step)


def _decoded_before(outcome: Outcome, records: Sequence[Mapping[str, Any]]) -> torch.Tensor | None:
    """The frames of an earlier method whose noisy paths were the same, as a baseline's and the solver's start are; else None."""
    if not outcome.noisy:
        return None
    same = (r["tensors"] for r in records if r["decoded"] and torch.equal(r["tensors"][POINTS].cpu(), outcome.path.cpu()))
    return next((tensors.get(FRAMES) for tensors in same), None)


def _finish(
    problem: AbstractProblem, measures: Measures, folder: RunFolder, name: str, outcome: Outcome, frames: torch.Tensor | None
) -> dict[str, Any]:
    """Measure one method's paths and their decoded `frames`, keep them, and give its record."""
    together = measures.of_frames(frames)
    found = measures.of_pairs(name, outcome, frames) | dict(together.rows)
    values = {key: value for key, value in found.items() if isinstance(value, torch.Tensor)}
    pairs = problem.pairs
    lines = [
        {
            "method": name,
            "pair": pairs.names[i],
            "group": pairs.groups[i],
            "unit": problem.units[i],
            "status": outcome.status[i],
            "measures": {key: float(value[i]) for key, value in values.items()},
            "score_evaluations": int(outcome.score_evaluations[i]),
            "seconds": outcome.seconds / len(pairs),
        }
        | ({"start": outcome.start[i]} if outcome.start else {})
        | ({"reason": outcome.reason[i]} if outcome.reason and outcome.reason[i] else {})
        for i in range(len(pairs))
    ]
    record = {
        "method": name,
        "role": problem.role(name),
        "decoded": frames is not None,
        "pairs": lines,
        "not_available": {key: value.reason for key, value in found.items() if isinstance(value, NotAvailable)},
        "distribution": [summary_entry(name, ALL, key, cell) for key, cell in together.cells.items()],
        "resampled": {key: values.tolist() for key, values in together.resampled.items()},
        "history": _history(outcome),
    }
    tensors = {POINTS: outcome.path} | ({} if frames is None or frames is outcome.path else {FRAMES: frames})
    folder.save_method(name, record, tensors)
    if name != TRUTH:
        states = ", ".join(f"{outcome.status.count(state)} {state}" for state in dict.fromkeys(outcome.status))
        log.info("%s: %s; %.2f s", name, states, outcome.seconds)
    return {**record, "tensors": tensors}


def _pictures(problem: AbstractProblem, folder: RunFolder, records: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Everything a person looks at, from the methods' records; the PNG figures."""
    pairs, frames = problem.pictured({r["method"]: _frames(r["tensors"]) for r in records if r["decoded"]})
    histories = {r["method"]: r["history"] for r in records if r["history"]}
    experiment = problem.experiment
    saved = experiment.settings.evaluation.saved_pairs
    return write_pictures(folder.path, experiment.dataset, pairs, frames, histories, saved)


def _history(outcome: Outcome) -> dict[str, Any]:
    """Energy and evaluations [steps, pairs] as lists, and the points of a path; or nothing for a method without iterations."""
    if not outcome.history:
        return {}
    return {
        "iteration": [step.iteration for step in outcome.history],
        "energy": [step.energy.tolist() for step in outcome.history],
        "score_evaluations": [step.score_evaluations.tolist() for step in outcome.history],
        "points": outcome.path.shape[1],
    }


def _frames(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    return tensors.get(FRAMES, tensors[POINTS]).cpu()
