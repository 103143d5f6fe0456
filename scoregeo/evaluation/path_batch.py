"""What measures are computed of: one method's paths, and what the run knows of its pairs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch

from scoregeo.dataset.landmarks import Landmarks
from scoregeo.dataset.sound import Sound
from scoregeo.evaluation.networks import Networks
from scoregeo.evaluation.path_energy import PathEnergy
from scoregeo.evaluation.settings import EvaluationSettings
from scoregeo.evaluation.statistics import NotAvailable

Values = dict[str, torch.Tensor | NotAvailable]


@dataclass(frozen=True, kw_only=True)
class Context:
    """What all methods of a run share. Tensors are on the CPU, lengths Euclidean in data units.

    Attributes:
        settings: what is measured.
        ends: the given ends of each row's path, clean, [pairs, 2, *frame].
        is_image: whether frames are images [channels, height, width] in [-1, 1].
        end_given: whether every method's path ends at the row's second end; else that end is
            measured as well, and energies, which compare between the same ends, are not.
        inverted: whether solvers work at a noise level or in a latent space, so that decoded ends
            are not exactly those given.
        truth_near: from paths [pairs, points, *frame] to what each is compared with, same shape,
            the nearer where a pair has two; None where no truth is known.
        truth_known: whether a truth is known. two_truths: whether some pair has two.
        fine_truth: the true paths on several times the points, [pairs, fine points, *frame], where
            there is a manifold or the end is not given.
        true_length: of the true paths, [pairs].
        distance: from points [batch, *frame] to their distance from the manifold, [batch]; None
            without one.
        landmarks: named points of the data in their order; None without.
        scores: the score of each row's field at points [pairs, points, *shape], same shape; one
            evaluation a point, not counted.
        energy: energies and lengths in the run's metric and in further ones.
        metrics: descriptions of the further ones.
        networks: of images.
        num_points: the numbers of points of the methods' paths, in order.
        references: images that FID and KID compare with.
        sound: of waveforms; None for other frames.
    """

    settings: EvaluationSettings
    ends: torch.Tensor
    is_image: bool
    end_given: bool
    inverted: bool
    truth_near: Callable[[torch.Tensor], torch.Tensor | None]
    truth_known: bool
    two_truths: bool
    fine_truth: torch.Tensor | None
    true_length: torch.Tensor | None
    distance: Callable[[torch.Tensor], torch.Tensor] | None
    landmarks: Landmarks | None = None
    scores: Callable[[torch.Tensor], torch.Tensor]
    energy: PathEnergy
    metrics: tuple[str, ...]
    networks: Networks
    num_points: tuple[int, ...]
    references: int
    sound: Sound | None = None

    @property
    def end_free(self) -> bool:
        """Whether a path's second end is the method's own, as where a geodesic is continued."""
        return not self.end_given

    @property
    def frames_compared(self) -> str:
        """The frames that are compared with the truth, for notes."""
        return "inner frames and the last" if self.end_free else "inner frames"


@dataclass(frozen=True)
class Costs:
    """What a method's paths cost: score evaluations and iterations of each, [pairs], and seconds of
    all.

    `score_evaluations`: for making the path; `start_evaluations`: for the path it started from;
    `other_evaluations`: to bring the ends to the noise level and decode the path, the same for
    every pair. `iterations`: None where methods do not iterate. `pairs`: how many they are, of
    which each may have several paths.
    """

    iterations: torch.Tensor | None
    score_evaluations: torch.Tensor
    start_evaluations: torch.Tensor
    other_evaluations: int
    seconds: float
    pairs: int


@dataclass(frozen=True, kw_only=True)
class PathBatch(Context):
    """One method's paths, one a pair.

    Attributes:
        is_truth: whether they are the true paths, which no method made.
        path: as the method gave it, [pairs, points, *shape], on its device.
        met: whether `path` lies where the metric is met, at the noise level where solvers work at
            one.
        frames: the path decoded, clean, [pairs, points, *frame], on the CPU; None where it stays
            noisy for `evaluation.decode` is false.
        reported: the method's own measures by name, [pairs] each.
        costs: None for the truth.
    """

    is_truth: bool
    path: torch.Tensor
    met: bool
    frames: torch.Tensor | None
    reported: Mapping[str, torch.Tensor] = field(default_factory=dict)
    costs: Costs | None = None

    @cached_property
    def truth(self) -> torch.Tensor | None:
        """What `frames` are compared with, same shape; None where no truth is known."""
        return None if self.frames is None else self.truth_near(self.frames)
