"""One experiment, from built objects to its folder: plain Python, no Hydra, no OmegaConf."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from scoregeo._utils.cache import content_hash
from scoregeo._utils.words import count
from scoregeo.dataset.base import AbstractDataset
from scoregeo.evaluation.evaluate import SetComparison
from scoregeo.run.artifacts import Pictured, write_page_of, write_pictures
from scoregeo.run.ends import show_ends
from scoregeo.run.experiment import Experiment
from scoregeo.run.folder_state import KEPT, UNFINISHED
from scoregeo.run.kept_outcome import KeptPairs
from scoregeo.run.measures import Measures
from scoregeo.run.problem.base import TRUTH, AbstractProblem, OnStep
from scoregeo.run.problem.extrapolation import ExtrapolationProblem
from scoregeo.run.problem.interpolation import InterpolationProblem
from scoregeo.run.problem.latent import LatentProblem
from scoregeo.run.problem.outcome import Outcome
from scoregeo.run.record import FRAMES, POINTS, Record, frames_of, part_record, whole_record
from scoregeo.run.run_folder import RunFolder
from scoregeo.run.settings import RunSettings
from scoregeo.run.summary import compare_methods, compare_pairwise, summarise
from scoregeo.solver.base import Step
from scoregeo.tracker.base import AbstractTracker

log = logging.getLogger(__name__)


def run(experiment: Experiment, folder: RunFolder, group: str | None = None) -> None:
    """Run every method on the same pairs and write the folder. Methods an earlier, interrupted run
    finished are taken from it.

    `group`: the sweep this is a job of, for the trackers. A shard runs its part of the pairs, and
    keeps what `merge` needs. Raises ScoregeoError for what cannot be run; the caller marks the
    folder as failed.
    """
    settings = experiment.settings
    begin(settings, experiment.trackers, folder, group)
    problem = _problem(experiment)
    kept = KeptPairs(folder.path / UNFINISHED)
    if isinstance(problem, LatentProblem):
        problem.keep_in(kept)
    measures = Measures(experiment, problem)
    comparison = SetComparison(measures.reference, settings.evaluation, settings.seed)
    methods = problem.methods()
    counts = count(len(set(problem.units)), "pair"), count(len(methods), "method")
    log.info("%s, %s, in %s", *counts, folder.path)
    if isinstance(problem, LatentProblem) and settings.evaluation.figures:
        log.info("inverting the end points")
        show_ends(problem, folder.path)
    records: list[Record] = []
    earlier = Earlier(folder)
    pictured: Pictured | None = None
    with (
        logging_redirect_tqdm(),
        tqdm(total=len(methods), desc=settings.name, unit="method", disable=None) as bar,
    ):
        for name, method in methods.items():
            record = folder.load_method(name)
            if record is None:
                if isinstance(problem, LatentProblem):  # its networks take minutes on a processor
                    log.info("%s: solving", name)
                outcome = _solve(experiment, name, method, problem.budget(name))
                if isinstance(problem, LatentProblem):
                    points = count(len(outcome.path) * outcome.path.shape[1], "point")
                    log.info("%s: decoding and measuring %s", name, points)
                frames = earlier.frames(outcome)
                frames = measures.frames(outcome) if frames is None else frames
                part = _measured(problem, measures, name, outcome, frames)
                record = part if settings.shard is not None else whole_record([part], comparison)
                folder.save_method(name, record)
                kept.clear()
            else:
                log.info("%s: taken from the interrupted run", name)
            for tracker in experiment.trackers:
                tracker.method(name, record["pairs"], record["history"])
            if settings.evaluation.figures and record["decoded"]:
                pictured = _pictured(problem, {name: frames_of(record)}, pictured)
            earlier.add(record)
            records.append({**record, "tensors": {}})  # of one method at a time in memory
            bar.update()
    kept.clear()
    if settings.evaluation.figures and pictured is None:  # curves alone
        pictured = _pictured(problem, {}, None)
    facts = {
        "methods": list(methods),
        "pairs": len(set(problem.units)),
        "weights": measures.weights,
        "notes": measures.notes(),
    }
    if settings.shard is None:
        conclude(
            experiment.dataset, settings, experiment.trackers, folder, records, pictured, facts
        )
    else:
        comparison.save(folder.path / KEPT)
        if pictured is not None:
            pictured.save(folder.path / KEPT)
        folder.finish(**facts, shard=settings.shard, shards=settings.shards)


def begin(
    settings: RunSettings, trackers: Sequence[AbstractTracker], folder: RunFolder, group: str | None
) -> None:
    """What comes before a run's first method, and before a merge."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    for tracker in trackers:
        tracker.start(folder.path, folder.config, group)


