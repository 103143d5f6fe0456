"""The link from a run's experiment and problem to its measures (`scoregeo.evaluation`)."""

import logging
from dataclasses import asdict, replace

import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.evaluation.distribution import SUBSET_KEY, check_frame_counts, fitting_subset
from scoregeo.evaluation.evaluate import notes_of, values_of
from scoregeo.evaluation.feature_network import FeatureNetwork
from scoregeo.evaluation.metric_length import describe, further_metrics
from scoregeo.evaluation.networks import Networks, load_networks
from scoregeo.evaluation.path_batch import Context, Costs, PathBatch, Values
from scoregeo.evaluation.path_energy import PathEnergy
from scoregeo.evaluation.picture_path import EVENINGS, even_frames
from scoregeo.evaluation.set_measures import FrameFeatures, frame_features
from scoregeo.run.experiment import Experiment
from scoregeo.run.problem.base import TRUTH, AbstractProblem
from scoregeo.run.problem.outcome import Outcome

log = logging.getLogger(__name__)

_FINE = 8  # the true path is given to arc-length comparisons at this many times the points


class Measures:
    """The measures of one run; what they share is loaded once, before the first method runs.

    `reference`: features of the images that FID and KID compare with, where this run or shard has
    them. Raises ConfigError where FID and KID could not be computed of so few frames.
    """

    def __init__(self, experiment: Experiment, problem: AbstractProblem) -> None:
        self.experiment, self.problem = experiment, problem
        self.settings = experiment.settings.evaluation
        self.is_image = len(experiment.dataset.shape) == 3
        self.reference: torch.Tensor | None = None
        self._references = 0
        self.networks = self._load() if self.is_image else Networks(None, None, None, ())
        if self.evens:
            self.networks.perceptual()  # refused before any method runs
        self.context = self._context()

    @property
    def weights(self) -> list[dict[str, str]]:
        """The networks' records, for the manifest."""
        return [asdict(record) for record in self.networks.records]

    @property
    def evens(self) -> bool:
        """Whether frames are moved to equal perceptual distances."""
        return self.settings.even_frames and self.is_image

    def notes(self) -> list[str]:
        """What a reader of the tables must know of these measures, a line each."""
        own = (self.experiment.field.note, self.experiment.dataset.note)
        return [note for note in own if note] + notes_of(self.context)

    def frames(self, outcome: Outcome) -> torch.Tensor | None:
        """A method's paths decoded, [pairs, points, *frame], evenly with `even_frames`; None where
        they are not decoded.
        """
        frames = self.problem.frames(outcome, self.settings.decode)
        if frames is None or not self.evens:
            return frames

        def decode(path: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
            found = self.problem.frames(replace(outcome, path=path), self.settings.decode, at)
            assert found is not None
            return found

        return even_frames(self.networks.perceptual(), outcome.path, frames, decode)

    def of_pairs(self, method: str, outcome: Outcome, frames: torch.Tensor | None) -> Values:
        """Measures by name, one value a row. `frames` [pairs, points, *shape]: the path decoded;
        None where it stays noisy.
        """
        own = {} if outcome.stationarity is None else {"stationarity": outcome.stationarity}
        batch = PathBatch(
            **vars(self.context),
            is_truth=method == TRUTH,
            path=outcome.path,
            met=outcome.noisy or not self.problem.noisy,
            frames=None if frames is None else frames.cpu(),
            reported=own | dict(outcome.more),
            costs=None if method == TRUTH else self._costs(outcome),
        )
        return values_of(batch)

    def features(self, frames: torch.Tensor | None) -> FrameFeatures | None:
        """The inner frames for FID, KID, precision and recall; None for points that
        are not images.
        """
        name, network = self.settings.network, self.networks.features
        if name is None or network is None:
            return None
        return frame_features(network, name, frames)

    def _context(self) -> Context:
        experiment, problem = self.experiment, self.problem
        on_manifold = experiment.dataset.distance(problem.pairs.first) is not None
        fine = _FINE * (experiment.num_points - 1) + 1
        points = {experiment.num_points, *(one.num_points for one in experiment.solvers.values())}
        metrics = further_metrics(self.settings.metrics, experiment.metric, experiment.metric_of)

        def distance(at: torch.Tensor) -> torch.Tensor:
            value = experiment.dataset.distance(at)
            assert value is not None
            return value

        return Context(
            settings=self.settings,
            ends=problem.pairs.ends,
            is_image=self.is_image,
            end_given=problem.end_given,
            inverted=problem.noisy or experiment.text_model is not None,
            truth_near=problem.truth_near,
            truth_known=problem.true_path is not None,
            two_truths=problem.other_truth(min(points)) is not None,
            fine_truth=problem.truth(fine) if on_manifold or not problem.end_given else None,
            true_length=problem.true_length() if on_manifold else None,
            distance=distance if on_manifold else None,
            landmarks=experiment.dataset.landmarks,
            scores=problem.scores,
            energy=PathEnergy(problem.measure, metrics, self.settings.certify_subnodes),
            metrics=tuple(describe(name, of(experiment.field)) for name, of in metrics.items()),
            networks=self.networks,
            num_points=tuple(sorted(points)),
            references=self._references,
            sound=experiment.dataset.sound,
        )

    def _costs(self, outcome: Outcome) -> Costs:
        inversion, points = self.experiment.inversion, outcome.path.shape[1]
        decodings = 1 + EVENINGS if self.evens else 1
        other = 0
        if outcome.noisy:
            other = 2 * inversion.lift_evaluations
            if self.settings.decode:
                other += decodings * points * inversion.decode_evaluations
        return Costs(
            iterations=outcome.iterations if self.problem.end_given else None,
            score_evaluations=outcome.score_evaluations,
            start_evaluations=outcome.start_evaluations,
            other_evaluations=other,
            seconds=outcome.seconds,
            pairs=len(set(self.problem.units)),
        )

    def _load(self) -> Networks:
        settings, experiment = self.settings, self.experiment
        if settings.network is not None:
            self._fit_subsets(settings.reference_frames)
            if settings.network == "digit_classifier" and experiment.dataset.shape != (1, 28, 28):
                raise ConfigError(
                    "evaluation.network = 'digit_classifier' takes (1, 28, 28), not"
                    f" {experiment.dataset.shape}."
                )
        networks = load_networks(settings, experiment.settings.device)
        if isinstance(networks.features, FeatureNetwork):
            # Images that no method, start or score has seen, where the dataset can give them; a
            # finite one may have fewer.
            frames = settings.reference_frames
            experiment.dataset.check_count("evaluation.reference_frames", frames)
            unseen = experiment.dataset.held_out(frames, experiment.settings.seed)
            self._fit_subsets(len(unseen))
            self._references = len(unseen)
            # The references are the same for all shards: the first keeps their features.
            if experiment.settings.shard in (None, 0):
                network, key = networks.features, (settings.network, str(networks.records), unseen)
                self.reference = experiment.work.tensor(
                    "features", lambda: network.features(unseen), *key
                )
        return networks

    def _fit_subsets(self, references: int) -> None:
        """Let KID's subsets be no larger than what they are drawn from, and say so."""
        pairs, points = self.problem.total_rows, self.experiment.num_points
        asked = self.settings.kid_subset_size
        size = fitting_subset(asked, pairs * max(points - 2, 0), references)
        check_frame_counts(pairs, points, references, size)
        if size < asked:
            log.warning(
                "%s = %d is more than the images compared: KID's subsets are of %d",
                SUBSET_KEY,
                asked,
                size,
            )
            self.settings = replace(self.settings, kid_subset_size=size)
