"""Standard output and error that are closed, or pipes whose reader has left: work goes on without
them.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAMES = ("stdout", "stderr")


def say(text: str) -> None:
    """Print a line, where it can still be read."""
    try:
        print(text, flush=True)
    except (BrokenPipeError, ValueError):  # ValueError: the stream is closed
        _leave("stdout")


@contextmanager
def tolerant_streams() -> Iterator[None]:
    """Let a command outlive its standard streams: what it logs or prints is lost, nothing else."""
    logging.raiseExceptions = False  # else each line of log is a traceback
    for name in _NAMES:
        if getattr(sys, name) is None:  # closed before the process began
            _open_nowhere(name)
    try:
        yield
    except BrokenPipeError:
        _leave("stdout")
    finally:
        for name in _NAMES:
            try:
                getattr(sys, name).flush()
            except (BrokenPipeError, ValueError):
                _leave(name)


def _leave(name: str) -> None:
    """Send a stream to nowhere, with what is still in its buffer."""
    with Path(os.devnull).open("w", encoding="utf-8") as null:
        try:
            os.dup2(null.fileno(), getattr(sys, name).fileno())
        except (OSError, ValueError):  # no file, or closed
            _open_nowhere(name)


def _open_nowhere(name: str) -> None:
    setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
