"""What the scripts of the shipped score networks of points share: the command line, the training
and the card.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from model_card_text import table

from scoregeo._utils.arguments import path_argument, positive_argument, whole_argument
from scoregeo._utils.files import save_tensors, sha256, write_json, write_text
from scoregeo.score.empirical import EmpiricalScore
from scoregeo.score.mlp_model import CARD, WEIGHTS, load_mlp
from scoregeo.score.mlp_network import Network, initialise
from scoregeo.score.model_folder import MODELS
from scoregeo.score.training.loop import LossFunction, TrainingSettings, train
from scoregeo.score.training.quality import score_error

_HEAD = ["points", "sigma", "relative error", "cosine", "mean length", "exact"]
_KEYS = ("place", "sigma", "relative_error", "cosine", "length", "exact_length")


@dataclass(frozen=True)
class Recipe:
    """One shipped network.

    Args:
        name: of its folder in `scoregeo/assets/models`.
        sigmas: least and greatest noise level it is trained on.
        levels: noise levels of the card's table.
        places: the card's rows: names of `points_at`.
        points_at: points [count, D] of a place at a noise level.
        text: of its README, with the card's keys, `name` and `table` in braces.
    """

    name: str
    sigmas: tuple[float, float]
    levels: Sequence[float]
    places: Sequence[str]
    points_at: Callable[[str, float], torch.Tensor]
    text: str


def read_arguments(
    description: str | None, name: str, steps: int, width: int, lr: float
) -> argparse.Namespace:
    """The command line, with these defaults."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=whole_argument(), default=steps)
    parser.add_argument("--width", type=whole_argument(), default=width)
    parser.add_argument("--depth", type=whole_argument(), default=4)
    parser.add_argument("--lr", type=positive_argument, default=lr)
    parser.add_argument("--seed", type=whole_argument(0), default=0)
    parser.add_argument("--out", type=path_argument, default=MODELS / name)
    return parser.parse_args()


def write_model(
    recipe: Recipe, given: argparse.Namespace, sample: torch.Tensor, loss: LossFunction[Network]
) -> None:
    """Train a network of `sample` [count, D] and write its weights in float16, its card with the
    error against the exact score of the sample, and its README, into `given.out`.
    """
    settings = {
        "size": sample.shape[1],
        "width": given.width,
        "depth": given.depth,
        "scale": round(float(sample.square().mean().sqrt()), 6),
        "sigma_min": recipe.sigmas[0],
        "sigma_max": recipe.sigmas[1],
    }
    network = Network(**settings)
    initialise(network, given.seed)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        how = TrainingSettings(
            given.steps, lr=given.lr, cooldown=0.5, ema=0.995, seed=given.seed, log_every=100
        )
        average = train(network, loss, how, Path(folder))
    weights = {name: value.half() for name, value in average.state_dict().items()}
    save_tensors(given.out / WEIGHTS, weights)
    card: dict[str, Any] = settings | {
        "sha256": sha256(given.out / WEIGHTS),
        "count": len(sample),
        "steps": given.steps,
        "lr": given.lr,
        "seed": given.seed,
        "seconds": round(time.perf_counter() - began),
        "parameters": sum(value.numel() for value in weights.values()),
    }
    write_json(given.out / CARD, card)  # the weights are read with it
    rows = _errors(recipe, given.out, sample)
    write_json(given.out / CARD, card | {"score_error": rows})
    rows_shown = [[row[key] for key in _KEYS] for row in rows]
    text = recipe.text.format(name=recipe.name, table=table(_HEAD, rows_shown), **card)
    write_text(given.out / "README.md", text)
    print(text)


def _errors(recipe: Recipe, folder: Path, sample: torch.Tensor) -> list[dict[str, Any]]:
    score, exact = load_mlp(str(folder)), EmpiricalScore(sample)
    return [
        {"place": place, "sigma": sigma}
        | score_error(score, exact, recipe.points_at(place, sigma), sigma).as_dict()
        for place in recipe.places
        for sigma in recipe.levels
    ]
