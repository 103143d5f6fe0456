"""Files of weights that a setting names."""

from pathlib import Path

import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import is_file, load_weights


def read_tensors(path: Path, key: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors by name, and metadata, of a `.safetensors` file that the setting `key` names. Raises
    DataError where it is missing, damaged, or of another kind, such as a pickle.
    """
    if not is_file(path):
        raise DataError(f"{key} = {str(path)!r}: there is no such file.")
    if path.suffix != ".safetensors":
        raise DataError(
            f"{key} = {str(path)!r} is not a .safetensors file; a pickle can run any code when it"
            " is read, and is not."
        )
    try:
        return load_weights(path)
    except DataError as error:
        raise DataError(f"{key} = {str(path)!r} cannot be read: {error}") from error
