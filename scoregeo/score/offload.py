"""Networks that are on the device only while they are used."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch

_DEVICES: WeakKeyDictionary[torch.nn.Module, torch.device] = WeakKeyDictionary()


def offload(network: torch.nn.Module, device: str | torch.device) -> None:
    """Keep a network in the processor's memory; within `resident` it is on `device`."""
    _DEVICES[network] = torch.device(device)
    network.to("cpu")


def place(network: torch.nn.Module, device: str | torch.device) -> None:
    """Move a network to `device`, to stay there."""
    _DEVICES.pop(network, None)
    network.to(device)


@contextmanager
def resident(*networks: torch.nn.Module) -> Iterator[None]:
    """Within it, networks that are offloaded are on their device.

    One of a diffusers pipeline that has called `enable_model_cpu_offload` is fetched by its own
    hook (of accelerate), and sent back by that of the next one used.
    """
    moved = [network for network in networks if network in _DEVICES]
    try:
        for network in networks:
            hook = getattr(network, "_hf_hook", None)
            if network in _DEVICES:
                network.to(_DEVICES[network])
            elif hook is not None:
                hook.pre_forward(network)
        yield
    finally:
        for network in moved:
            network.to("cpu")


def device_of_network(network: torch.nn.Module) -> torch.device:
    """Where a network is evaluated, wherever its weights rest."""
    hook: Any = getattr(network, "_hf_hook", None)
    execution = getattr(hook, "execution_device", None)
    if network in _DEVICES:
        return _DEVICES[network]
    return next(network.parameters()).device if execution is None else torch.device(execution)
