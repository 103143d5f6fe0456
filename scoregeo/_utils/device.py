"""Where networks run: a setting's word to a device that is there."""

import re
from typing import TYPE_CHECKING

from scoregeo._utils.errors import ConfigError, bad_value

if TYPE_CHECKING:
    import torch

_NAME = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_ALLOWED = "'auto', 'cpu', 'cuda', one of several GPUs such as 'cuda:1', or 'mps' (Apple's GPU)"


def check_device_name(name: object, key: str = "device") -> None:
    """Raise ConfigError for a word that names no device; imports no torch."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise bad_value(key, name, _ALLOWED)


def device_of(name: str, key: str = "device") -> str:
    """The device that `name` asks for; "auto": the first of CUDA, Apple's GPU and the processor
    that is there. Raises ConfigError for one that torch cannot use here.
    """
    import torch

    check_device_name(name, key)
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    apple = torch.backends.mps.is_available()
    if name == "auto":
        return "cuda" if there else "mps" if apple else "cpu"
    if name == "mps" and not apple:
        raise ConfigError(
            f"{key} = 'mps' is not allowed: torch finds no Apple GPU here; {key} must be 'auto',"
            f" 'cpu'{' or cuda' if there else ''}."
        )
    if name.startswith("cuda") and not there:
        raise ConfigError(
            f"{key} = {name!r} is not allowed: no GPU that torch can use is there; {key} must be"
            f" 'auto', 'cpu'{' or mps' if apple else ''}."
        )
    if name.startswith("cuda") and int(name.partition(":")[2] or 0) >= there:
        allowed = ", ".join(f"'cuda:{i}'" for i in range(there))
        raise bad_value(key, name, f"'auto', 'cpu', 'cuda' or one of {allowed}")
    return name


def usable_device(device: "str | torch.device") -> "torch.device":
    """`device_of`, or a device of torch's own; numbers can be computed on it. Raises ConfigError
    for one that is none, is not there, or has no memory ("meta").
    """
    import torch

    try:
        if isinstance(device, str) and device.partition(":")[0] in ("auto", "cuda", "mps"):
            device = device_of(device)
        if not isinstance(device, (str, torch.device)):  # torch takes a number for a GPU
            raise TypeError("a name or a torch.device is expected")
        found = torch.device(device)
        torch.ones(1, device=found).item()
    except ConfigError:
        raise
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise bad_value("device", str(device), f"one that torch can use ({reason})") from error
    return found
