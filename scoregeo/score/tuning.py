"""What makes a network of diffusers faster and is left to diffusers and torch: compilation and
attention kernels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from scoregeo._utils.errors import ConfigError, bad_value


def tune(network: Any, compiled: bool | str, attention: str | None) -> None:
    """Compile a network in place (`torch.nn.Module.compile`; a text names the backend), and set
    diffusers' attention backend (`set_attention_backend`), such as "native" or "flash".

    Raises ConfigError for a backend that torch or diffusers does not have, or that this network
    does not take.
    """
    if not isinstance(compiled, (bool, str)):
        raise bad_value("score.compile", compiled, "true, false or the name of a backend")
    if attention is not None:
        _set_attention(network, attention)
    if isinstance(compiled, str) and compiled not in torch.compiler.list_backends(()):
        known = ", ".join(map(repr, torch.compiler.list_backends(())))
        raise bad_value("score.compile", compiled, f"true, false or one of {known}")
    if compiled:
        network.compile(backend="inductor" if compiled is True else compiled)


@contextmanager
def as_written(network: torch.nn.Module) -> Iterator[None]:
    """Within it a compiled network runs uncompiled: for derivatives."""
    compiled = getattr(network, "_compiled_call_impl", None)
    network._compiled_call_impl = None
    try:
        yield
    finally:
        network._compiled_call_impl = compiled


@contextmanager
def kept_weights() -> Iterator[None]:
    """Within it a module that changes its weights' type takes new weights in their place, so that a
    graph keeps those it was recorded with: diffusers' layerwise casting changes them back after
    each layer.
    """
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        yield
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)


@contextmanager
def plain_attention(network: torch.nn.Module) -> Iterator[None]:
    """Within it attention whose backend diffusers chooses by name is torch's without fused kernels:
    a backend's own choice of kernel goes before torch's `sdpa_kernel`.
    """
    processors = [one for one in _processors(network) if hasattr(one, "_attention_backend")]
    before = [one._attention_backend for one in processors]
    try:
        for one in processors:
            one._attention_backend = "_native_math"
        yield
    finally:
        for one, backend in zip(processors, before, strict=True):
            one._attention_backend = backend


def _processors(network: Any) -> list[Any]:
    return list(getattr(network, "attn_processors", {}).values())


def _set_attention(network: Any, name: str) -> None:
    from diffusers.models.attention_dispatch import AttentionBackendName

    known = [one.value for one in AttentionBackendName]
    if name not in known:
        raise bad_value("score.attention", name, "null or one of " + ", ".join(known))
    if not any(hasattr(one, "_attention_backend") for one in _processors(network)):
        raise ConfigError(
            f"score.attention = {name!r} is not allowed: attention of {type(network).__name__} is"
            " not chosen by name in this version of diffusers; score.attention must be null."
        )
    try:
        network.set_attention_backend(name)
    except (ImportError, RuntimeError, ValueError) as error:
        raise ConfigError(f"score.attention = {name!r} cannot be used here: {error}") from error
