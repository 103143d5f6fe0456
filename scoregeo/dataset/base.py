"""The dataset interface: pairs of endpoints and, where it is known, the truth between them."""

import logging
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch

from scoregeo._utils.errors import DataError, bad_value
from scoregeo._utils.memory import check_count
from scoregeo._utils.names import unique_names
from scoregeo._utils.part import Part
from scoregeo._utils.words import count as counted
from scoregeo.dataset.landmarks import Landmarks
from scoregeo.dataset.sound import Sound

ALL = "all"  # the group of every pair
log = logging.getLogger(__name__)

_SHOWN = 5  # names of pairs in a message


@dataclass(frozen=True)
class Pairs:
    """Endpoints on the data manifold.

    `first`, `second`: [pairs, *shape]. `names`: one a pair, made plain, short and unique
    (`unique_names`): folders and statistical units are named by them. `groups`: what a
    table averages over apart, such as "60 deg"; one a pair. `truth`: what the dataset needs to
    rebuild the true path (angles, parameters), [pairs, ...], or None. `prompts`: the words for both
    ends of each pair, for scores that take a prompt, or None.

    Raises DataError for a group that is named "all" beside others: tables would not have it."""

    first: torch.Tensor
    second: torch.Tensor
    names: tuple[str, ...]
    groups: tuple[str, ...]
    truth: torch.Tensor | None = None
    prompts: tuple[tuple[str, str], ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", unique_names(self.names))
        if ALL in self.groups and len(set(self.groups)) > 1:
            raise DataError(
                f"a group of pairs is named {ALL!r}, which is what all groups together are called:"
                " give it another name."
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def ends(self) -> torch.Tensor:
        """[pairs, 2, *shape]."""
        return torch.stack([self.first, self.second], 1)

    def part(self, part: Part) -> "Pairs":
        """The pairs of one part of the run."""
        rows = part.rows
        return Pairs(
            first=self.first[rows],
            second=self.second[rows],
            names=self.names[rows],
            groups=self.groups[rows],
            truth=None if self.truth is None else self.truth[rows],
            prompts=None if self.prompts is None else self.prompts[rows],
        )


def repeats_named(pairs: Pairs) -> Pairs:
    """The same pairs; those that have the ends of an earlier one, in either order, as some of those
    drawn from few points do, are named in a warning.
    """
    first, repeated = dict[frozenset[bytes], str](), list[str]()
    for name, ends in zip(pairs.names, pairs.ends.numpy(), strict=True):
        before = first.setdefault(frozenset(end.tobytes() for end in ends), name)
        repeated += [f"{name} is {before}"] if name != before else []
    if repeated:
        log.warning(
            "%s again, and intervals and tests count each as a pair of its own: %s%s.",
            counted(len(repeated), "pair", "is there", "are there"),
            ", ".join(repeated[:_SHOWN]),
            ", ..." if len(repeated) > _SHOWN else "",
        )
    return pairs


def reach_of(reach: float | torch.Tensor, pairs: Pairs) -> torch.Tensor:
    """One reach for each pair, float64 [pairs] on the CPU. Raises ConfigError unless all are finite
    and above 0.
    """
    values = torch.as_tensor(reach, dtype=torch.float64).cpu()
    if (
        values.ndim not in (0, 1)
        or values.numel() not in (1, len(pairs))
        or not bool((values.isfinite() & (values > 0)).all())
    ):
        raise bad_value(
            "reach", reach, f"a finite number above 0, or {len(pairs)} of them, one for each pair"
        )
    return values.expand(len(pairs))


GRID = 48  # points each way of a surface's grid


class AbstractDataset(ABC):
    """Where endpoints come from. Everything random follows from the seed it is given."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one point: (D,) for manifolds, (channels, height, width) for
        images in [-1, 1].
        """

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """float64 for known manifolds, float32 for images."""

    @property
    def sample_size(self) -> int | None:
        """How many points the data have; None where they are a distribution and `sample` draws from
        it without end.
        """
        return None

    @property
    def sound(self) -> Sound | None:
        """What measures and files of sound need, where points are waveforms; else None."""
        return None

    @property
    def note(self) -> str:
        """What a reader must know of these pairs, such as what of them no score and no graph has
        seen, for the notes of a page; empty where there is nothing to say.
        """
        return ""

    @property
    def ratio(self) -> float | None:
        """Width over height of the pictures, where a model's size should follow it; None for the
        model's own.
        """
        return None

    def sized(self, size: tuple[int, int]) -> "AbstractDataset":
        """The same data for a model of pictures of `size` (height, width), where it is left to the
        model; else as they are.
        """
        return self

    @abstractmethod
    def pairs(self, seed: int) -> Pairs:
        """The endpoint pairs of a run."""

    @abstractmethod
    def sample(self, count: int, seed: int) -> torch.Tensor:
        """`count` points of the data (never the pairs' own), [count, *shape]; for training,
        references and FID.
        """

    def check_count(self, key: str, count: int) -> None:
        """Raise ConfigError, naming the setting `key`, where `count` points of the data, or all
        where they are fewer, do not fit into memory.
        """
        drawn = count if self.sample_size is None else min(count, self.sample_size)
        check_count(key, drawn, math.prod(self.shape), "so many points of the data")

    def reference_points(self, count: int, seed: int) -> torch.Tensor:
        """At most `count` points [points, *shape] through which a start or a score-free graph may
        go: the same draw as `sample`, unless a dataset keeps them apart from what its score sees.
        """
        return self.sample(count, seed)

    def held_out(self, count: int, seed: int) -> torch.Tensor:
        """`count` points of the same distribution that no score or start has seen, [count, *shape]:
        references of FID and KID.

        As it stands a fresh draw; a dataset whose sample is finite gives points outside it.
        """
        return self.sample(count, seed + 1)

    def true_path(self, pairs: Pairs, num_points: int) -> torch.Tensor | None:
        """The true path at `num_points` points of equal arc length on the manifold, [pairs,
        num_points, *shape], or None.
        """
        return None

    def other_true_path(self, pairs: Pairs, num_points: int) -> torch.Tensor | None:
        """A second path as true as `true_path`, same shape; that one again for pairs without, and
        None where no pair has one.
        """
        return None

    def true_continuation(
        self, pairs: Pairs, reach: float | torch.Tensor, num_points: int
    ) -> torch.Tensor | None:
        """What follows the true path past its second end, [pairs, num_points, *shape] from that end
        on, or None.

        It is `reach` times as long as the true path: a number above 0, or one for each pair,
        [pairs]. Equal arc lengths."""
        return None

    def true_length(self, pairs: Pairs) -> torch.Tensor | None:
        """Length of the true geodesic, [pairs], in data units, or None."""
        return None

    def distance(self, points: torch.Tensor) -> torch.Tensor | None:
        """Euclidean distance of points [batch, *shape] to the manifold, [batch], or None where it
        is not known.
        """
        return None

    def curvature(self, points: torch.Tensor) -> torch.Tensor | None:
        """Gaussian curvature of a surface at points of it [batch, *shape], [batch], one over data
        units squared; else None.
        """
        return None

    def surface_grid(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """x, y and z [rows, columns] of a grid on a surface in its first three coordinates, for
        pictures of paths on it; None for what is no surface, or is not shown.
        """
        return None

    @property
    def landmarks(self) -> Landmarks | None:
        """Named points in a known order, by which paths are read; else None."""
        return None

    def quadrature(self, spacing: float) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Nodes [count, *shape] at most `spacing` apart and their weights [count], which add up to
        one, or None.

        `sum_i w_i f(y_i)` is the mean of f over the data, to an error that falls faster than any
        power of the spacing."""
        return None
