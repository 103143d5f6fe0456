"""Weights & Biases: online where a key is configured, else offline; never a reason for a run to
fail.
"""

import logging
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from scoregeo._utils.errors import bad_value, check_choice
from scoregeo.solver.base import Step
from scoregeo.tracker.base import AbstractTracker
from scoregeo.tracker.curve import StepLengths, curve
from scoregeo.tracker.naming import CURVES, ENERGY, EVALUATIONS, ITERATION, PROGRESS, job_type, tags
from scoregeo.tracker.wandb_memory import Memory
from scoregeo.tracker.wandb_results import results, values

log = logging.getLogger(__name__)

MODES = ("auto", "online", "offline")
_DISABLED = "disabled"
_LONGEST = 128  # letters of a project's name, by the server
_PATIENCE = 30  # seconds to wait for the server
_KEYS = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")
_HOSTS = (
    "api.wandb.ai",
    "api.forge.coreweave.com",
)  # two names of the public server; which is the default depends on the version
_DATA = "WANDB_DATA_DIR"  # where the library keeps a table's pictures until they are uploaded


class WandbTracker(AbstractTracker):
    """Logs configuration, curves of the iterations, a table of pairs with strips and animations,
    the table of results, figures.

    Names are those of `scoregeo.tracker.naming`. While a method iterates its progress is logged;
    its curves follow whole when it has finished, so that a killed run that resumes, in the same
    run there, has each curve once. Runs of a sweep are a group.

    `mode`: "auto" is what WANDB_MODE says (online, offline, disabled), else "online" where a key is
    configured, else "offline". Where online fails, offline is used; whatever goes wrong is logged
    and the run continues without.
    """

    def __init__(
        self, project: str = "scoregeo", entity: str | None = None, mode: str = "auto"
    ) -> None:
        check_choice("tracker.wandb.mode", mode, MODES)
        for key, value in (("project", project), ("entity", entity)):
            name = key == "entity" and value is None or isinstance(value, str) and bool(value)
            if not name or re.search(r"[/\\#?%:]", value or "") or len(value or "") > _LONGEST:
                allowed = f"a name of at most {_LONGEST} letters without / \\ # ? % :"
                raise bad_value(f"tracker.wandb.{key}", value, allowed)
        self.project, self.entity, self.mode = project, entity, mode
        self._run: Any = None

    def start(self, folder: Path, config: Mapping[str, Any], group: str | None = None) -> None:
        self._run = None
        mode = self.mode if self.mode != "auto" else wanted_mode()
        if mode == _DISABLED:
            log.info("wandb: nothing is tracked, as WANDB_MODE=%s says", _DISABLED)
            return
        self._folder, self._lengths = folder, StepLengths()
        self._lines: list[Mapping[str, Any]] = []
        for chosen in dict.fromkeys((mode, "offline")):
            self._guard(f"start {chosen}", partial(self._start, config, group, chosen))
            if self._run is not None:
                return
            self._guard("start anew", _stop_service)  # a second run would find the first's trouble

    def step(self, method: str, step: Step) -> None:
        self._guard("log a step", partial(self._step, method, step))

    def method(
        self, name: str, lines: Sequence[Mapping[str, Any]], history: Mapping[str, Any]
    ) -> None:
        self._lines += lines
        self._guard("log a curve", partial(self._curve, name, len(lines), history))

    def finish(self, summary: Sequence[Mapping[str, Any]], pictures: Sequence[Path]) -> None:
        self._guard("log the results", partial(self._results, summary, pictures))
        self._close(0)

    def fail(self, error: str) -> None:
        self._guard("log the failure", lambda: self._run.summary.update({"error": error}))
        self._close(1)

    def _start(self, config: Mapping[str, Any], group: str | None, mode: str) -> None:
        import wandb

        self._memory = Memory.of(self._folder, config)
        self._run = wandb.init(
            project=self.project,
            entity=self.entity,
            id=self._memory.id,
            resume="allow",
            name=f"{config.get('name') or 'run'}/{self._folder.name}",
            group=group,
            job_type=job_type(config),
            tags=tags(config),
            config=dict(config),
            dir=str(self._folder),
            mode=mode,  # type: ignore[arg-type]
            settings=wandb.Settings(silent=True, init_timeout=_PATIENCE, console="off"),
            reinit="finish_previous",
        )
        self._run.define_metric(EVALUATIONS, hidden=True)
        self._run.define_metric(f"{CURVES}/*", step_metric=EVALUATIONS)
        where = self._run.url if mode == "online" else Path(self._run.dir).parent
        log.info(
            "wandb: %s, %s%s",
            mode,
            where,
            "" if mode == "online" else " (send it with: wandb sync FOLDER)",
        )

    def _step(self, method: str, step: Step) -> None:
        self._lengths.hear(method, step)
        energy = float(step.energy.mean())
        progress = {f"{PROGRESS}/{ITERATION}": step.iteration} | (
            {f"{PROGRESS}/{ENERGY}": energy} if math.isfinite(energy) else {}
        )
        self._run.log(progress)

    def _curve(self, method: str, pairs: int, history: Mapping[str, Any]) -> None:
        rows = (
            []
            if method in self._memory.curves
            else curve(method, history, self._lengths.of(method, pairs))
        )
        for row in rows:
            self._run.log(row)
        if rows:
            self._memory = self._memory.with_curves(
                method, list(dict.fromkeys(key for row in rows for key in row))
            )

    def _results(self, summary: Sequence[Mapping[str, Any]], pictures: Sequence[Path]) -> None:
        with _data_in(self._folder / "wandb" / "data"):
            self._run.log(results(self._folder, self._lines, summary, pictures))
        self._run.summary.update(
            values(summary) | ({"error": None} if self._memory.went_on else {})
        )

    def _close(self, code: int) -> None:
        self._guard("finish", lambda: self._run.finish(exit_code=code))
        self._run = None

    def _guard(self, action: str, do: Callable[[], Any]) -> None:
        """Do it if there is a run; log any trouble and continue without the tracker."""
        if self._run is None and not action.startswith("start"):
            return
        try:
            do()
        except (
            Exception
        ) as error:  # whatever the service or the network raises, the run's results come first
            log.warning(
                "wandb could not %s (%s: %s); the run continues.",
                action,
                type(error).__name__,
                str(error).split("\n")[0],
            )
            self._run = None


