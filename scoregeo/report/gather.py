"""What the parent of a multirun makes of its jobs: one page, or one a study and experiment."""

import logging
import shutil
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from scoregeo._utils.errors import DataError, bad_value
from scoregeo._utils.jobs import PARTIAL, SWEEP, RecordedJob, read_jobs, read_record, wholes
from scoregeo._utils.results import read_manifest
from scoregeo.report.model import FIGURES, Page, is_page
from scoregeo.report.page_settings import PageSettings, read_settings
from scoregeo.report.render import HTML, MARKDOWN, write_page
from scoregeo.report.run import DONE
from scoregeo.report.run_page import clear_figures, duration, result_page
from scoregeo.report.study import Study, study_page
from scoregeo.report.sweep import read_sweep
from scoregeo.report.sweep_page import write_sweep

log = logging.getLogger(__name__)

_NOT_SHOWN = ("output", "results", "overwrite")
_NOT_SWEPT = (*_NOT_SHOWN, "study", "profile", "shard", "shards")


def gather_multirun(folder: Path, results: Path | None = None) -> dict[str, str]:
    """Write a multirun's page into its folder, or its pages into `results` (None: its own folder);
    gives the failed jobs with their reasons.

    A study has its page, `results`/NAME; with `pages` in the record each experiment has one too.
    """
    record, jobs = read_record(folder / SWEEP), wholes(read_jobs(folder))
    _, read = read_sweep(folder)
    reasons = {job.name: job.failure for job in read}
    partial = {job.name for job in jobs if job.status == PARTIAL}  # as they were asked for
    failures = {
        job.title: job.failure
        for job in read
        if job.failure is not None and job.name not in partial
    }
    studies = list(
        dict.fromkeys(study for job in jobs if (study := job.choice("study")) is not None)
    )
    if not studies and not record.get("pages"):
        _sweep(folder)
        return failures
    out = results or folder
    seconds: dict[Path, float] = {}
    for study in studies:
        of_study = [job for job in jobs if job.choice("study") == study]
        seconds |= _study(study, of_study, reasons, out)
    for job in jobs if record.get("pages") else ():
        if job.choice("study") is None and reasons[job.name] is None:
            seconds |= _experiment(job, out)
    log.info("all runs: %s of work", duration(sum(seconds.values())))
    return failures


def _sweep(folder: Path) -> None:
    """One page of all jobs, in the multirun's folder."""
    try:
        write_sweep(folder)
    except DataError as error:
        log.error("%s", error)
        return
    log.info("sweep: %s, %s", folder / MARKDOWN, folder / HTML)


def _study(
    name: str, jobs: Sequence[RecordedJob], reasons: dict[str, str | None], out: Path
) -> dict[Path, float]:
    """A study's page; gives its runs' seconds."""
    page = page_of(jobs)
    swept = _swept(jobs)
    key = page.key or ", ".join(swept)
    labels = {job.name: _label(job, swept) for job in jobs}
    done = {labels[job.name]: job.run for job in jobs if reasons[job.name] is None}
    failed = {labels[job.name]: str(why) for job in jobs if (why := reasons[job.name]) is not None}
    study = Study(name, page, key, done, failed, _command(jobs, swept))
    if done:
        clear_figures(out / name)
    made = (_located(page.writer) if page.writer else study_page)(study, out / name)
    found = {run: _seconds(run) for run in done.values()}
    if made is not None:
        written = write_page(made, out / name)
        log.info("page: %-32s %7.1f s   %s", name, sum(found.values()), written)
    return found


def _label(job: RecordedJob, swept: Sequence[str]) -> str:
    """A job's name on its study's page: its case, and what is swept beside the cases."""
    case = job.page.get("case")
    beside = [key for key in swept if case is None or not key.startswith("case/")]
    return ", ".join([*([] if case is None else [str(case)]), *(_value(job, k) for k in beside)])


def _located(name: str) -> Callable[[Study, Path], Page | None]:
    module, _, function = name.rpartition(".")
    try:
        found: Callable[[Study, Path], Page | None] = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise bad_value("page.writer", name, f"a function that can be imported ({error})") from None
    return found


def _experiment(job: RecordedJob, out: Path) -> dict[Path, float]:
    name = str(job.choice("experiment") or "custom")
    if is_page(job.run):  # of a runner of its own
        clear_figures(out / name)
        if (job.run / FIGURES).is_dir():
            shutil.copytree(job.run / FIGURES, out / name / FIGURES, dirs_exist_ok=True)
        write_page(Page.load(job.run), out / name)
    else:
        result_page(name, page_of([job]), job.run, _command([job], ()), out)
    log.info("page: %-32s %7.1f s   %s", name, _seconds(job.run), out / name / MARKDOWN)
    return {job.run: _seconds(job.run)}


def page_of(jobs: Sequence[RecordedJob]) -> PageSettings:
    """The page settings of the first job that has any: what they say of the page is the same in
    all.
    """
    return read_settings(next((job.page for job in jobs if job.page), {}))


def _swept(jobs: Sequence[RecordedJob]) -> list[str]:
    """The keys whose values differ between jobs; of a single job, those that stand before the
    study's name, as parameters do.
    """
    keys = list(dict.fromkeys(one.partition("=")[0] for job in jobs for one in job.overrides))
    keys = [key for key in keys if key not in _NOT_SWEPT]
    if len(jobs) > 1:
        return [key for key in keys if len({_value(job, key) for job in jobs}) > 1]
    before = jobs[0].overrides[
        : [one.partition("=")[0] for one in jobs[0].overrides].index("study")
    ]
    return [key for key in keys if any(one.startswith(f"{key}=") for one in before)]


def _value(job: RecordedJob, key: str) -> str:
    return next(
        (one.partition("=")[2] for one in job.overrides if one.partition("=")[0] == key), ""
    )


def _command(jobs: Sequence[RecordedJob], swept: Sequence[str]) -> str:
    """The command that remakes a page: what its jobs have in common and the sweeps that were typed,
    less what a study's own file says.
    """
    left = [one for one in jobs[0].overrides if one.partition("=")[0] not in (*_NOT_SHOWN, *swept)]
    record = read_record(jobs[0].folder.parent / SWEEP)
    typed = [key for key in swept if f" {key}=" in str(record.get("command", ""))]
    values = {key: dict.fromkeys(_value(job, key) for job in jobs) for key in typed}
    sweeps = [f"{key}={','.join(found)}" for key, found in values.items()]
    return " ".join(["scoregeo", *(record.get("flags") or []), *left, *sweeps])


def _seconds(run: Path) -> float:
    manifest = read_manifest(run)
    return float(manifest.get("seconds") or 0.0) if manifest["status"] == DONE else 0.0
