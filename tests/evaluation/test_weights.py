"""Fetching weights from a server of our own: success, wrong digest, refusal, silence."""

import hashlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scoregeo.evaluation.statistics import NotAvailable
from scoregeo.evaluation.weights import WeightsFile

CONTENT = b"some weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()[:8]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / f"net-{DIGEST}.pth").write_bytes(CONTENT)
    (folder / "net-00000000.pth").write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()


def test_fetched_once_then_from_the_cache(server: str) -> None:
    weights = WeightsFile("Net", f"{server}/net-{DIGEST}.pth", 1)
    assert isinstance(weights.obtain(download=False), NotAvailable)
    path = weights.obtain()
    assert isinstance(path, Path) and path.read_bytes() == CONTENT
    assert weights.obtain(download=False) == path


def test_wrong_digest_is_refused_and_not_kept(server: str) -> None:
    weights = WeightsFile("Net", f"{server}/net-00000000.pth", 1)
    assert isinstance(weights.obtain(), NotAvailable)
    assert not weights.path.exists()


def test_damaged_cache_is_named() -> None:
    weights = WeightsFile("Net", f"http://127.0.0.1:9/net-{DIGEST}.pth", 1)
    weights.path.parent.mkdir(parents=True)
    weights.path.write_bytes(CONTENT[:5])
    answer = weights.obtain()
    assert isinstance(answer, NotAvailable) and "damaged" in answer.reason


def test_the_command_that_fetches_them_works(server: str) -> None:
    weights = WeightsFile("Net", f"{server}/net-{DIGEST}.pth", 1)
    answer = weights.obtain(download=False)
    assert (
        isinstance(answer, NotAvailable)
        and weights.command in answer.reason
        and "(evaluation.download=false or --no-download)" in answer.reason
    )
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    subprocess.run(weights.command, shell=True, check=True, capture_output=True)
    assert weights.obtain(download=False) == weights.path


def test_missing_on_the_server(server: str) -> None:
    answer = WeightsFile("Net", f"{server}/other-{DIGEST}.pth", 1).obtain()
    assert isinstance(answer, NotAvailable) and "HTTP error 404" in answer.reason


def test_no_connection(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        answer = WeightsFile(
            "Net", f"http://127.0.0.1:{taken.getsockname()[1]}/net-{DIGEST}.pth", 1
        ).obtain()
    assert isinstance(answer, NotAvailable) and "no connection" in answer.reason
    assert str(tmp_path) not in answer.reason


def test_a_silent_server_does_not_hold_us() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        answer = WeightsFile(
            "Net", f"http://127.0.0.1:{silent.getsockname()[1]}/net-{DIGEST}.pth", 1
        ).obtain(seconds=0.5)
        assert time.monotonic() - start < 5  # half a second, and room for a busy machine
    assert isinstance(answer, NotAvailable) and "no answer in time" in answer.reason
