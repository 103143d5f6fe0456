"""The command line: `scoregeo experiment=sphere`. Whatever needs torch is imported only when a run
begins.
"""

import logging
import math
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scoregeo._utils.configuration import config_dir
from scoregeo.run.command import execute, plain, register
from scoregeo.run.multirun import Gather, JobRecord, at_home, launch, sharded

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)


def main() -> None:
    """Entry point of the console script."""
    import hydra

    arguments = sharded(sys.argv[1:])
    if len(arguments) > len(sys.argv) - 1 and not {"-m", "--multirun"} & set(arguments):
        arguments.insert(0, "-m")  # flags come first
    sys.argv[1:] = at_home(arguments)
    with _told():
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="config")(job)()


def launch_all(commands: Sequence[Sequence[str]], overrides: Sequence[str]) -> None:
    """Run many commands as one multirun (`scoregeo.run.multirun.launch`); errors end the process as
    those of `main` do.
    """
    with _told():
        launch(commands, overrides, job)


@contextmanager
def _told() -> Iterator[None]:
    """End the process with one clear line for what Hydra, a launcher or the user stops."""
    from scoregeo.run.explain import compose_errors, explain

    debug = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = (
        "1"  # else Hydra prints what `explain` says better, and exits by itself
    )
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(
            0, str(Path.cwd())
        )  # so that a `_target_` in a module of the working folder is found
    register()
    # Hydra warns where an option is named like its launcher's own, as our preset `ray` is.
    warnings.filterwarnings(
        "ignore", message=r"(?s).*validated against ConfigStore schema with the same name"
    )
    Gather.sweep = None
    try:
        yield
    except compose_errors() as error:
        if debug:
            raise
        sys.exit(f"scoregeo: error: {explain(error, config_dir())}")
    except KeyboardInterrupt:
        sys.exit("scoregeo: interrupted; the same command resumes.")
    except Exception as error:
        if debug or Gather.sweep is None:
            raise
        Gather.lost(error)


def job(config: "DictConfig") -> float:
    """One run, or one job of a multirun, in whichever process the launcher chose for it. Gives 0,
    or NaN for a job that failed.

    A job that fails leaves its reason in its record, for the parent; a single run ends the command
    with it.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    settings = HydraConfig.get()
    path = _shown(Path(settings.runtime.cwd) / settings.run.dir)
    command = [one for one in settings.overrides.task if not one.startswith("results=")]
    if settings.mode != RunMode.MULTIRUN:
        reason = execute(plain(config), path, command)
        if reason is not None:
            sys.exit(f"scoregeo: error: {reason}")
        return 0.0
    record = JobRecord.begin(Path(settings.runtime.output_dir), path, settings.launcher._target_)
    reason = execute(plain(config), path, command, Path(settings.sweep.dir).name)
    record.end(reason)
    return 0.0 if reason is None else math.nan


def _shown(path: Path) -> Path:
    """Relative to the working folder where it lies inside."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


if __name__ == "__main__":
    main()
