"""Weights of public networks, from torch's hub cache or fetched into it: quickly refused where they
cannot be had.
"""

import contextlib
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scoregeo._utils.files import sha256
from scoregeo.evaluation.statistics import NotAvailable


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights on a public server. `url` ends in `-DIGEST.pth`, the first digits of its
    SHA-256.
    """

    name: str
    url: str
    megabytes: int

    @property
    def path(self) -> Path:
        """Where torch's hub, and so every library built on it, looks for the file."""
        import torch

        return Path(torch.hub.get_dir()) / "checkpoints" / self.url.rsplit("/", 1)[1]

    @property
    def digest(self) -> str:
        """The first hexadecimal digits of the file's SHA-256."""
        return self.path.stem.rsplit("-", 1)[1]

    @property
    def source(self) -> str:
        """Where the weights come from."""
        return self.url

    @property
    def command(self) -> str:
        """A shell command that puts the file in its place, on this machine or, to be copied, on one
        with network.
        """
        where = f"${{TORCH_HOME:-$HOME/.cache/torch}}/hub/checkpoints/{self.path.name}"
        return f'curl -L --fail --create-dirs -o "{where}" {self.url}'

    def obtain(self, *, download: bool = True, seconds: float = 8.0) -> Path | NotAvailable:
        """The file's path, its digest checked; fetched first where it is missing and `download`
        allows.

        Without network this answers within about `seconds`. A file of another digest is refused and
        left where it is."""
        if not self.path.is_file():
            # The reason goes into tables that are compared between runs, so it holds no path of
            # this machine.
            needed = (
                f"{self.name} weights ({self.megabytes} MB): no {self.path.name} in torch's hub"
                " cache"
            )
            fetch = f"with network, `{self.command}` fetches them"
            if not download:
                return NotAvailable(
                    f"{needed}, and downloads are off (evaluation.download=false or"
                    f" --no-download); {fetch}"
                )
            trouble = _trouble(self.url, seconds) or self._download(seconds)
            if trouble:
                return NotAvailable(f"{needed}, and its server gives {trouble}; {fetch}")
        found = sha256(self.path)
        if not found.startswith(self.digest):
            return NotAvailable(
                f"{self.name} weights: {self.path.name} is damaged (SHA-256 {found[:8]}, not"
                f" {self.digest}); delete it"
            )
        return self.path

    def _download(self, seconds: float) -> str | None:
        import torch

        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _socket_timeout(seconds):
                torch.hub.download_url_to_file(
                    self.url, str(self.path), hash_prefix=self.digest, progress=True
                )
        except (OSError, RuntimeError) as error:
            return _words(error)
        return None


def _trouble(url: str, seconds: float) -> str | None:
    """What stands between us and `url`, or None. In a thread, for looking a name up knows no time
    limit.
    """
    answer: list[str | None] = ["no answer in time"]

    def ask() -> None:
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, method="HEAD"), timeout=seconds
            ):
                answer[0] = None
        except (OSError, ValueError) as error:
            answer[0] = _words(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answer[0]


def _words(error: BaseException) -> str:
    """A few words that do not change from one run or machine to the next."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP error {error.code}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return "no connection" if isinstance(error, OSError) else f"{type(error).__name__}"


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """torch.hub sets no time limit of its own: a stalled transfer would hang for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
