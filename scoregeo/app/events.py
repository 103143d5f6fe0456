"""What the page asks for, and what it is told while a morph is made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from scoregeo._utils.errors import bad_value, check_number
from scoregeo.app.words import Words

MOST_FRAMES, MOST_STEPS = 129, 100


@dataclass(frozen=True)
class Order:
    """What the page asks for; pictures by the files of their uploads, or None."""

    image_a: str | None
    image_b: str | None
    prompt_a: str = ""
    prompt_b: str = ""
    model: str = ""
    metric: str = "stein"
    lam: float = 10.0
    timestep: float = 400.0
    num_frames: int = 17
    steps: int = 15
    seed: int = 0
    fps: float = 12.0

    def check(self) -> None:
        """Raise ConfigError for numbers that would take hours, or that are none, and for texts that
        are none: whoever reaches the server may send anything.
        """
        for key in ("prompt_a", "prompt_b", "model"):
            if not isinstance(getattr(self, key), str):
                raise bad_value(key, getattr(self, key), "a text")
        for key in ("image_a", "image_b"):
            if not isinstance(getattr(self, key), str | None):
                raise bad_value(key, getattr(self, key), "a picture's file")
        check_number("frames", self.num_frames, at_least=2, at_most=MOST_FRAMES, integer=True)
        check_number("steps", self.steps, at_least=1, at_most=MOST_STEPS, integer=True)
        check_number("seed", self.seed, at_least=0, at_most=2**63 - 1, integer=True)
        check_number("frames per second", self.fps, at_least=1, at_most=60)


@dataclass(frozen=True)
class Progress:
    """A stage in words, how much is done (from 0 to 1), and the ends' pictures once they are
    known.
    """

    text: str
    share: float
    ends: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Result:
    """A morph's frames, in order, of so many pixels on their longer `side`, and its files; all last
    until the next event is asked for.
    """

    words: Words
    side: int
    frames: tuple[Path, ...]
    gif: Path
    mp4: Path
    strip: Path


@dataclass(frozen=True)
class Refused:
    """Why there is no result; `stopped`: by the user."""

    reason: str
    stopped: bool = False


Happening: TypeAlias = Progress | Result | Refused
