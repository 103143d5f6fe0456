"""The models that ship with the project, and what distinguishes one state of a model's
folder from another.
"""

from pathlib import Path

from scoregeo._utils.cache import content_hash
from scoregeo._utils.files import is_folder, path_of, sha256

MODELS = Path(__file__).parent.parent / "assets" / "models"

_READ = (
    ".safetensors",
    ".json",
    ".txt",
    ".model",
)  # by a loader; other kinds of weights beside these are not
# Beside the sub-folders, of a network and its scheduler that have none
_BESIDE = ("config.json", "scheduler_config.json", "diffusion_pytorch_model*", "model.safetensors")


def model_folder(model: str | Path) -> Path | None:
    """The folder that `model` names: a shipped model's, or its own path. None where there is
    neither.
    """
    own = path_of("score.model", model)
    return next((path for path in (MODELS / model, own) if is_folder(path)), None)


def model_digest(folder: Path) -> str:
    """Sixteen hexadecimal digits of the weights, settings and vocabularies in a pipeline's
    sub-folders, names and contents, and of a network's that has no sub-folder, such as
    `clock_mlp`'s.

    What else lies beside them, such as a card, has no part in it. Reads every byte: seconds for
    weights of some GB.
    Raises DataError that names a file that cannot be read.
    """
    paths = [path for pattern in ("*/*", *_BESIDE) for path in sorted(folder.glob(pattern))]
    files = [path for path in paths if path.suffix in _READ]
    return content_hash([[path.relative_to(folder).as_posix(), sha256(path)] for path in files])
