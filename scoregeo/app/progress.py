"""How far a morph has come, and stopping it, by what its networks are asked."""

import time
from collections.abc import Callable
from threading import Event
from types import TracebackType
from typing import Any

import torch

from scoregeo.score.latent_model import AbstractLatentModel
from scoregeo.score.text_to_image import INVERSION_ROUNDS

PAINTING = 50  # steps of a picture that the model makes
_SOLVER = 12  # evaluations a frame that solver and certificate take, about
_PAUSE = 0.15  # seconds between two reports of one stage
_MOST = 0.98  # shown before the result is there


class Stopped(Exception):
    """The user has stopped the job."""


class Watch:
    """While it is entered, reports every call of a model's networks, and raises `Stopped` at the
    next one once `stopped` is set: between two calls nothing is left half done.

    `report(evaluations)`: of the denoising network so far, at most every 0.15 seconds.
    """

    def __init__(
        self, model: AbstractLatentModel, stopped: Event, report: Callable[[int], None]
    ) -> None:
        self.evaluations = 0
        self._model, self._stopped, self._report, self._last = model, stopped, report, 0.0
        self._handles: list[Any] = []

    def __enter__(self) -> "Watch":
        for network in self._model.networks:
            hook = network.register_forward_pre_hook(self._called, with_kwargs=True)
            self._handles.append(hook)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def _called(self, module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        if self._stopped.is_set():
            raise Stopped
        if module is not self._model.network:
            return
        values = (*args, *kwargs.values())
        self.evaluations += next((len(v) for v in values if torch.is_tensor(v) and v.ndim > 1), 1)
        if time.monotonic() - self._last >= _PAUSE:
            self._last = time.monotonic()
            self._report(self.evaluations)


def expected(pictures: int, num_frames: int, steps: int) -> int:
    """Score evaluations of a morph with so many `pictures` given, of two, about."""
    made = (2 * PAINTING, PAINTING * (INVERSION_ROUNDS + 1), 0)[pictures]
    return made + 2 * steps * (INVERSION_ROUNDS + 1) + num_frames * (_SOLVER + steps)


def share(evaluations: int, of: int) -> float:
    """How much is done, from 0 to 1; never 1, as `of` is an estimate."""
    return min(evaluations / of, _MOST)
