"""The app's work: one morph at a time, in a thread that says how far it is and can be stopped."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

import torch

from scoregeo._utils.errors import ScoregeoError, StorageError
from scoregeo._utils.files import write_whole
from scoregeo.app.events import Happening, Order, Progress, Refused, Result
from scoregeo.app.models import Models
from scoregeo.app.progress import PAINTING, Stopped, Watch, expected, share
from scoregeo.app.uploads import read_upload
from scoregeo.app.words import on_page, words_of
from scoregeo.pipeline.geodesic import GeodesicPipeline
from scoregeo.pipeline.output import GeodesicOutput

log = logging.getLogger(__name__)

_WAIT = 0.5  # seconds between two looks at a silent thread


class Jobs:
    """Morphs of all who have the page open, each known by its session, one at a time.

    Args:
        models: gives the pipeline.
        folder: where results are written; each is removed once it is shown.
    """

    def __init__(self, models: Models, folder: Path) -> None:
        self._models, self._folder = models, folder
        self._stopped: dict[str, Event] = {}
        self._one_at_a_time = Lock()

    def begin(self, session: str) -> None:
        """A session's next morph is wanted; an earlier one that still runs is stopped."""
        self.stop(session)
        self._stopped[session] = Event()

    def stop(self, session: str) -> None:
        """Stop a session's morph at the next call of a network, or before it begins."""
        if session in self._stopped:
            self._stopped[session].set()

    def forget(self, session: str) -> None:
        """The session's page is closed."""
        self.stop(session)
        self._stopped.pop(session, None)

    def run(self, session: str, order: Order) -> Iterator[Happening]:
        """What happens, as it happens; the last is a `Result` or `Refused`."""
        stopped = self._stopped.setdefault(session, Event())
        events: SimpleQueue[Happening] = SimpleQueue()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(dir=self._folder)
        except OSError as error:
            yield Refused(_unwritten(error))
            return
        with folder as place:
            work = (order, stopped, Path(place), events)
            thread = Thread(target=self._work, args=work, daemon=True)
            thread.start()
            try:
                while True:
                    event = _latest(events)
                    if event is not None:
                        yield event
                    if isinstance(event, Result | Refused):
                        return
            finally:
                stopped.set()  # nobody is listening any more
                thread.join()  # it writes to the folder
                if self._stopped.get(session) is stopped:
                    del self._stopped[session]

    def _work(
        self, order: Order, stopped: Event, place: Path, events: "SimpleQueue[Happening]"
    ) -> None:
        """The thread: its last event is a `Result` or `Refused`, whatever happens."""
        try:
            while not self._one_at_a_time.acquire(timeout=_WAIT):
                events.put(Progress("Waiting for another morph to end.", 0.0))
                if stopped.is_set():
                    raise Stopped
            try:
                events.put(self._morph(order, stopped, place, events))
            finally:
                self._one_at_a_time.release()
        except Stopped:
            events.put(Refused("Stopped.", stopped=True))
        except StorageError as error:
            events.put(Refused(_unwritten(error)))
        except ScoregeoError as error:
            events.put(Refused(on_page(str(error))))
        except Exception as error:  # the page must say something, and the log all
            log.exception("a morph failed")
            lines = str(error).strip().splitlines() or [""]
            events.put(Refused(f"{type(error).__name__}: {lines[0]}"))

    def _morph(
        self, order: Order, stopped: Event, place: Path, events: "SimpleQueue[Happening]"
    ) -> Result:
        if stopped.is_set():
            raise Stopped
        order.check()
        paths = (order.image_a, order.image_b)
        pictures = [None if path is None else read_upload(path) for path in paths]
        if not self._models.loaded(order.model):
            name = self._models.name(order.model)
            events.put(Progress(f"Loading the model {name}.", 0.0))
        pipe = self._models.get(order.model)
        given = sum(picture is not None for picture in pictures)
        teller = _Teller(events, expected(given, order.num_frames, order.steps))
        with Watch(pipe.model, stopped, teller.at):
            output = _call(pipe, order, pictures, teller)
        events.put(Progress("Writing the animation.", 1.0))
        title = " to ".join(f"“{prompt}”" if prompt else "a picture" for prompt in _prompts(order))
        return _write(output, place, order.fps, title)


def _unwritten(error: OSError) -> str:
    """Why a result cannot be written, without the server's paths."""
    return f"The result cannot be written on the server ({error.strerror or 'no reason given'})."


class _Teller:
    """Puts the stage that a pipeline's callback names, and how far it is, into a queue."""

    def __init__(self, events: "SimpleQueue[Happening]", total: int) -> None:
        self._events, self._total, self._done = events, total, 0
        self._text = "Taking the pictures to the noise level."

    def at(self, evaluations: int) -> None:
        """So many score evaluations are spent."""
        self._done = evaluations
        self._tell()

    def __call__(
        self, pipe: GeodesicPipeline, step: int, sigma: float, values: dict[str, Any]
    ) -> None:
        """The pipeline's `callback_on_step_end`."""
        ends: tuple[Any, ...] = ()
        if values["stage"] == "ends":
            ends, self._text = tuple(values["frames"]), "Finding the geodesic."
        elif values["stage"] == "solve":
            energy = values["energy"]
            self._text = f"Finding the geodesic: iteration {step}, energy {energy:.4g}."
        self._tell(ends)

    def _tell(self, ends: tuple[Any, ...] = ()) -> None:
        self._events.put(Progress(self._text, share(self._done, self._total), ends))


def _latest(events: "SimpleQueue[Happening]") -> Happening | None:
    """The next event; of several reports of progress the last, but none with pictures is lost."""
    try:
        event = events.get(timeout=_WAIT)
        while isinstance(event, Progress) and not event.ends and not events.empty():
            event = events.get_nowait()
    except Empty:
        return None
    return event


def _prompts(order: Order) -> tuple[str, str]:
    return order.prompt_a.strip(), order.prompt_b.strip() or order.prompt_a.strip()


def _call(
    pipe: GeodesicPipeline, order: Order, pictures: list[Any], teller: _Teller
) -> GeodesicOutput:
    prompt_a, prompt_b = _prompts(order)
    return pipe(
        pictures[0],
        pictures[1],
        prompt_a,
        prompt_b,
        num_frames=order.num_frames,
        metric=order.metric,
        lam=order.lam,
        timestep=order.timestep,
        num_inference_steps=order.steps,
        painting_steps=PAINTING,
        generator=torch.Generator().manual_seed(order.seed),
        callback_on_step_end=teller,
    )


def _write(output: GeodesicOutput, place: Path, fps: float, title: str) -> Result:
    frames = [place / f"frame_{number:03d}.png" for number in range(len(output.frames))]
    for path, picture in zip(frames, output.frames, strict=True):
        write_whole(path, picture.save)
    return Result(
        words_of(output, title),
        max(output.frames[0].size),
        tuple(frames),
        output.save_gif(place / "morph.gif", fps),
        output.save_mp4(place / "morph.mp4", fps),
        output.save_strip(place / "strip.png"),
    )
