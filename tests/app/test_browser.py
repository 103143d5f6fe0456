"""The app clicked through in headless Chromium, wide and narrow, and hostile requests to its
server; nothing leaves this machine.
"""

import os
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scoregeo.app.command import Settings, serving
from tests.app.test_parts import HOSTILE, bomb
from tests.score.tiny_sd import IMAGE

pytestmark = pytest.mark.slow

MEGABYTES = 0.5  # of an upload
SECONDS = 120_000  # milliseconds that a busy machine may take


@dataclass
class Served:
    """The server's address, where it keeps its files, and whom this process has called."""

    address: str
    folder: Path
    called: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def served(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home, called = tmp_path_factory.mktemp("home"), list[str]()
    with pytest.MonkeyPatch.context() as patch:
        connect = socket.socket.connect

        def recorded(self: socket.socket, address: Any) -> Any:
            if self.family != socket.AF_UNIX:
                called.append(str(address[0]))
            return connect(self, address)

        patch.setattr(socket.socket, "connect", recorded)
        patch.setenv("GRADIO_SHARE", "True")  # not obeyed
        patch.setenv("GRADIO_ALLOWED_PATHS", "/")
        patch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
        patch.setattr(tempfile, "tempdir", str(home))
        patch.chdir(tmp_path_factory.mktemp("cwd"))
        before = dict(os.environ)
        with serving(Settings(str(tiny), max_size=MEGABYTES)) as address:
            (folder,) = home.glob("scoregeo-app-*")
            yield Served(address, folder, called)
        assert not list(home.iterdir()) and not list(Path.cwd().iterdir())
        assert dict(os.environ) == before


@dataclass
class Page:
    """A page, and what it did that it should not: errors, failed requests, calls elsewhere."""

    page: Any
    wrong: list[str] = field(default_factory=list)

    @property
    def status(self) -> Any:
        return self.page.locator("#status")

    def give(self, number: int, path: Path | str) -> None:
        self.page.locator("input[type=file]").nth(number).set_input_files(path)

    def set(self, label: str, value: int) -> None:
        """Fill a field of the open settings, until it is kept: Gradio gives the fields of a section
        their first values once more, some frames after it is opened."""
        fields = [
            self.page.get_by_label(f"{kind} for {label}", exact=True)
            for kind in ("number input", "range slider")
        ]
        for _ in range(20):
            fields[0].fill(str(value))
            self.page.wait_for_timeout(200)
            if all(field.input_value() == str(value) for field in fields):
                return
        raise AssertionError(f"{label}: {value} is not kept")

    def width(self, place: str) -> int:
        """Pixels of the picture there, once it is loaded."""
        image = f"document.querySelector('{place} img')"
        self.page.wait_for_function(f"{image}?.naturalWidth > 0", timeout=SECONDS)
        return int(self.page.evaluate(f"{image}.naturalWidth"))

    def wait(self, text: str) -> None:
        self.status.get_by_text(text).first.wait_for(timeout=SECONDS)


@pytest.fixture(params=[1280, 390])
def opened(chromium: Any, served: Served, request: pytest.FixtureRequest) -> Iterator[Page]:
    page = chromium.new_page(viewport={"width": request.param, "height": 900})
    page.set_default_timeout(SECONDS)
    found = Page(page)
    page.on("pageerror", lambda error: found.wrong.append(str(error)))
    page.on("console", lambda m: found.wrong.append(m.text) if m.type == "error" else None)
    page.on(
        "request",
        lambda one: (
            None
            if one.url.startswith((served.address, "data:", "blob:"))
            else found.wrong.append(one.url)
        ),
    )
    page.goto(served.address)
    page.get_by_role("button", name="Morph").wait_for(timeout=SECONDS)
    yield found
    assert page.evaluate("document.documentElement.scrollWidth") == request.param
    assert found.wrong == []
    page.close()


def test_two_pictures_become_a_morph(opened: Page, pictures: tuple[str, str]) -> None:
    page = opened.page
    page.get_by_role("button", name="Settings").click()
    shown = page.get_by_role("button", name="Remove Image")
    for number, path in enumerate(pictures):
        opened.give(number, path)
        shown.nth(number).wait_for(timeout=SECONDS)
    page.get_by_label("Prompt A").fill("<b>cat")
    page.get_by_label("Prompt B").fill("dog")
    opened.set("Frames", 5)
    opened.set("Steps of inversion and decoding", 2)
    page.locator("#run").click()
    page.locator("#status progress").wait_for(timeout=SECONDS)  # progress is seen
    page.locator("#frame img").wait_for(timeout=SECONDS)  # and the ends before the end
    facts = page.locator("#facts table")
    facts.wait_for(timeout=SECONDS)
    assert "Energy on a finer quadrature (certificate)" in facts.inner_text()
    assert float(facts.locator("tr", has_text="straight line").locator("td").inner_text()) > 0
    assert "“<b>cat” to “dog”" in facts.inner_text()
    assert page.locator("#status .warning").count() >= 2  # an untrained model keeps no picture
    slider = page.locator("#number input[type=range]")
    page.locator("#number input[type=range][max='5']").wait_for(timeout=SECONDS)
    for key, frame in (("Home", "000"), ("ArrowRight", "001"), ("End", "004")):
        slider.focus()
        page.keyboard.press(key)
        shows = f"document.querySelector('#frame img').src.endsWith('frame_{frame}.png')"
        page.wait_for_function(shows, timeout=SECONDS)
    assert opened.width("#frame") == IMAGE
    for place, name in (("#animation", "morph.gif"), ("#strip", "strip.png")):
        assert opened.width(place) > 0
        assert page.locator(f"{place} img").get_attribute("src").endswith(name)
    for name, start in (("GIF", b"GIF89a"), ("MP4", b"ftyp"), ("strip", b"\x89PNG")):
        with page.expect_download() as download:
            page.get_by_text(f"Save {name}").click()
        assert start in Path(download.value.path()).read_bytes()[:16]


def test_hostile_pictures_and_prompts_are_said_as_text(opened: Page, tmp_path: Path) -> None:
    text = tmp_path / "<img src=x onerror=alert(1)>.png"
    text.write_text("no picture")
    for path, words in (
        (text, "cannot be read as a picture"),
        (bomb(tmp_path / "b.png", 60_000), "b.png"),
    ):
        opened.give(0, path)
        opened.wait(words)
    opened.page.get_by_label("Prompt A").fill(HOSTILE)
    opened.page.get_by_label("Prompt B").fill("dog")
    opened.page.locator("#run").click()
    opened.wait("the model takes 12")
    assert HOSTILE in opened.status.inner_text().replace("\\'", "'")
    assert opened.status.locator("img, script").count() == 0


def test_an_example_is_taken_and_a_morph_stopped(opened: Page) -> None:
    page = opened.page
    page.get_by_role("button", name="Settings").click()
    page.get_by_text("dog face").click()
    page.get_by_role("button", name="Remove Image").nth(1).wait_for(timeout=SECONDS)
    assert page.get_by_label("Prompt A").input_value() == "cat face"
    page.get_by_label("Prompt A").fill("cat")
    page.get_by_label("Prompt B").fill("dog")
    opened.set("Frames", 129)
    opened.set("Steps of inversion and decoding", 100)
    page.locator("#run").click()
    page.locator("#status progress").wait_for(timeout=SECONDS)
    page.locator("#stop").click()
    opened.wait("Stopped.")
    assert page.locator("#run").is_enabled()


def test_the_server_keeps_uploads_to_its_folder(served: Served, tmp_path: Path) -> None:
    import httpx

    assert served.address.startswith("http://127.0.0.1:")
    api = f"{served.address}gradio_api"
    picture = tmp_path / "a.png"
    Image.new("RGB", (IMAGE, IMAGE)).save(picture)
    content = picture.read_bytes()
    with httpx.Client(trust_env=False) as client:
        for name in ("../../../evil.png", "/tmp/evil.png", "..\\evil.png", "a/../../evil.png"):
            sent = client.post(f"{api}/upload", files={"files": (name, content)})
            (kept,) = sent.json()
            assert Path(kept).resolve().is_relative_to(served.folder / "served")
            assert client.get(f"{api}/file={kept}").content == content
        outside = [
            p for p in served.folder.parent.rglob("*evil*") if served.folder not in p.parents
        ]
        assert not outside and not Path("/tmp/evil.png").exists()
        for name in ("x.html", "x.svg"):  # never run as a page of the app
            sent = client.post(f"{api}/upload", files={"files": (name, b"<script>1</script>")})
            answer = client.get(f"{api}/file={sent.json()[0]}")
            assert answer.headers["content-disposition"].startswith("attachment")
        large = client.post(f"{api}/upload", files={"files": ("l.png", bytes(2**20))})
        assert large.status_code == 413
        here = Path.cwd() / "secret.txt"
        here.write_text("secret")
        for path in ("/etc/hostname", str(here), str(picture), f"{served.folder}/../x", __file__):
            assert client.get(f"{api}/file={path}").status_code in (403, 404)
        here.unlink()
        assert client.get(f"{api}/file=http://example.org/").status_code == 403
        assert client.get(served.address, headers={"host": "evil.example"}).status_code == 400
        elsewhere = {"origin": "http://evil.example"}
        sent = client.post(f"{api}/upload", headers=elsewhere, files={"files": ("a.png", content)})
        assert sent.status_code == 403


@pytest.mark.parametrize("path", ["http://example.org/a.png", "/etc/hostname", __file__])
def test_a_made_up_request_reads_and_fetches_nothing(
    served: Served, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked with a path or an address in place of an upload, as no page asks."""
    import httpx

    asked: list[Any] = []

    async def fetch(*arguments: Any, **settings: Any) -> str:
        asked.append(arguments)
        return path

    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", fetch)
    monkeypatch.setattr("scoregeo.app.page.read_upload", asked.append)
    api = f"{served.address}gradio_api"
    with httpx.Client(trust_env=False) as client:
        calls = client.get(f"{served.address}config").json()["dependencies"]
        index = next(one["id"] for one in calls if one["targets"][0][1] == "upload")
        value = {"path": path, "meta": {"_type": "gradio.FileData"}}
        body = {"data": [value], "fn_index": index, "session_hash": "made up"}
        assert client.post(f"{api}/queue/join", json=body).is_success
        where = f"{api}/queue/data?session_hash=made%20up"
        with client.stream("GET", where, timeout=60) as answer:
            events = [line for line in answer.iter_lines() if "process_completed" in line]
    assert len(events) == 1 and '"success":false' in events[0].replace(" ", "")
    assert asked == []


def test_nothing_outside_this_machine_is_called(served: Served) -> None:
    assert served.called and set(served.called) <= {"127.0.0.1", "::1", "localhost"}
