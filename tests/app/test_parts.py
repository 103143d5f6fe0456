"""Uploads, models, words, examples and the guard of the app."""

import asyncio
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.app.command import Settings, read_settings, serving
from scoregeo.app.examples import write_examples
from scoregeo.app.guard import LOCAL, Guard, is_local
from scoregeo.app.models import Models
from scoregeo.app.uploads import LONGEST, read_upload
from scoregeo.app.words import Words, bar, note, table, verdict
from scoregeo.dataset.emoji import Emoji
from tests.commands import command

HOSTILE = "<img src=x onerror=alert(1)> {{value}} ${1+1} `x` & 'y' \"z\""


def bomb(path: Path, side: int) -> Path:
    """A PNG of a few bytes whose header promises `side` x `side` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b""))
    return path


def test_uploads_are_bounded_and_named_without_their_folder(tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("no picture")
    for path in (text, bomb(tmp_path / "bomb.png", 60_000), bomb(tmp_path / "b.png", 15_000)):
        with pytest.raises(DataError, match=f"^{path.name} ") as refused:
            read_upload(path)
        assert str(tmp_path) not in str(refused.value)


def test_pictures_are_kept_and_long_ones_made_shorter(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "small.png")
    assert np.array_equal(np.asarray(read_upload(tmp_path / "small.png")), pixels)
    Image.new("RGB", (2 * LONGEST, 100), "red").save(tmp_path / "long.png")
    long = read_upload(tmp_path / "long.png")
    assert long.size == (LONGEST, 50) and long.getpixel((0, 0)) == (255, 0, 0)


def test_a_model_is_loaded_once_and_others_may_be_refused(tiny: Path) -> None:
    models = Models(str(tiny))
    assert not models.loaded("")
    first = models.get()
    assert models.get(f" {tiny} ") is first and models.loaded("")
    closed = Models(str(tiny), others=False)
    assert closed.name("") == str(tiny)
    with pytest.raises(ConfigError, match="model = '/etc' is not allowed"):
        closed.get("/etc")


class Read(HTMLParser):
    """The tags and the text of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_text_is_shown_as_text() -> None:
    words = Words(HOSTILE, ((HOSTILE, HOSTILE),), (HOSTILE,))
    whole = verdict(words) + table(words)
    for shown, count in ((note(HOSTILE), 1), (bar(HOSTILE, 0.5), 1), (whole, 4)):
        read = Read(shown)
        assert read.words.count(HOSTILE) == count
        assert read.tags <= {"p", "div", "progress", "table", "tr", "th", "td"}
        assert "{{" not in shown and "${" not in shown and "`" not in shown


def test_examples_are_the_shipped_pairs(tmp_path: Path) -> None:
    found = write_examples(tmp_path, 2)
    pairs = Emoji(pairs=2).pairs(seed=0)
    assert [one[2:] for one in found] == list(pairs.prompts or ())
    for one, ends in zip(found, pairs.ends, strict=True):
        for path, end in zip(one[:2], ends, strict=True):
            given = np.rint((end.permute(1, 2, 0).numpy() + 1) * 127.5)
            assert np.array_equal(np.asarray(read_upload(path)), given)


def answer(
    hosts: tuple[str, ...], host: str, path: str, origin: str | None = None
) -> tuple[int, dict[bytes, bytes]]:
    """Status and headers of what a guarded application gives."""

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    headers = [(b"host", host.encode())]
    headers += [(b"origin", origin.encode())] if origin is not None else []
    scope = {"type": "http", "path": path, "headers": headers}
    asyncio.run(Guard(inner, hosts)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"])


def test_the_guard_refuses_other_names_and_other_servers() -> None:
    for host in ("127.0.0.1:7860", "localhost", "localhost:80", "[::1]:7860", "[::1]"):
        status, headers = answer(LOCAL, host, "/")
        assert status == 200
        assert b"default-src 'self'" in headers[b"content-security-policy"]
    for host in ("evil.example:7860", "evil.example", "127.0.0.1.evil.example", ""):
        assert answer(LOCAL, host, "/")[0] == 400
    assert answer((), "my-machine:7860", "/")[0] == 200
    for path in (
        "/gradio_api/file=http://x/y",
        "/gradio_api/file=HTTPS:%2F%2Fx",
        "/file=%68ttp:/x",
    ):
        assert answer(LOCAL, "localhost", path)[0] == 403
    assert answer(LOCAL, "localhost", "/gradio_api/file=/tmp/http.png")[0] == 200
    assert is_local("127.0.0.1") and is_local("::1") and is_local("localhost")
    assert not is_local("0.0.0.0") and not is_local("192.168.0.1") and not is_local("example.org")


def test_the_command_s_options(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings([]) == Settings("emoji_sd", "127.0.0.1", None, "cpu", 100.0)
    for arguments, words in (
        (["--max-size", "0"], "--max-size = 0.0 .*above 0"),
        (["--port", "70000"], "--port = 70000 .*at most 65535"),
        (["--host", "256.1.1.1"], "--host = '256.1.1.1' .*of this machine"),
        (["--host", ""], "--host = '' .*of this machine"),
        (["--host", "192.0.2.1"], "--host = '192.0.2.1' .*of this machine"),  # nobody's
        (["--device", "gpu"], "--device = 'gpu' .*'cpu', 'cuda'"),
        (["--device", "cuda:99"], "--device = 'cuda:99' "),
    ):
        said = command("app", *arguments)
        assert isinstance(said, str)
        with pytest.raises(ConfigError, match=words), serving(read_settings(arguments)):
            pass
    for model, said in (
        ("", "a path"),
        ("/nope", "neither a folder"),
        ("x.safetensors", "no such"),
    ):
        with pytest.raises((ConfigError, DataError), match=f"--model = '{model}'.*{said}"):
            serving(Settings(model)).__enter__()
    monkeypatch.setattr("scoregeo.app.command.find_spec", lambda name: None)
    assert command("app") == "scoregeo: error: the app needs Gradio: pip install scoregeo[app]"


def test_the_command_says_when_it_starts_and_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said_before: list[str] = []

    @contextmanager
    def served(settings: Settings) -> Iterator[str]:
        said_before.append(capsys.readouterr().out)
        yield "http://127.0.0.1:1"

    monkeypatch.setattr("scoregeo.app.command.serving", served)
    monkeypatch.setattr("scoregeo.app.command.signal.signal", lambda number, handler: handler())
    assert command("app") is None
    assert said_before == ["starting the app ...\n"]
    assert capsys.readouterr().out.splitlines()[-1] == "the app has ended"


HELP = """
import sys
from scoregeo.app.command import main
try:
    main(["--help"])
finally:
    print("HEAVY", sorted({"torch", "gradio", "diffusers", "matplotlib"} & set(sys.modules)))
"""


def test_help_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True)
    assert "--max-size" in done.stdout and "HEAVY []" in done.stdout
