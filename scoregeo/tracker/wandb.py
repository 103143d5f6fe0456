"""Weights & Biases: online where a key is configured, else offline; never a reason for a run to fail."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from scoregeo.core.errors import check_choice
from scoregeo.solver.base import Step
from scoregeo.tracker.base import AbstractTracker

log = logging.getLogger(__name__)

MODES = ("auto", "online", "offline")
_PATIENCE = 30  # seconds to wait for the server
_MOST_PICTURES = 40


class WandbTracker(AbstractTracker):
    """Logs configuration, mean energy per iteration, the table of results, strips and figures.

    `mode`: "auto" is "online" where a key is configured, else "offline". Where online fails, offline is used; whatever goes
    wrong is logged and tracking goes on without.
    """

    def __init__(self, project: str = "scoregeo", entity: str | None = None, mode: str = "auto") -> None:
        check_choice("tracker.wandb.mode", mode, MODES)
        self.project, self.entity, self.mode = project, entity, mode
        self._run: Any = None

    def start(self, folder: Path, config: Mapping[str, Any]) -> None:
        mode = self.mode if self.mode != "auto" else ("online" if has_key() else "offline")
        self._run = None
        for chosen in dict.fromkeys((mode, "offline")):
            self._guard(f"start {chosen}", partial(self._start, folder, config, chosen))
            if self._run is not None:
                return

    def step(self, method: str, step: Step) -> None:
        values = {
            f"{method}/iteration": step.iteration,
            f"{method}/energy": float(step.energy.mean()),
            f"{method}/score_evaluations": float(step.score_evaluations.double().mean()),
        }
        self._guard("log a step", lambda: self._run.log(values))

    def method(self, name: str, lines: Sequence[Mapping[str, Any]]) -> None:
        """Nothing yet: the table is logged whole at the end."""

    def finish(self, summary: Sequence[Mapping[str, Any]], pictures: Sequence[Path]) -> None:
        self._guard("log the results", lambda: self._results(summary, pictures))
        self._close(0)

    def fail(self, error: str) -> None:
        self._guard("log the failure", lambda: self._run.summary.update({"error": error}))
        self._close(1)

    def _start(self, folder: Path, config: Mapping[str, Any], mode: str) -> None:
        import wandb

        settings = wandb.Settings(silent=True, init_timeout=_PATIENCE, console="off")
        self._run = wandb.init(
            project=self.project,
            entity=self.entity,
            name=str(config.get("name") or folder.name),
            config=dict(config),
            dir=str(folder),
            mode=mode,  # type: ignore[arg-type]
            settings=settings,
            reinit="finish_previous",
        )
        where = self._run.url if mode == "online" else Path(self._run.dir).parent
        log.info("wandb: %s, %s%s", mode, where, "" if mode == "online" else " (send it with: wandb sync FOLDER)")

    def _results(self, summary: Sequence[Mapping[str, Any]], pictures: Sequence[Path]) -> None:
        import wandb

        columns = list(dict.fromkeys(key for row in summary for key in row))
        table = wandb.Table(columns=columns, data=[[row.get(key) for key in columns] for row in summary])
        shown = {f"pictures/{path.stem}": wandb.Image(str(path)) for path in pictures[:_MOST_PICTURES]}
        self._run.log({"results": table, **shown})
        means = {f"{row['method']}/{row['measure']}": row["mean"] for row in summary if row["group"] == "all"}
        self._run.summary.update(means)

    def _close(self, code: int) -> None:
        self._guard("finish", lambda: self._run.finish(exit_code=code))
        self._run = None

    def _guard(self, action: str, do: Callable[[], Any]) -> None:
        """Do it if there is a run; log any trouble and go on without the tracker."""
        if self._run is None and not action.startswith("start"):
            return
        try:
            do()
        except Exception as error:  # whatever the service or the network raises, the run's results come first
            log.warning("wandb could not %s (%s: %s); the run goes on.", action, type(error).__name__, str(error).split("\n")[0])
            self._run = None


def has_key() -> bool:
    """Whether a key for the server is configured: WANDB_API_KEY, or an entry of the netrc file."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    path = Path(os.environ.get("NETRC", Path.home() / ".netrc"))
    try:
        return netrc(path).authenticators(host) is not None
    except (OSError, NetrcParseError):
        return False
