"""The page: what it shows, and what its buttons do."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from scoregeo._utils.errors import DataError
from scoregeo.app.events import MOST_FRAMES, MOST_STEPS, Order, Progress, Result
from scoregeo.app.examples import Example
from scoregeo.app.jobs import Jobs
from scoregeo.app.models import Models
from scoregeo.app.picture_box import picture_box
from scoregeo.app.uploads import read_upload
from scoregeo.app.words import bar, note, table, verdict
from scoregeo.pipeline.parts import METRICS

_SMALL = 200  # pixels a side below which a frame's pixels are drawn as squares
_DAY = 24 * 3600  # seconds that a shown file is kept
WELCOME = "Give two pictures, two prompts, or a picture and two prompts; or choose an example."
HEADING = (
    "# Morph\nTwo pictures or prompts in, the frames of a geodesic between them out. The path is"
    " shortest in a metric of the model's score, in which leaving the data is expensive."
)
# The slider takes frames that the browser has already, without asking the server.
_SHOW_FRAME = "(number, frames) => frames?.[number - 1]?.image ?? null"


def build(models: Models, jobs: Jobs, examples: Sequence[Example]) -> gr.Blocks:
    """The page, to be launched."""
    with gr.Blocks(title="scoregeo", analytics_enabled=False, delete_cache=(3600, _DAY)) as page:
        gr.Markdown(HEADING)
        with gr.Row():
            with gr.Column(scale=5):
                inputs = _inputs(models)
            with gr.Column(scale=6):
                results = _Results()
        shown = inputs.values[:4]
        gr.Examples([list(one) for one in examples], shown, label="Examples", api_name="example")
        _connect(page, jobs, inputs, results)
    return page


class _Inputs:
    """What a user gives: `values` in the order of the fields of `Order`."""

    def __init__(self, pictures: Sequence[gr.Image], values: Sequence[Any]) -> None:
        self.pictures, self.values = pictures, values
        self.run: Any = None
        self.stop: Any = None


def _inputs(models: Models) -> _Inputs:
    with gr.Row():
        pictures = [picture_box(f"Picture {name}") for name in "AB"]
    with gr.Row():
        prompts = [
            gr.Textbox(label=f"Prompt {name}", max_length=1000, min_width=140, placeholder=said)
            for name, said in (("A", "what A shows"), ("B", "the same as A"))
        ]
    with gr.Row():
        run = gr.Button("Morph", variant="primary", elem_id="run")
        stop = gr.Button("Stop", interactive=False, elem_id="stop")
    with gr.Accordion("Settings", open=False):
        settings = _settings(models)
    found = _Inputs(pictures, [*pictures, *prompts, *settings])
    found.run, found.stop = run, stop
    return found


def _settings(models: Models) -> list[Any]:
    """Of the fields of `Order` those after the prompts."""
    model = gr.Textbox(
        models.default,
        label="Model",
        info="emoji_sd (shipped), a folder, a .safetensors file, or a hub id",
        max_length=1000,
        interactive=models.others,
    )
    with gr.Row():
        metric = gr.Dropdown(list(METRICS), value="stein", label="Metric", min_width=140)
        lam = gr.Number(10, label="Weight of the score", info="λ, Stein metric", min_width=140)
    level = gr.Slider(1, 999, 400, step=1, label="Noise level", info="timestep of 1000")
    frames = gr.Slider(2, MOST_FRAMES, 17, step=1, label="Frames")
    steps = gr.Slider(1, MOST_STEPS, 15, step=1, label="Steps of inversion and decoding")
    with gr.Row():
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=140)
        fps = gr.Number(12, label="Frames per second", minimum=1, maximum=60, min_width=140)
    return [model, metric, lam, level, frames, steps, seed, fps]


class _Results:
    """What a user gets: `all` is every output of a run, in the order that `update` gives."""

    def __init__(self) -> None:
        self.status = gr.HTML(note(WELCOME), elem_id="status")
        # "hidden", not False: what is not in the page yet can lose the second of two quick updates
        with gr.Column(visible="hidden", elem_id="frames") as self.viewer:
            self.frame = gr.Image(label="Frame", **_display(320), elem_id="frame")
            self.number = gr.Slider(1, 2, 1, step=1, label="Frame number", elem_id="number")
            self.frames = gr.Gallery(type="filepath", elem_id="all-frames")
        with gr.Column(visible="hidden", elem_id="files") as self.files:
            self.strip = gr.Image(show_label=False, **_display(None), elem_id="strip")
            self.animation = gr.Image(label="Animation", **_display(240), elem_id="animation")
            with gr.Row():
                names = ("Save GIF", "Save MP4", "Save strip")
                self.downloads = [gr.DownloadButton(n, min_width=90, size="md") for n in names]
            self.facts = gr.HTML(elem_id="facts")
        self.all = [
            self.status,
            self.viewer,
            self.frame,
            self.number,
            self.frames,
            self.files,
            self.strip,
            self.animation,
            *self.downloads,
            self.facts,
        ]

    def update(self, event: Any) -> dict[Any, Any]:
        """The components that an event changes."""
        if isinstance(event, Progress):
            changed: dict[Any, Any] = {self.status: bar(event.text, event.share)}
            if event.ends:
                changed |= self._shown(event.ends, max(event.ends[0].size))
            return changed
        if isinstance(event, Result):
            files = [str(event.gif), str(event.mp4), str(event.strip)]
            changed = {self.status: verdict(event.words), self.facts: table(event.words)}
            changed[self.files] = gr.Column(visible=True)
            changed |= self._shown(list(map(str, event.frames)), event.side)
            changed |= {self.strip: files[2], self.animation: files[0]}
            return changed | dict(zip(self.downloads, files, strict=True))
        return {self.status: note(event.reason, "note" if event.stopped else "error")}

    def cleared(self) -> dict[Any, Any]:
        """Before a run."""
        hidden = gr.Column(visible="hidden")
        return {self.status: bar("Starting.", 0), self.viewer: hidden, self.files: hidden}

    def _shown(self, frames: Sequence[Any], side: int) -> dict[Any, Any]:
        classes = ["shown", "pixels"] if side < _SMALL else ["shown"]
        return {
            self.viewer: gr.Column(visible=True),
            self.frame: gr.Image(frames[0], elem_classes=classes),
            self.number: gr.Slider(1, len(frames), 1, step=1),
            self.frames: list(frames),
        }


def _display(height: int | None) -> dict[str, Any]:
    """A picture that is only looked at."""
    return {
        "type": "filepath",
        "format": "png",
        "interactive": False,
        "buttons": [],
        "height": height,
        "elem_classes": ["shown", "pixels"],
    }


def _connect(page: gr.Blocks, jobs: Jobs, inputs: _Inputs, results: _Results) -> None:
    hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    for picture in inputs.pictures:
        picture.upload(checked, [picture], [picture, results.status], concurrency_limit=1, **hidden)
    begin, run, stop, forget = _handlers(jobs, inputs, results)
    buttons = [inputs.run, inputs.stop]
    inputs.run.click(begin, None, [*results.all, *buttons], queue=False, **hidden).then(
        run, inputs.values, [*results.all, *buttons], concurrency_limit=1, **hidden
    )
    inputs.stop.click(stop, None, [inputs.stop], queue=False, **hidden)
    page.unload(forget)
    results.number.change(
        None, [results.number, results.frames], [results.frame], js=_SHOW_FRAME, **hidden
    )


def checked(path: str | None) -> tuple[Any, str]:
    """A picture that was given, as it will be used, or none and why."""
    if path is None:
        return None, note(WELCOME)
    try:
        return read_upload(path), note("Ready.")
    except DataError as error:
        return None, note(str(error), "error")


def _handlers(jobs: Jobs, inputs: _Inputs, results: _Results) -> tuple[Callable[..., Any], ...]:
    """What the buttons call; of each page its own session."""

    def running(yes: bool) -> dict[Any, Any]:
        return {
            inputs.run: gr.Button(interactive=not yes),
            inputs.stop: gr.Button(interactive=yes),
        }

    def begin(request: gr.Request) -> dict[Any, Any]:
        jobs.begin(str(request.session_hash))
        return results.cleared() | running(True)

    def run_with(request: gr.Request, *values: Any) -> Iterator[dict[Any, Any]]:
        for event in jobs.run(str(request.session_hash), Order(*values)):
            changed = results.update(event)
            yield changed if isinstance(event, Progress) else changed | running(False)

    def stop(request: gr.Request) -> Any:
        jobs.stop(str(request.session_hash))
        return gr.Button(interactive=False)

    def forget(request: gr.Request) -> None:
        jobs.forget(str(request.session_hash))

    return begin, run_with, stop, forget
