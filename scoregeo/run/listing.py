"""The list of runs and sweeps below a folder, which `scoregeo list` shows."""

from datetime import datetime
from pathlib import Path

from scoregeo._utils.errors import DataError
from scoregeo._utils.jobs import DONE, FAILED, SWEEP, read_jobs, read_record, records
from scoregeo._utils.lock import is_abandoned
from scoregeo._utils.results import read_manifest
from scoregeo._utils.words import count
from scoregeo.evaluation.columns import TITLES, headlines
from scoregeo.report.names import method_name
from scoregeo.run.console import ALL, TRUTH, number, rows_of
from scoregeo.run.folder_state import RUNNING


def list_runs(output: Path) -> str:
    """A line for each run and each sweep below `output`, newest first.

    A run: folder, status (interrupted where its process is gone), seconds, headline or the reason
    of its failure. A sweep: folder, how many
    of its jobs are done and have failed, when the last of them ended, command.
    Raises DataError where `output` is not a folder.
    """
    if not output.is_dir():
        raise DataError(f"{output} is not a folder: the folder of runs is expected.")
    runs = (path for path in output.glob("*/*/manifest.json") if not path.parent.is_symlink())
    sweeps = (path for depth in ("*", "*/*") for path in output.glob(f"{depth}/{SWEEP}"))
    sweeps = (path for path in sweeps if not path.parent.is_symlink())
    lines = [(path.stat().st_mtime, _run_line(path)) for path in runs]
    lines += [_sweep_line(path) for path in sweeps]
    lines.sort(key=lambda line: line[0], reverse=True)
    return "\n".join(text for _, text in lines) if lines else f"no runs in {output}"


def _run_line(path: Path) -> str:
    try:
        manifest = read_manifest(path.parent)
    except DataError as error:
        return f"{path.parent}  damaged  {error}"
    seconds = float(manifest.get("seconds") or 0.0)
    shown = manifest.get("error") or _headline(path.parent)
    status = manifest.get("status")
    if status == RUNNING and is_abandoned(path.parent):
        status, shown = "interrupted", "the same command goes on with it"
    return f"{path.parent}  {status}  {seconds:.1f} s  {shown}"


def _sweep_line(path: Path) -> tuple[float, str]:
    """When a sweep's last record was written, in seconds, and its line."""
    folder = path.parent
    last = max(one.stat().st_mtime for one in (path, *records(folder)))
    when = datetime.fromtimestamp(last).strftime("%Y-%m-%d %H:%M")
    jobs = read_jobs(folder)
    done, failed = (sum(job.status == state for job in jobs) for state in (DONE, FAILED))
    record = read_record(path)
    counts = f"sweep: {done} of {count(len(jobs), 'job')} done, {failed} failed"
    return last, f"{folder}  {counts}  {when}  {record.get('command', '')}".rstrip()


def _headline(folder: Path) -> str:
    """The first headline measure of the last method."""
    rows = [row for row in rows_of(folder) if row["group"] == ALL and row["mean"] is not None]
    for name in headlines(rows):
        of = [row for row in rows if row["measure"] == name and row["method"] != TRUTH]
        if of:
            return f"{method_name(of[-1]['method'])}: {TITLES[name]} {number(of[-1]['mean'])}"
    return ""