def conclude(
    dataset: AbstractDataset,
    settings: RunSettings,
    trackers: Sequence[AbstractTracker],
    folder: RunFolder,
    records: Sequence[Mapping[str, Any]],
    pictured: Pictured | None,
    facts: Mapping[str, Any],
) -> None:
    """From the records of all pairs to the tables, pictures, the manifest and the page; `facts` go
    into the manifest.
    """
    evaluation = settings.evaluation
    summary = summarise(records)
    folder.write_results(
        [line for record in records for line in record["pairs"]],
        summary,
        compare_methods(records),
        compare_pairwise(records),
    )
    pictures: list[Path] = []
    if pictured is not None:  # after the results: no picture can lose them
        histories = {record["method"]: record["history"] for record in records if record["history"]}
        pictures = write_pictures(folder.path, dataset, pictured, histories, evaluation.saved_pairs)
    for tracker in trackers:
        tracker.finish(summary, pictures)
    folder.finish(**facts)
    write_page_of(folder.path)


def _problem(experiment: Experiment) -> AbstractProblem:
    if experiment.extrapolations:
        return ExtrapolationProblem(experiment)
    return (
        InterpolationProblem(experiment)
        if experiment.text_model is None
        else LatentProblem(experiment)
    )


def _solve(
    experiment: Experiment,
    name: str,
    method: Callable[[OnStep | None], Outcome],
    budget: int | None,
) -> Outcome:
    """Run one method with its own progress bar, and pass its steps to the trackers."""
    if budget is None:
        return method(None)
    with tqdm(total=budget, desc=name, unit="step", leave=False, disable=None) as bar:

        def on_step(step: Step) -> None:
            bar.update()
            bar.set_postfix(energy=f"{float(step.energy.median()):.4g}", refresh=False)
            for tracker in experiment.trackers:
                tracker.step(name, step)

        return method(on_step)


class Earlier:
    """The frames of a run's finished methods, in its folder, known by the noisy paths that they
    were decoded from.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._methods: dict[str, str] = {}

    def add(self, record: Record) -> None:
        """A method that has been saved."""
        tensors = record["tensors"]
        if record["decoded"] and FRAMES in tensors:
            self._methods.setdefault(content_hash(tensors[POINTS].cpu()), record["method"])

    def frames(self, outcome: Outcome) -> torch.Tensor | None:
        """Those of an earlier method whose noisy paths were the same, as a baseline's and the
        solver's start are; else None.
        """
        method = self._methods.get(content_hash(outcome.path.cpu())) if outcome.noisy else None
        record = None if method is None else self._folder.load_method(method)
        return None if record is None else record["tensors"].get(FRAMES)


def _measured(
    problem: AbstractProblem,
    measures: Measures,
    name: str,
    outcome: Outcome,
    frames: torch.Tensor | None,
) -> Record:
    """Measure one method's paths and their decoded `frames`: the record of these pairs."""
    values = measures.of_pairs(name, outcome, frames)
    if name != TRUTH:
        states = ", ".join(
            f"{outcome.status.count(state)} {state}" for state in dict.fromkeys(outcome.status)
        )
        log.info("%s: %s; %.2f s", name, states, outcome.seconds)
    return part_record(problem, name, outcome, frames, values, measures.features(frames))


def _pictured(
    problem: AbstractProblem, decoded: Mapping[str, torch.Tensor], before: Pictured | None
) -> Pictured:
    """What a person looks at of a `decoded` method, beside the methods `before`."""
    pairs, frames = problem.pictured(decoded)
    experiment = problem.experiment
    shown = Pictured(pairs, frames).needed(
        experiment.dataset, experiment.settings.evaluation.saved_pairs
    )
    earlier = {} if before is None else before.frames
    return replace(shown, frames={**earlier, **shown.frames})
