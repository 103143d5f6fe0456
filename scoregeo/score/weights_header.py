"""What a config claims against what its weights hold, before a network is built of it: the header
of a `.safetensors` file alone is read.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import DataError, shown
from scoregeo.score.folder import files_of, read_settings

_ROOM = 2  # times the file's numbers: what is not exactly fitting is found when it is loaded
_FEW = 1000  # numbers and tensors that a network may have beside those of its file


def check_sizes(
    where: str,
    config: Mapping[str, Any],
    shapes: Iterable[tuple[int, ...]],
    build: Callable[[], torch.nn.Module],
) -> None:
    """Raise DataError, naming `where`, where the network of a config is far larger than its weights
    of these `shapes`: by the counts and lists in its settings, of which layers are made, and by the
    numbers that it would hold. `build` makes it, here without memory.
    """
    sizes = [math.prod(shape) for shape in shapes]
    layers = len(sizes) + _FEW
    for key, claimed in _counts(config):
        if claimed > layers:
            raise DataError(
                f"{where}: {key} claims {shown(claimed)} layers, its weights are {len(sizes)}"
                " tensors."
            )
    try:
        with torch.device("meta"):
            network = build()
    except Exception:  # of many kinds; what is wrong with the settings is said where it is loaded
        return
    claimed = sum(weight.numel() for weight in network.parameters())
    if claimed > _ROOM * sum(sizes) + _FEW:
        raise DataError(
            f"{where}: its settings claim {claimed:,} numbers, its weights have {sum(sizes):,}."
        )


def shapes_of(where: str, files: Iterable[Path]) -> list[tuple[int, ...]]:
    """The shapes of all tensors in the files of one part. Raises DataError for a file that cannot
    be read, and for weights that are not of floating point: they would be cast.
    """
    from safetensors import safe_open

    found = []
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118
                    part = file.get_slice(name)
                    found.append(tuple(part.get_shape()))
                    if "F" not in part.get_dtype() and "position_ids" not in name:
                        raise DataError(
                            f"{where}: {path.name} has {name} of {part.get_dtype()}: weights of"
                            " floating point are expected."
                        )
        except DataError:
            raise
        except Exception as error:  # of many kinds; each means that the file cannot be used
            raise DataError(f"{where} cannot be loaded: {path.name}: {error}") from error
    return found


def check_header(folder: Path, stem: str, variant: str, kind: Any) -> None:
    """`check_sizes` of a part's folder; `kind`: its class, of diffusers or transformers. Raises
    DataError as `shapes_of`.
    """
    config = read_settings(folder / "config.json")
    names = files_of([file.name for file in folder.iterdir()], stem, variant)
    shapes = shapes_of(str(folder), [folder / n for n in names if n.endswith(".safetensors")])
    check_sizes(str(folder), config, shapes, partial(_built, kind, config))


def _built(kind: Any, config: Mapping[str, Any]) -> torch.nn.Module:
    made: torch.nn.Module = (
        kind.from_config(dict(config))
        if hasattr(kind, "from_config")
        else kind(kind.config_class.from_dict(dict(config)))
    )
    return made


def _counts(config: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Settings that count layers, and the lengths of those with one entry a layer."""
    for key, value in config.items():
        if isinstance(value, (list, tuple)):
            yield key, len(value)
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(one, int) and "layers" in key:
                yield key, one
