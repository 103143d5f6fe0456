"""`scoregeo morph`: ordinary arguments in, the overrides of `experiment=morph` out, and the
animation at the top of the run's folder.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from scoregeo._utils.arguments import Parser
from scoregeo._utils.errors import ConfigError, bad_value, check_number
from scoregeo._utils.files import is_file, path_of, read_json, write_whole
from scoregeo._utils.names import LONGEST
from scoregeo._utils.steps import check_steps
from scoregeo._utils.words import count
from scoregeo.run.overrides import text

log = logging.getLogger(__name__)

SHIPPED = "emoji_sd"  # an option of the group score
_OVERRIDE = re.compile(r"[+~]*[a-z_]+[\w./@]*=.*", re.DOTALL)
_SIZE = re.compile(r"(\d+)(?:x(\d+))?")
_HELP = (
    "A geodesic morph of two pictures, or of two prompts: an animation, a strip and a report in a"
    " folder of outputs/morph, or in --out. Settings beside the options: key=value of"
    " experiment=morph."
)


# The settings that options set; errors name what was typed.
_KEYS = {
    "--model": "score.model",
    "--frames": "solver.num_points",
    "--size": "dataset.size",
    "--steps": "inversion.decode_steps",
    "--guidance": "score.guidance",
    "--timestep": "score.timestep",
    "--seed": "seed",
    "--device": "device",
}


@dataclass(frozen=True)
class MorphCommand:
    """The overrides of a morph's run, the pace of its animation in frames per second, and the
    options that were typed, by the settings that they set.
    """

    overrides: tuple[str, ...]
    fps: float
    typed: Mapping[str, str]

    @contextmanager
    def as_typed(self) -> Iterator[None]:
        """Let what ends the command name its options where it names settings."""
        try:
            yield
        except SystemExit as stop:
            said = stop.code
            if not isinstance(said, str):
                raise
            for key, option in self.typed.items():
                said = re.sub(rf"(?<![\w.]){re.escape(key)}(?= (?:=|must)(?!\w))", option, said)
            raise SystemExit(said) from None


def read_command(arguments: Sequence[str]) -> MorphCommand:
    """What the arguments after `scoregeo morph` ask for. Pictures and prompts may have any
    characters. Raises ConfigError, naming the option, for one that cannot be used.
    """
    from scoregeo.report.animation import FASTEST, SLOWEST

    given = _parser().parse_intermixed_args(list(arguments))
    pictures, overrides = _split(given.arguments)
    prompts = (given.prompt_a, given.prompt_b)
    found = ["experiment=morph"]
    if len(pictures) == 2:
        found += [text("dataset.first", pictures[0]), text("dataset.second", pictures[1])]
        keys = ("dataset.first_prompt", "dataset.second_prompt")
    elif not pictures and None not in prompts:
        found.append("dataset=prompts")
        keys = ("dataset.first", "dataset.second")
    else:
        named = f" ({', '.join(pictures)})" if pictures else ""
        raise ConfigError(
            f"{count(len(pictures), 'picture')} given{named}: morph takes two pictures, or no"
            " picture with --prompt-a and --prompt-b, from which the model makes both."
        )
    found += [text(key, said) for key, said in zip(keys, prompts, strict=True) if said is not None]
    fps = _number(given.fps, float)
    check_number("--fps", fps, at_least=SLOWEST, at_most=FASTEST)
    if given.model == SHIPPED:
        found.append(f"score={SHIPPED}")
    elif given.model is not None:
        found.append(text("score.model", given.model))
    found += _numbers(vars(given), no_inversion="inversion=none" in overrides)
    if given.size is not None:
        found.append(f"dataset.size={_size(given.size)}")
    if given.negative_prompt is not None:
        found.append(text("score.negative_prompt", given.negative_prompt))
    if given.device is not None:
        found.append(f"device={given.device}")
    if given.out is not None:
        out = path_of("--out", given.out)
        unfit = out.suffix.lower() in (".gif", ".mp4", ".png") or is_file(out)
        if unfit or not given.out.strip() or len(out.name.encode()) > LONGEST:
            raise bad_value("--out", given.out, "a folder, in which animation.gif will be")
        found.append(text("hydra.run.dir", out))
    # The solver's start is the straight line already; other methods are experiment=morph's.
    if not any(one.startswith("baseline") for one in overrides):
        found.append("baseline=[]")
    typed = {key: one for one, key in _KEYS.items() if getattr(given, one[2:]) is not None}
    return MorphCommand((*found, *overrides), fps, typed)


def _numbers(given: Mapping[str, str | None], *, no_inversion: bool) -> list[str]:
    """The overrides of the options that are numbers. What a model allows, it says itself."""
    checks: dict[str, tuple[Callable[[str], float], Callable[[str, Any], None]]] = {
        "--frames": (int, partial(check_number, at_least=3, integer=True)),
        "--steps": (int, partial(check_steps, at_least=0 if no_inversion else 1)),
        "--guidance": (float, partial(check_number, at_least=1)),
        "--timestep": (float, partial(check_number, at_least=0)),
        "--seed": (int, partial(check_number, at_least=0, integer=True)),
    }
    found = []
    for option, (kind, check) in checks.items():
        text = given[option[2:]]
        if text is not None:
            value = _number(text, kind)
            check(option, value)
            found.append(f"{_KEYS[option]}={value}")
    return found


def _number(text: str, kind: Callable[[str], float]) -> Any:
    """The number that a text is, or the text, which a check then refuses by its option."""
    try:
        return kind(text)
    except ValueError:
        return text


def write_morph(folder: Path, fps: float) -> None:
    """`animation.gif`, `.mp4` and `strip.png` of the geodesic at the top of a finished run's
    folder, from its frames.
    """
    import numpy as np
    import torch

    from scoregeo.dataset.picture import flat_picture, pictures_in, pixels_of
    from scoregeo.report.animation import animation

    place = _geodesic(folder)
    if place is None:
        return
    files = [path for path in pictures_in(place) if path.stem.isdigit()]
    frames = torch.stack([pixels_of(flat_picture(path)) for path in files])
    animation(folder / "animation", np.asarray(frames), frames_per_second=fps)
    strip = (place / "strip.png").read_bytes()
    write_whole(folder / "strip.png", lambda partial: _write(partial, strip))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _geodesic(folder: Path) -> Path | None:
    """The frames of the first pair by the run's own solver; None where it has none."""
    for method in read_json(folder / "manifest.json").get("methods", []):
        role = read_json(folder / "methods" / f"{method}.json").get("role")
        if role == "ours":
            return next((path for path in sorted((folder / "frames" / method).glob("*"))), None)
    return None


