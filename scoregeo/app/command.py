"""`scoregeo app`: the server of the page, for this machine alone unless it is told otherwise."""

import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scoregeo._utils.arguments import Parser
from scoregeo._utils.device import device_of
from scoregeo._utils.errors import ConfigError, ScoregeoError, bad_value, check_number
from scoregeo._utils.files import is_file, path_of
from scoregeo.app.guard import check_host

log = logging.getLogger(__name__)

SHIPPED = "emoji_sd"
WAITING = 8  # morphs in the queue, beside the one that runs
_HELP = "A page in the browser: two pictures or prompts in, a geodesic morph out."


@dataclass(frozen=True)
class Settings:
    """Options of the command; `port` None: the first free one from 7860 on; `max_size` in MB."""

    model: str = SHIPPED
    host: str = "127.0.0.1"
    port: int | None = None
    device: str = "cpu"
    max_size: float = 100.0


def main(arguments: Sequence[str]) -> None:
    """Serve the page until it is interrupted."""
    settings = read_settings(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stop = threading.Event()
    print("starting the app ...", flush=True)  # its imports take seconds
    try:
        with serving(settings) as address:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stop.set())
            print(f"{address} (Ctrl-C ends the app)", flush=True)
            stop.wait()
        print("the app has ended", flush=True)
    except ScoregeoError as error:
        sys.exit(f"scoregeo: error: {error}")


def read_settings(arguments: Sequence[str]) -> Settings:
    """What the command's arguments ask for."""
    parser = Parser(prog="scoregeo app", description=_HELP)
    add = parser.add_argument
    add("--model", default=SHIPPED, help="emoji_sd (shipped), a folder, a file, or a hub id")
    add("--host", default="127.0.0.1", help="address to serve; by default this machine alone")
    add("--port", type=int, help="by default the first free one from 7860 on")
    add("--device", default="cpu", help="cpu or cuda")
    add("--max-size", type=float, default=100.0, metavar="MB", help="of an upload; 100 by default")
    return Settings(**vars(parser.parse_args(list(arguments))))


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The server, running while this is entered; gives its address. All its files are in a
    temporary folder, which is removed at the end.

    Raises ConfigError where Gradio is not installed, or an option cannot be used.
    """
    if find_spec("gradio") is None:
        raise ConfigError("the app needs Gradio: pip install scoregeo[app]")
    check_number("--max-size", settings.max_size, above=0, at_most=10_000)
    if settings.port is not None:
        check_number("--port", settings.port, at_least=1, at_most=65535, integer=True)
    check_host(settings.host)
    device_of(settings.device, "--device")
    _check_model(settings.model)
    with tempfile.TemporaryDirectory(prefix="scoregeo-app-") as name:
        folder = Path(name)
        with _environment(folder / "served"):
            page = _launched(settings, folder)
            try:
                yield str(page.local_url)
            finally:
                page.close(verbose=False)


def _check_model(model: str) -> None:
    """Raise ConfigError or DataError for a name of no model, without loading one."""
    from scoregeo.score.find_folder import local_folder

    if not is_file(path_of("--model", model)):
        local_folder(model, "--model")


@contextmanager
def _environment(served: Path) -> Iterator[None]:
    """No setting of Gradio's from outside counts, nothing is reported to anyone, and its files are
    in `served`.
    """
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    no_proxy = ",".join(filter(None, [before.get("no_proxy"), "localhost,127.0.0.1,::1"]))
    os.environ.update(
        GRADIO_ANALYTICS_ENABLED="False",
        GRADIO_RUN_HISTORY="False",
        GRADIO_TEMP_DIR=str(served),
        HF_HUB_DISABLE_TELEMETRY="1",
        no_proxy=no_proxy,
        NO_PROXY=no_proxy,
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _launched(settings: Settings, folder: Path) -> Any:
    import gradio as gr
    from starlette.middleware import Middleware

    from scoregeo.app.examples import write_examples
    from scoregeo.app.guard import LOCAL, Guard, is_local
    from scoregeo.app.jobs import Jobs
    from scoregeo.app.models import Models
    from scoregeo.app.page import build
    from scoregeo.app.style import STYLE

    local = is_local(settings.host)
    if not local:
        log.warning(
            "Whoever reaches %s may use this app; it takes no other model than %s.",
            settings.host,
            settings.model,
        )
    models = Models(settings.model, settings.device, others=local)
    page = build(models, Jobs(models, folder / "jobs"), write_examples(folder / "examples"))
    page.queue(default_concurrency_limit=1, max_size=WAITING)
    guard: Any = Middleware(Guard, hosts=LOCAL if local else ())  # type: ignore[arg-type]
    try:
        page.launch(
            share=False,
            server_name=settings.host,
            server_port=settings.port,
            max_file_size=int(settings.max_size * 2**20),
            allowed_paths=[],
            inbrowser=False,
            prevent_thread_lock=True,
            quiet=True,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            footer_links=[],
            theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
            css=STYLE,
            app_kwargs={"middleware": [guard], "docs_url": None, "redoc_url": None},
        )
    except OSError as error:
        port = settings.port or "7860 to 7959"
        raise bad_value("--port", port, f"a free port of {settings.host}") from error
    return page