def wanted_mode() -> str:
    """What the environment asks for: "online", "offline" or "disabled"."""
    given = os.environ.get("WANDB_MODE", "").strip().lower()
    if given in ("online", "offline", _DISABLED):
        return given
    if given == "dryrun":  # an older name of it
        return "offline"
    return "online" if has_key() else "offline"


def has_key() -> bool:
    """Whether a key for the server is configured: in the environment, the library's settings file,
    or the netrc file.
    """
    if any(os.environ.get(name) for name in _KEYS):
        return True
    url, key = _settings()
    if key:
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL") or url).netloc
    path = Path(os.environ.get("NETRC", Path.home() / ".netrc"))
    try:
        found = netrc(path)
    except (OSError, NetrcParseError, UnicodeDecodeError):
        return False
    return any(
        found.authenticators(name) is not None for name in (_HOSTS if host in _HOSTS else (host,))
    )


def _stop_service() -> None:
    """End the library's own process, and what it holds of a run that could not start."""
    import wandb

    wandb.teardown()


def _settings() -> tuple[str, str | None]:
    """The server's address and the key that the library's own settings hold."""
    try:
        import wandb

        settings = wandb.setup().settings
        return str(settings.base_url), settings.api_key
    except Exception:  # a damaged settings file, another version of the library
        return f"https://{_HOSTS[0]}", None


@contextmanager
def _data_in(folder: Path) -> Iterator[None]:
    """Have the library keep what a table holds in `folder`, not in the user's home, unless the user
    said where.

    Else the folder of an offline run would lack the pictures of its tables.
    """
    if _DATA in os.environ:
        yield
        return
    os.environ[_DATA] = str(folder.absolute())
    try:
        yield
    finally:
        os.environ.pop(_DATA, None)
