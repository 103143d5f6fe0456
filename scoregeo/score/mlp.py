"""A small network trained by denoising score matching on a known manifold, on demand and once."""

import logging
import math
from pathlib import Path

import torch

from scoregeo._utils.cache import cache_folder, content_hash
from scoregeo._utils.errors import ConfigError, DataError, bad_value, check_choice, check_number
from scoregeo._utils.files import load_tensors, save_tensors
from scoregeo._utils.lock import FolderLock
from scoregeo._utils.memory import check_room, limit_bytes
from scoregeo.dataset.base import AbstractDataset
from scoregeo.score.base import RULES, AbstractScore
from scoregeo.score.field import ScoreField, field_at
from scoregeo.score.mlp_network import DenoisingLoss, Network, initialise
from scoregeo.score.noise_level import POINTS, auto_field
from scoregeo.score.training.loop import CHECKPOINT, TrainingSettings, train

log = logging.getLogger(__name__)

# Changes with what is trained and how; weights made by another version are not used.
_VERSION = "1"
_WEIGHTS = "weights.safetensors"
_WEIGHT = 40  # bytes: a weight, its gradient, two moments, its mean; twice for what is computed


class MLPScore(AbstractScore):
    """`s = (D - x) / sigma^2 = -x / v + scale F / (sigma sqrt(v))`, v = sigma^2 + scale^2.

    A learned field, not quite a gradient.
    """

    learned = True

    def __init__(self, network: Network, size: int, dtype: torch.dtype = torch.float64) -> None:
        """`size`: D; arithmetic in `dtype`, results in that of x."""
        self.network = network.eval().requires_grad_(False).to(dtype)
        self.dtype = dtype
        self._size = size

    @property
    def shape(self) -> tuple[int, ...]:
        return (self._size,)

    @property
    def sigma_range(self) -> tuple[float, float]:
        return (self.network.sigma_min, self.network.sigma_max)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        wide = x.to(self.dtype)
        variance = sigma**2 + self.network.scale**2
        value = self.network(wide, wide.new_full((len(x), 1), sigma))
        return (-wide / variance + self.network.scale / (sigma * math.sqrt(variance)) * value).to(x)


def mlp_score(
    dataset: AbstractDataset,
    seed: int,
    sigma: float | str | None = None,
    timestep: float | None = None,
    steps: int = 3000,
    width: int = 128,
    depth: int = 4,
    lr: float = 2e-3,
    sigma_min: float = 0.02,
    sigma_max: float = 2.0,
    progress: bool = False,
) -> ScoreField:
    """The score of a network trained on `dataset` (points [D], not images) for noise levels
    sigma_min to sigma_max.

    The first call trains, about a minute on two cores for the defaults, and keeps the weights in
    the cache folder under a hash of everything they depend on; later calls read them. A killed
    training continues where it stopped. `sigma`: a number, or the rule "auto" or "auto_ridge", on
    points of `dataset.held_out` (`scoregeo.score.noise_level`).

    Raises: ConfigError for images or a setting out of range, before training; DataError for a
    damaged weights file or a cache folder that cannot be written."""
    if len(dataset.shape) != 1:
        raise ConfigError(
            f"score = 'mlp' takes points of shape (D,), those of {type(dataset).__name__} have"
            f" {dataset.shape}."
        )
    check_number("score.width", width, at_least=1, integer=True, held=False)
    check_number("score.depth", depth, at_least=1, integer=True)
    most = math.isqrt(limit_bytes() // (_WEIGHT * depth))
    check_room("score.width", width, _WEIGHT * depth * width**2, "its weights", f"at most {most:,}")
    check_number("score.sigma_min", sigma_min, above=0.0)
    check_number("score.sigma_max", sigma_max, above=sigma_min)
    check_number("score.steps", steps, at_least=1, integer=True)
    check_number("score.lr", lr, above=0.0)
    if not isinstance(progress, bool):
        raise bad_value("score.progress", progress, "true or false")
    probe = dataset.sample(4096, 0).double()
    scale = round(float(probe.square().mean().sqrt()), 6)
    network = Network(dataset.shape[0], width, depth, scale, float(sigma_min), float(sigma_max))
    # Refuse a bad noise level before a minute of training.
    if isinstance(sigma, str) and timestep is None:
        check_choice("score.sigma", sigma, RULES)
    else:
        field_at(MLPScore(network, dataset.shape[0]), sigma, timestep)
    initialise(network.float(), seed)
    settings = TrainingSettings(
        steps, lr=lr, cooldown=0.5, ema=0.995, seed=seed, checkpoint_every=500, log_every=100
    )
    name = _key(
        type(dataset).__name__,
        probe[:64],
        repr((settings, width, depth, sigma_min, sigma_max, scale)),
    )
    network = _trained(network, dataset, settings, cache_folder() / "mlp" / name, progress)
    score = MLPScore(network, dataset.shape[0], dataset.dtype)
    if isinstance(sigma, str):
        return auto_field(score, dataset.held_out(POINTS, seed), sigma)
    return field_at(score, sigma, timestep)


def _trained(
    network: Network,
    dataset: AbstractDataset,
    settings: TrainingSettings,
    folder: Path,
    progress: bool,
) -> Network:
    """The network with weights from `folder`, trained first where there are none: by one process,
    while others that need them wait for them.
    """
    path = folder / _WEIGHTS
    if path.exists():
        return _read(network, path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder, wait=True)
    except (DataError, OSError) as error:
        raise DataError(f"the folder {folder} cannot be used to train in: {error}") from error
    try:
        if path.exists():  # another process has trained the network meanwhile
            return _read(network, path)
        return _train(network, dataset, settings, folder, progress)
    finally:
        lock.release()


def _read(network: Network, path: Path) -> Network:
    """The network with the weights of a file."""
    try:
        network.load_state_dict(load_tensors(path))
    except RuntimeError as error:
        raise DataError(
            f"{path} does not hold the weights of this network: {error}. Delete it to train again."
        ) from error
    return network


def _train(
    network: Network,
    dataset: AbstractDataset,
    settings: TrainingSettings,
    folder: Path,
    progress: bool,
) -> Network:
    """The average of the network's weights after training, kept in `folder`."""
    log.info(
        "training a score network for %s, %d steps, in %s",
        type(dataset).__name__,
        settings.steps,
        folder,
    )
    network.requires_grad_(True).train()
    remedy = f"lower score.lr = {settings.lr} or score.sigma_max = {network.sigma_max:g}"
    average = train(network, DenoisingLoss(dataset), settings, folder, progress, remedy)
    save_tensors(folder / _WEIGHTS, average.state_dict())
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return average


def _key(dataset: str, probe: torch.Tensor, settings: str) -> str:
    """A name for the weights: what they depend on, hashed. The data are known by a few of their
    points, rounded.
    """
    points = (probe * 1e9).round().long().tolist()
    return f"{dataset.lower()}-{content_hash([_VERSION, dataset, points, settings])}"
