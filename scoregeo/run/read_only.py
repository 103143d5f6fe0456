"""Runs on storage that cannot be written: one that is done is shown, any other refused, before
Hydra opens its log.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoregeo._utils.errors import ConfigError
from scoregeo._utils.streams import say
from scoregeo.run.console import show_run

if TYPE_CHECKING:
    from omegaconf import DictConfig


def check_log(config: "DictConfig", found: Mapping[str, Any]) -> None:
    """Ends the command with a run's table where its log cannot be opened and it is done. Raises
    ConfigError, naming `output`, where it is not. `found`: the resolved configuration.
    """
    folder = Path(config.hydra.run.dir)
    if not folder.is_dir():
        return
    try:
        with (folder / f"{config.hydra.job.name}.log").open("a", encoding="utf-8"):
            return
    except OSError as error:
        reason = error.strerror or str(error)
    from scoregeo.run.folder_state import DONE, state_of
    from scoregeo.run.inputs import inputs_of

    if found["overwrite"] or state_of(folder, found, inputs_of(found)) != DONE:
        raise ConfigError(
            f"output: {folder} cannot be written ({reason}): output must be a folder that can."
        )
    show_run(folder, list(found["page"]["measures"]))
    say(f"{folder} holds this configuration's results already, and cannot be written ({reason})")
    sys.exit(0)