def _parser() -> Parser:
    parser = Parser(prog="scoregeo morph", description=_HELP)
    add = parser.add_argument
    add("arguments", nargs="*", metavar="A B [key=value ...]", help="two pictures, and settings")
    add(
        "--model",
        help="emoji_sd (shipped), a folder in diffusers' layout, a .safetensors file, or a hub id",
    )
    add("--prompt-a", metavar="TEXT", help="what A shows")
    add("--prompt-b", metavar="TEXT", help="what B shows; the same as A where it is left out")
    add("--negative-prompt", metavar="TEXT", help="plays a part with --guidance above 1")
    add("--frames", metavar="N", help="both ends counted, at least 3; 17 by default")
    add("--fps", default="12", metavar="RATE", help="of the animation; 12 by default")
    add("--size", metavar="HEIGHTxWIDTH", help="pixels; by default in the first picture's shape")
    add("--steps", metavar="N", help="of inversion and decoding; 15 by default")
    add("--guidance", metavar="SCALE", help="of the prompts; 1, none, by default")
    add("--timestep", metavar="T", help="noise level; 400 of 1000 by default")
    add("--seed", metavar="N", help="0 by default")
    add("--device", help="cpu, cuda, mps or auto")
    add("--out", metavar="FOLDER", help="the run's folder")
    return parser


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Pictures, and key=value settings: an argument that is a file is a picture whatever its name,
    as is one that does not look like a setting.
    """
    settings = [one for one in arguments if _OVERRIDE.fullmatch(one) and not is_file(Path(one))]
    return [one for one in arguments if one not in settings], settings


def _size(value: str) -> str:
    found = _SIZE.fullmatch(value)
    if found is None:
        raise bad_value("--size", value, "pixels a side, such as 512, or HEIGHTxWIDTH: 512x768")
    return value if found[2] is None else f"[{found[1]},{found[2]}]"
