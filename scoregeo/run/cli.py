"""The command line: `scoregeo experiment=sphere`. Whatever needs torch is imported only when a run
begins.
"""

import argparse
import logging
import math
import os
import re
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scoregeo import __version__
from scoregeo._utils.arguments import path_argument
from scoregeo._utils.configuration import config_dir
from scoregeo._utils.errors import ScoregeoError, StorageError
from scoregeo._utils.jobs import COMMON
from scoregeo._utils.streams import say, tolerant_streams
from scoregeo.run.command import execute, log_leftovers, plain, register
from scoregeo.run.config_flags import job_flags, overrides_first, typed_flags
from scoregeo.run.console import link_latest, show_run
from scoregeo.run.explain_override import chosen_by
from scoregeo.run.folder_state import remove_empty
from scoregeo.run.job_record import JobRecord
from scoregeo.run.launch import launch
from scoregeo.run.leftovers import typed_overrides
from scoregeo.run.listing import list_runs
from scoregeo.run.multirun import Gather
from scoregeo.run.overrides import as_overrides
from scoregeo.run.points import at_home, sharded

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)

_INTERRUPTED = 130  # exit status of what a SIGINT has ended, as shells give it


def main() -> None:
    """Entry point of the console script: a command of `COMMANDS`, or Hydra's overrides."""
    with tolerant_streams():
        _main()


def _main() -> None:
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    for argument in sys.argv[1:]:
        if not argument.isascii() and argument != argument.encode(errors="replace").decode():
            sys.exit(
                f"scoregeo: error: {ascii(argument)} is not in UTF-8: rename the file, or set a"
                " locale in which its name is."
            )
    if first in COMMANDS:
        COMMANDS[first](sys.argv[2:])
    elif re.fullmatch(r"[a-z][a-z-]*", first):
        sys.exit(
            f"scoregeo: error: {first!r} is not a command: commands are app, list, morph, report"
            f" and score; anything else is key=value{chosen_by(first)} or a flag (scoregeo --help)."
        )
    else:
        run_overrides(sys.argv[1:])


def run_overrides(arguments: Sequence[str], after: Callable[[Path], None] | None = None) -> None:
    """Run what Hydra makes of `arguments`: a run, a sweep, or one of Hydra's flags. A single run's
    folder is given to `after` once it is done.
    """
    import hydra

    found = sharded(arguments)
    if len(found) > len(arguments) or {"-m", "--multirun"} & set(found):
        found = ["-m", *(one for one in found if one not in ("-m", "--multirun"))]  # flags first
    sys.argv[1:] = as_overrides(at_home(overrides_first(found)))

    def job_and_after(config: "DictConfig") -> float:
        return job(config, after)

    task = job if after is None else job_and_after  # a launcher must find its job by name
    with _clear_errors():
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="config")(task)()


def launch_all(commands: Sequence[Sequence[str]], overrides: Sequence[str]) -> None:
    """Run many commands as one multirun (`scoregeo.run.launch.launch`); errors end the process as
    those of `main` do.
    """
    with _clear_errors():
        launch(commands, overrides, job)


@contextmanager
def _clear_errors() -> Iterator[None]:
    """End the process with one clear line for what Hydra, a launcher or the user stops."""
    from scoregeo.run.explain import compose_errors, explain

    debug = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = (
        "1"  # else Hydra prints what `explain` says better, and exits by itself
    )
    if str(Path.cwd()) not in sys.path:  # for a `_target_` in a module of the working folder
        sys.path.insert(0, str(Path.cwd()))
    register()
    # Hydra warns where an option is named like its launcher's own, as our preset `ray` is.
    warnings.filterwarnings(
        "ignore", message=r"(?s).*validated against ConfigStore schema with the same name"
    )
    Gather.sweep = None
    try:
        yield
    except BrokenPipeError:
        raise  # of what is printed: `tolerant_streams`
    except compose_errors() as error:
        if debug:
            raise
        sys.exit(f"scoregeo: error: {explain(error, config_dir())}")
    except KeyboardInterrupt:
        print("scoregeo: interrupted; the same command resumes.", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except StorageError as error:  # of what is written beside a run
        sys.exit(f"scoregeo: error: {error}")
    except Exception as error:
        if debug or Gather.sweep is None and _of_job(error):
            raise
        if Gather.sweep is None:
            sys.exit(f"scoregeo: error: {explain(error, config_dir())}")
        Gather.lost(error)
    finally:
        Gather.lock = None  # released: the folder is free for the next


def _of_job(error: Exception) -> bool:
    """Whether an error that nobody explains comes from a run, or from what follows one."""
    if isinstance(error, ScoregeoError):
        return False
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code in (job.__code__, launch.__code__) for frame, _ in frames)


