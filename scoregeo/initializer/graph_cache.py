"""What a reference graph costs score evaluations for, kept on disk by content.

A file's name holds a hash of all it depends on except the score, which has no bytes to hash. So
each file is asked, when found, whether it fits the score of now: a few of its values are computed
anew and compared. The comparison has a tolerance, for the last digits of a network's output change
with the number of threads.

What the cache saves and what its checks cost is not counted: a method costs the same whether it
runs first, again, or resumes after a kill.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from scoregeo._utils.cache import cache_folder, content_hash
from scoregeo._utils.errors import DataError, StorageError
from scoregeo._utils.files import load_tensors, save_tensors
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField

log = logging.getLogger(__name__)

# Changes with what is computed; files of another version are not found.
_VERSION = "2"
_SAME = 1e-4  # relative: far above rounding, far below the change that more training makes

Tensors = dict[str, torch.Tensor]


def graph_key(
    metric: AbstractMetric, points: torch.Tensor, edges: np.ndarray, rule: Quadrature
) -> str:
    """The name of a graph's edge lengths: points and edges bit by bit, the metric with its
    settings, sigma and the rule.
    """
    sigma = None if metric.field is None else metric.field.sigma
    what = [_VERSION, metric.name, metric.settings, sigma, rule.rule, rule.subnodes]
    return f"lengths-{content_hash(what, points, np.ascontiguousarray(edges, dtype=np.int64))}"


def samples_key(field: ScoreField, count: int, steps: int, seed: int) -> str:
    """The name of a model's samples: how they are drawn."""
    levels = list(map(float, field.score.sigma_range))
    how = [_VERSION, list(field.shape), levels, field.sigma, count, steps, seed]
    return f"samples-{content_hash(how)}"


@contextmanager
def priced(field: ScoreField | None, evaluations: int) -> Iterator[None]:
    """Count the work within as the `evaluations` it takes without a cache, where the field's score
    counts.
    """
    score = None if field is None else field.score
    before = score.count if isinstance(score, CountingScore) else 0
    yield
    if isinstance(score, CountingScore):
        score.count = before + evaluations


def same(now: torch.Tensor, then: torch.Tensor) -> bool:
    """Whether values agree to 1e-4 of their norm."""
    if now.shape != then.shape:
        return False
    now, then = now.double().cpu(), then.double().cpu()
    return bool((now - then).norm() <= _SAME * then.norm())


def recall(key: str, names: Sequence[str], fits: Callable[[Tensors], bool]) -> Tensors | None:
    """The tensors `names` kept under `key` that fit, or None. A damaged file is left out with a
    line of log.
    """
    for path in sorted((cache_folder() / "graph").glob(f"{key}-*.safetensors")):
        try:
            found = load_tensors(path)
        except DataError as error:
            log.warning("the cache is rebuilt: %s", error)
            continue
        if set(found) != set(names):
            log.warning(
                "the cache is rebuilt: %s holds %s, not %s.",
                path,
                ", ".join(found) or "nothing",
                ", ".join(names),
            )
        elif fits(found):
            return found
    return None


def keep(key: str, tensors: Tensors) -> None:
    """Keep tensors under `key`, beside those of another score. Where the folder cannot be written,
    a line of log and no more.
    """
    content = content_hash(*(tensors[name] for name in sorted(tensors)), digits=8)
    path = cache_folder() / "graph" / f"{key}-{content}.safetensors"
    try:
        save_tensors(path, tensors)
    except StorageError as error:
        log.warning("the reference graph is not kept: %s.", error)
