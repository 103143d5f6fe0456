"""Numbers in the settings of a pipeline's parts, checked before anything is made of them."""

import math
from collections.abc import Mapping
from typing import Any

from scoregeo._utils.errors import DataError, shown

LARGEST = 2**14  # pixels of a network's own points along a side
LONGEST = 10**6  # timesteps


def check_numbers(where: str, config: Mapping[str, Any]) -> None:
    """Raise DataError, naming `where` and the key, for a scale or shift of latents, or a size of a
    network's points, that cannot be one. Only keys that are there are looked at.
    """
    if "scaling_factor" in config and not (
        _real(config["scaling_factor"]) and config["scaling_factor"] > 0
    ):
        raise _bad(where, config, "scaling_factor", "a finite number above 0")
    if config.get("shift_factor") is not None and not _real(config["shift_factor"]):
        raise _bad(where, config, "shift_factor", "null or a finite number")
    channels = config.get("latent_channels", 4)
    for key, least in (("latents_mean", -math.inf), ("latents_std", 0.0)):
        values = config.get(key)
        listed = isinstance(values, (list, tuple)) and len(values) == channels
        if values is not None and not (listed and all(_real(v) and v > least for v in values)):
            above = " above 0" if key == "latents_std" else ""
            raise _bad(where, config, key, f"null or {channels} finite numbers{above}")
    # An autoencoder's own size is not used
    if config.get("sample_size") is not None and "scaling_factor" not in config:
        sides_of_network(where, config)


def sides_of_network(where: str, config: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of the points that a network was trained on (`sample_size`). Raises
    DataError for what is no size.
    """
    size = config.get("sample_size")
    sides = tuple(size) if isinstance(size, (list, tuple)) else (size, size)
    if len(sides) != 2 or not all(_whole(side) and 1 <= side <= LARGEST for side in sides):
        raise _bad(
            where, config, "sample_size", f"a whole number from 1 to {LARGEST}, or two of them"
        )
    return int(sides[0]), int(sides[1])


def check_schedule(where: str, config: Mapping[str, Any]) -> None:
    """Raise DataError unless a scheduler's settings have a number of timesteps, and noise of
    variance above 0 and at most 1 in each.
    """
    steps = config.get("num_train_timesteps", 1000)
    if not _whole(steps) or not 1 <= steps <= LONGEST:
        raise _bad(where, config, "num_train_timesteps", f"a whole number from 1 to {LONGEST}")
    betas = config.get("trained_betas")
    if betas is not None:
        if (
            not isinstance(betas, (list, tuple))
            or len(betas) != steps
            or not all(map(_beta, betas))
        ):
            raise _bad(where, config, "trained_betas", f"{steps} numbers above 0, at most 1")
        return
    for key in ("beta_start", "beta_end"):
        if key in config and not _beta(config[key]):
            raise _bad(where, config, key, "a number above 0, at most 1")


def _beta(value: Any) -> bool:
    return _real(value) and 0 < value <= 1


def _real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _bad(where: str, config: Mapping[str, Any], key: str, allowed: str) -> DataError:
    return DataError(f"{where}: {key} = {shown(config.get(key))} must be {allowed}.")