def job(config: "DictConfig", after: Callable[[Path], None] | None = None) -> float:
    """One run, or one job of a multirun, in whichever process the launcher chose for it. Gives 0,
    or NaN for a job that failed. A single run's folder is given to `after`.

    A job that fails leaves its reason in its record, for the parent; a single run ends the command
    with it.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    settings = HydraConfig.get()
    path = _shown(Path(settings.runtime.cwd) / settings.run.dir)
    single, in_parent = settings.mode != RunMode.MULTIRUN, Gather.sweep is not None
    flags = typed_flags(sys.argv[1:]) if single or in_parent else job_flags(settings)
    typed = typed_overrides(settings.overrides.task)
    command = [*flags, *(one for one in typed if not one.startswith("results="))]
    log_leftovers(config, typed)
    if single:
        reason = execute(plain(config, typed), path, command)
        if reason is not None:
            hydra_files = {f"{settings.job.name}.log", str(settings.output_subdir)}
            _remove_unused(Path(settings.runtime.output_dir), hydra_files)
            sys.exit(f"scoregeo: error: {reason}")
        if after is not None:
            after(path)
        if path.parent == _shown(Path(settings.runtime.cwd) / config.output / config.name):
            link_latest(path)  # not in a folder of the user's choice
        show_run(path, list(config.page.measures))
        return 0.0
    record = JobRecord.begin(settings, path, in_parent)
    sweep = Path(settings.sweep.dir)
    reason = execute(plain(config, typed), path, command, sweep.name, sweep / COMMON)
    record.end(reason)
    return 0.0 if reason is None else math.nan


def _remove_unused(folder: Path, own: set[str]) -> None:
    """Remove the folder of a run that was refused where it holds only Hydra's `own` files."""
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= own:
        shutil.rmtree(folder, ignore_errors=True)  # an open log may stay on some systems
        remove_empty(folder.parent)


def _shown(path: Path) -> Path:
    """Relative to the working folder where it lies inside."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _app(arguments: Sequence[str]) -> None:
    from scoregeo.app.command import main as app

    app(arguments)


def _version(arguments: Sequence[str]) -> None:
    say(f"scoregeo {__version__}")


def _list(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="scoregeo list", description="The runs of a folder.")
    parser.add_argument("output", nargs="?", type=path_argument, default=Path("outputs"))
    try:
        say(list_runs(parser.parse_args(arguments).output))
    except ScoregeoError as error:
        sys.exit(f"scoregeo: error: {error}")


def _morph(arguments: Sequence[str]) -> None:
    """`scoregeo morph A B` is `scoregeo experiment=morph` of the two pictures."""
    from scoregeo.run.morph import read_command, write_morph

    try:
        command = read_command(arguments)
    except ScoregeoError as error:
        sys.exit(f"scoregeo: error: {error}")
    with command.as_typed():
        run_overrides(command.overrides, partial(write_morph, fps=command.fps))


def _report(arguments: Sequence[str]) -> None:
    from scoregeo.report.command import main as report

    report(arguments, "scoregeo report")


def _score(arguments: Sequence[str]) -> None:
    from scoregeo.run.score_frames import main as score

    score(arguments)


COMMANDS = {
    "--version": _version,
    "app": _app,
    "list": _list,
    "morph": _morph,
    "report": _report,
    "score": _score,
}


if __name__ == "__main__":
    main()
