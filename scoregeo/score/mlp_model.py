"""A network of `scoregeo.score.mlp` that ships with the project, or lies in a folder."""

import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import load_tensors, read_json, sha256
from scoregeo.dataset.base import AbstractDataset
from scoregeo.score.field import ScoreField, field_at
from scoregeo.score.mlp import MLPScore
from scoregeo.score.mlp_network import Network
from scoregeo.score.model_folder import MODELS, model_folder

WEIGHTS, CARD = "model.safetensors", "card.json"
_SETTINGS = ("size", "width", "depth", "scale", "sigma_min", "sigma_max")


def load_mlp(model: str, dtype: torch.dtype = torch.float64) -> MLPScore:
    """The network of a shipped model's name or a folder, with `model.safetensors` and `card.json`.

    Raises DataError where there is none, or a file is damaged, altered or does not fit the other.
    """
    folder = model_folder(model)
    if folder is None:
        raise DataError(f"score.model = {model!r} is neither a folder nor a model in {MODELS}.")
    card, path = read_json(folder / CARD), folder / WEIGHTS
    missing = [key for key in (*_SETTINGS, "sha256") if key not in card]
    if missing:
        raise DataError(f"{folder / CARD} lacks {', '.join(missing)}.")
    found = sha256(path)
    if found != card["sha256"]:
        raise DataError(
            f"{path} is damaged or altered (SHA-256 {found[:8]}, not {card['sha256'][:8]} as {CARD}"
            " has it)."
        )
    network = Network(*(card[key] for key in _SETTINGS))
    weights = load_tensors(path)
    try:
        network.load_state_dict({name: value.float() for name, value in weights.items()})
    except RuntimeError as error:
        raise DataError(f"{path} does not hold the weights of {CARD}'s network: {error}") from error
    return MLPScore(network, card["size"], dtype)


def mlp_model_score(
    dataset: AbstractDataset,
    seed: int,
    sigma: float | None = None,
    timestep: float | None = None,
    model: str = "clock_mlp",
) -> ScoreField:
    """The score of a network that was trained before, at `sigma`; see `load_mlp`.

    Raises DataError where it takes points of another size than the dataset's."""
    score = load_mlp(model, dataset.dtype)
    if score.shape != dataset.shape:
        raise DataError(
            f"score.model = {model!r} takes points {score.shape}, the dataset's are"
            f" {tuple(dataset.shape)}."
        )
    return field_at(score, sigma, timestep)
