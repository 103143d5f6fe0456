"""Which measures a method gets: the link between paths and the functions of `evaluation`."""

from dataclasses import asdict, replace

import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.evaluation.departure import chord_feet, departure
from scoregeo.evaluation.distribution import check_frame_counts, inner_frame_features
from scoregeo.evaluation.feature_network import FeatureNetwork
from scoregeo.evaluation.image import inner_frame_psnr, inner_frame_ssim, psnr, ssim
from scoregeo.evaluation.manifold import (
    arrival,
    distance_to_manifold,
    distance_to_path,
    relative_length_error,
)
from scoregeo.evaluation.measure_notes import TWO_TRUTHS, measure_notes
from scoregeo.evaluation.metric_length import describe
from scoregeo.evaluation.networks import Networks, load_networks
from scoregeo.evaluation.picture_path import PerceptualDistance, evenness, picture_measures
from scoregeo.evaluation.regularity import end_error, speed_variation, straightness
from scoregeo.evaluation.set_measures import FrameFeatures
from scoregeo.evaluation.statistics import NotAvailable
from scoregeo.path.resample import arc_length, resample_by
from scoregeo.run.experiment import Experiment
from scoregeo.run.path_energy import PathEnergy, Values
from scoregeo.run.problem.base import TRUTH, AbstractProblem
from scoregeo.run.problem.outcome import Outcome

_EVENINGS = 2  # times that frames are moved to equal perceptual distances
_FINE = 8  # the true path is given to arc-length comparisons at this many times the points


