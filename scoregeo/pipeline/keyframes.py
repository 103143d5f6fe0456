"""What a morph goes through: pictures, prompts, and their size, checked before any work."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from scoregeo._utils.errors import ConfigError, DataError, bad_value, check_number
from scoregeo._utils.flat_picture import flattened
from scoregeo._utils.steps import check_steps
from scoregeo.dataset.picture import ENOUGH, SMALLEST, flat_picture
from scoregeo.dataset.picture_size import Size, sides_of
from scoregeo.report.style import as_pictures
from scoregeo.score.latent_model import AbstractLatentModel

if TYPE_CHECKING:
    from PIL.Image import Image

# A file's path; Pillow's picture; bytes [height, width, 3]; a tensor [3, height, width] in [-1, 1].
Picture: TypeAlias = "str | Path | Image | np.ndarray[Any, Any] | torch.Tensor"


@dataclass(frozen=True, eq=False)
class Keyframe:
    """A picture, RGB with 8 bits a channel, or None where the model makes it, and what it shows;
    `name`, `prompt_name`: the arguments that they came from.
    """

    picture: "Image | None"
    prompt: str
    name: str
    prompt_name: str


def keyframes(
    image_a: "Picture | None",
    image_b: "Picture | None",
    prompt_a: str,
    prompt_b: str | None,
    via: Sequence[Any],
) -> list[Keyframe]:
    """A, those of `via` in order, B. Raises DataError for what is no picture, and for neighbours
    between which there is nothing; ConfigError for a `via` that is none.
    """
    if isinstance(via, (str, bytes)) or not isinstance(via, Sequence):
        raise bad_value("via", via, "a list of pictures, or of pairs (picture, prompt)")
    prompt_b = prompt_a if prompt_b is None else prompt_b
    found = [_keyframe(image_a, prompt_a, "image_a", "prompt_a")]
    for number, one in enumerate(via):
        name = f"via[{number}]"
        if isinstance(one, tuple) and len(one) == 2:
            found.append(_keyframe(*one, name, f"the prompt of {name}"))
        else:
            found.append(_keyframe(one, prompt_a, name, "prompt_a"))
    found.append(_keyframe(image_b, prompt_b, "image_b", "prompt_b"))
    return found


def check_neighbours(keys: Sequence[Keyframe], closed: bool) -> None:
    """Raise DataError where two neighbours would be one picture, so that nothing lies between."""
    around = [*keys, keys[0]] if closed and len(keys) > 2 else keys
    for one, other in zip(around[:-1], around[1:], strict=True):
        if one.picture is not None and other.picture is not None:
            if np.array_equal(np.asarray(one.picture), np.asarray(other.picture)):
                raise DataError(
                    f"{one.name} and {other.name} are the same picture: there is nothing between"
                    f" them. Give None for {other.name} to have it redrawn as {other.prompt_name}"
                    " says."
                )
        elif one.prompt == other.prompt:
            made = one if one.picture is None else other
            raise DataError(
                f"{made.name} = None and {one.prompt_name}, {other.prompt_name} are both"
                f" {one.prompt!r}: give a picture, or another prompt to make one of."
            )


def size_for(size: Size, model: AbstractLatentModel, keys: Sequence[Keyframe]) -> tuple[int, int]:
    """Height and width of the frames.

    By default as many pixels as the model was trained on, in the shape of the first picture (at
    most 2 to 1); square where there is none, and for models that take no other shape. Raises
    ConfigError for a size that the model cannot take, naming what it can.
    """
    given = sides_of(size, "size")
    if given is None:
        shown = [key.picture for key in keys if key.picture is not None]
        return model.size_like(shown[0].width / shown[0].height if shown else None)
    try:
        model.latent_shape(given)
    except DataError as error:
        raise ConfigError(f"size = {size!r} is not allowed: {error}") from error
    return given


def _keyframe(picture: Any, prompt: Any, name: str, prompt_name: str) -> Keyframe:
    if not isinstance(prompt, str):
        raise bad_value(prompt_name, prompt, "a text ('' for the empty prompt)")
    found = None if picture is None else _picture(picture, name)
    if found is None and not prompt.strip():
        raise ConfigError(
            f"{name} = None with {prompt_name} = {prompt!r} is not allowed: give a picture, or a"
            " prompt to make one of."
        )
    return Keyframe(found, prompt, name, prompt_name)


def _picture(value: Any, name: str) -> "Image":
    """Any of `Picture` as RGB with 8 bits a channel. Raises DataError, naming the argument."""
    from PIL import Image

    if isinstance(value, (str, Path)):
        try:
            return flat_picture(value, ENOUGH)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error
    if isinstance(value, torch.Tensor) and value.ndim == 3:
        if value.is_meta or value.layout != torch.strided:
            raise DataError(f"{name} is a sparse tensor, or has no values (meta).")
        if not value.is_floating_point() or not bool((value.abs() <= 1 + 1e-3).all()):
            raise DataError(
                f"{name} is a tensor of {value.dtype} with values from {value.min()} to"
                f" {value.max()}: floating-point numbers in [-1, 1] are expected."
            )
        value = as_pictures(value[None], name)[0]
    if isinstance(value, np.ndarray):
        if value.dtype != np.uint8 or value.ndim != 3 or value.shape[2] not in (3, 4):
            raise DataError(
                f"{name} is an array of {value.dtype}, shape {list(value.shape)}: bytes [height,"
                " width, 3] are expected."
            )
        value = Image.fromarray(value)
    if not isinstance(value, Image.Image):
        raise DataError(
            f"{name} is a {type(value).__name__}: a picture is expected (a file's path, Pillow's"
            " picture, bytes [height, width, 3], or a tensor [3, height, width] in [-1, 1])."
        )
    if min(value.size) < SMALLEST:
        raise DataError(
            f"{name} has {value.width} x {value.height} pixels: at least {SMALLEST} x {SMALLEST}"
            " are needed."
        )
    return flattened(value, name, ENOUGH)


def check_painting(
    model: AbstractLatentModel,
    keys: Sequence[Keyframe],
    size: tuple[int, int],
    steps: int,
    guidance: float | None,
) -> None:
    """Raise ConfigError, naming the argument, for steps or guidance with which the pictures that
    are missing cannot be made.
    """
    check_steps("painting_steps", steps)
    if guidance is not None:
        check_number("painting_guidance", guidance, at_least=1)
    given = [key.picture is not None for key in keys]
    if not all(given) and (any(given) or steps > 1):  # a flow takes one step from pure noise
        try:
            model.grid(steps, size)
        except ConfigError as error:
            raise ConfigError(f"painting_steps = {steps!r} is not allowed: {error}") from error