class Measures:
    """The measures of one run; what they share is loaded once, before the first method runs.

    Raises ConfigError where FID and KID could not be computed of so few frames.
    """

    def __init__(self, experiment: Experiment, problem: AbstractProblem) -> None:
        self.experiment, self.problem = experiment, problem
        self._energy = PathEnergy(experiment, problem)
        self.settings = experiment.settings.evaluation
        self.is_image = len(experiment.dataset.shape) == 3
        # Features of the images that FID and KID compare with, where this run or shard has them;
        # and how many these are.
        self.reference: torch.Tensor | None = None
        self._references = 0
        self.networks = self._load() if self.is_image else Networks(None, None, None, ())
        if self.evens:
            _ = self._perceptual  # refused before any method runs
        self.on_manifold = experiment.dataset.distance(problem.pairs.first) is not None
        needed = self.on_manifold or not problem.end_given
        fine = problem.truth(_FINE * (experiment.num_points - 1) + 1) if needed else None
        self._fine_truth, self._true_length = (
            fine,
            problem.true_length() if self.on_manifold else None,
        )

    @property
    def weights(self) -> list[dict[str, str]]:
        """The networks' records, for the manifest."""
        return [asdict(record) for record in self.networks.records]

    def notes(self) -> list[str]:
        """What a reader of the tables must know of these measures, a line each."""
        points = sorted(
            {
                self.experiment.num_points,
                *(solver.num_points for solver in self.experiment.solvers.values()),
            }
        )
        truth_known = self.problem.true_path is not None
        metrics = [
            describe(name, make(self.experiment.field))
            for name, make in self._energy.metrics.items()
        ]
        chosen = [self.experiment.field.note] if self.experiment.field.note else []
        ways = [TWO_TRUTHS] if self.problem.other_truth(points[0]) is not None else []
        return (
            chosen
            + measure_notes(
                self.settings, self.networks, points, self._references, truth_known, metrics
            )
            + ways
        )

    def frames(self, outcome: Outcome) -> torch.Tensor | None:
        """A method's paths decoded, [pairs, points, *frame], evenly with `even_frames`; None where
        they are not decoded.
        """
        frames = self.problem.frames(outcome, self.settings.decode)
        if frames is None or not self.evens:
            return frames
        path, points = outcome.path, outcome.path.shape[1]
        at = torch.linspace(0, 1, points, dtype=torch.float64).repeat(len(path), 1)
        # Distances do not add up along a segment, so once is not enough.
        for _ in range(_EVENINGS):
            steps = self._perceptual.neighbours(frames.cpu())
            path, at = (
                resample_by(path, steps, points),
                resample_by(at[:, :, None], steps, points)[:, :, 0],
            )
            found = self.problem.frames(replace(outcome, path=path), self.settings.decode, at)
            assert found is not None
            frames = found
        return frames

    @property
    def evens(self) -> bool:
        """Whether frames are moved to equal perceptual distances."""
        return self.settings.even_frames and self.is_image

    @property
    def _perceptual(self) -> PerceptualDistance:
        for found in (self.networks.lpips, self.networks.feature_distance):
            if found is not None and not isinstance(found, NotAvailable):
                return found
        reasons = [
            found.reason
            for found in (self.networks.lpips, self.networks.feature_distance)
            if isinstance(found, NotAvailable)
        ]
        raise ConfigError(
            "evaluation.even_frames = true needs a perceptual distance: evaluation.lpips, or"
            " evaluation.feature_distance=true. " + " ".join(reasons)
        )

    def of_pairs(self, method: str, outcome: Outcome, frames: torch.Tensor | None) -> Values:
        """Measures by name, one value a row. `frames` [pairs, points, *shape]: the path decoded;
        None where it stays noisy.
        """
        found: Values = {}
        if frames is not None:
            found |= self._shape(frames.cpu())
        if frames is not None and self.on_manifold:
            found |= self._manifold(frames.cpu())
        if frames is not None and self._fine_truth is not None and not self.problem.end_given:
            arrived = arrival(frames.cpu(), self._fine_truth)
            found |= {"arrival_share": arrived.share, "arrival_distance": arrived.off}
        if self.is_image and method != TRUTH:
            found |= self._image(frames)
        found |= self._energy.values(outcome) | self._departure(outcome) | dict(outcome.more)
        return found | self._cost(method, outcome)

    def features(self, frames: torch.Tensor | None) -> FrameFeatures | None:
        """The inner frames for FID, KID, precision and recall; None for points that
        are not images.
        """
        if not self.is_image or self.settings.network is None:
            return None
        network = self.networks.features
        if frames is None or not isinstance(network, FeatureNetwork):
            return FrameFeatures(
                network if isinstance(network, NotAvailable) else _not_decoded(),
                self.settings.network,
            )
        features = inner_frame_features(network, frames.cpu())
        sure = network.confidence(features)
        return FrameFeatures(features, network.name, None if sure is None else sure.mean(1))

    def _load(self) -> Networks:
        settings, experiment = self.settings, self.experiment
        pairs, points, subset = (
            self.problem.total_rows,
            experiment.num_points,
            settings.kid_subset_size,
        )
        if settings.network is not None:
            check_frame_counts(pairs, points, settings.reference_frames, subset)
            if settings.network == "digit_classifier" and experiment.dataset.shape != (1, 28, 28):
                raise ConfigError(
                    "evaluation.network = 'digit_classifier' takes (1, 28, 28), not"
                    f" {experiment.dataset.shape}."
                )
        networks = load_networks(settings, experiment.settings.device)
        if isinstance(networks.features, FeatureNetwork):
            # Images that no method, start or score has seen, where the dataset can give them; a
            # finite one may have fewer.
            unseen = experiment.dataset.held_out(
                settings.reference_frames, experiment.settings.seed
            )
            check_frame_counts(pairs, points, len(unseen), subset)
            self._references = len(unseen)
            if experiment.settings.shard in (
                None,
                0,
            ):  # the references are the same for all shards: one keeps their features
                self.reference = networks.features.features(unseen)
        return networks

    def _shape(self, frames: torch.Tensor) -> Values:
        found: Values = {
            "straightness": straightness(frames),
            "speed_variation": speed_variation(frames),
        }
        kept = self.problem.end_given and (
            self.problem.noisy or self.experiment.text_model is not None
        )
        return found | ({"end_error": end_error(frames, self.problem.pairs.ends)} if kept else {})

    def _manifold(self, frames: torch.Tensor) -> Values:
        found: Values = {"length": arc_length(frames)}
        if self._true_length is not None:
            found["length_error"] = relative_length_error(frames, self._true_length)
        if self._fine_truth is not None:
            gap = distance_to_path(frames, self._fine_truth)
            found |= {"truth_distance_max": gap.greatest, "truth_distance_mean": gap.mean}
            if self._true_length is not None and not self.problem.end_given:
                found["truth_distance_share"] = gap.greatest / self._true_length

        def distance(points: torch.Tensor) -> torch.Tensor:
            value = self.experiment.dataset.distance(points)
            assert value is not None
            return value

        off = distance_to_manifold(frames, distance)
        return found | {"manifold_distance_max": off.greatest, "manifold_distance_mean": off.mean}

    def _image(self, frames: torch.Tensor | None) -> Values:
        asked = {"lpips": self.networks.lpips, "feature": self.networks.feature_distance}
        distances = {name: found for name, found in asked.items() if found is not None}
        if frames is None:
            return dict.fromkeys(["psnr", "ssim", *distances], _not_decoded())
        frames = frames.cpu()
        truth = self.problem.truth_near(frames)
        if truth is None:
            return picture_measures(frames, self.problem.pairs.ends, distances)
        free = not self.problem.end_given
        found: Values = {
            "psnr": inner_frame_psnr(frames, truth, with_last=free),
            "ssim": inner_frame_ssim(frames, truth, with_last=free),
        }
        if free:
            found |= {
                "psnr_end": psnr(frames[:, -1], truth[:, -1]),
                "ssim_end": ssim(frames[:, -1], truth[:, -1]),
            }
        for name, measure in distances.items():
            if isinstance(measure, NotAvailable):
                found |= dict.fromkeys((name, f"{name}_sum", f"{name}_spread"), measure)
                continue
            even = evenness(measure.neighbours(frames))
            found[name] = measure.inner_frames(frames, truth, with_last=free)
            found |= {f"{name}_sum": even.total, f"{name}_spread": even.spread}
        return found

    @torch.no_grad()
    def _departure(self, outcome: Outcome) -> Values:
        """Where the metric is met and the ends are given, `evaluation.departure`; NaN shares, of
        straight lines, as cells.
        """
        if (
            not self.settings.departure
            or not self.problem.end_given
            or (self.problem.noisy and not outcome.noisy)
        ):
            return {}
        path = outcome.path.cpu()
        scores = self.problem.scores(chord_feet(path).to(outcome.path))
        found = departure(path, scores.cpu(), self.problem.truth_near(path))
        values: Values = {"departure": found.greatest, "departure_score": found.along_score}
        return (
            values if found.along_truth is None else values | {"departure_truth": found.along_truth}
        )

    def _cost(self, method: str, outcome: Outcome) -> Values:
        if method == TRUTH:
            return {}
        pairs, points = outcome.path.shape[:2]
        inversion = self.experiment.inversion
        times = 1 + _EVENINGS if self.evens else 1
        decode = (
            times * points * inversion.decode_evaluations
            if outcome.noisy and self.settings.decode
            else 0
        )
        lift = 2 * inversion.lift_evaluations if outcome.noisy else 0
        spent = outcome.score_evaluations.double()
        found: Values = (
            {"iterations": outcome.iterations.double()} if self.problem.end_given else {}
        )
        return found | {
            "score_evaluations": spent,
            "evaluations_per_point": spent / points,
            "start_evaluations": outcome.start_evaluations.double(),
            "other_evaluations": torch.full((pairs,), float(decode + lift), dtype=torch.float64),
            "seconds": torch.full((pairs,), outcome.seconds / pairs, dtype=torch.float64),
        }


def _not_decoded() -> NotAvailable:
    return NotAvailable("paths were not decoded (evaluation.decode is false)")
