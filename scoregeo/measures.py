"""Which measures a method gets, and their summary: the link between paths and the functions of `evaluation`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from scoregeo.core.errors import ConfigError
from scoregeo.evaluation.distribution import check_frame_counts, compare_features, inner_frame_features
from scoregeo.evaluation.efficientnet import FeatureDistance, load_feature_distance
from scoregeo.evaluation.feature_network import FeatureNetwork, load_feature_network
from scoregeo.evaluation.image import inner_frame_psnr, inner_frame_ssim, psnr, ssim
from scoregeo.evaluation.lpips import Lpips, load_lpips
from scoregeo.evaluation.manifold import arrival, distance_to_manifold, distance_to_path, relative_length_error
from scoregeo.evaluation.picture_path import PerceptualDistance, picture_measures
from scoregeo.evaluation.statistics import Estimate, NotAvailable, bootstrap_mean
from scoregeo.experiment import Experiment
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.resample import arc_length, resample_by
from scoregeo.problem.base import TRUTH, AbstractProblem
from scoregeo.problem.outcome import Outcome
from scoregeo.report.table import summary_entry

ALL = "all"  # the group of every pair
_EVENINGS = 2  # times that frames are moved to equal perceptual distances
_FINE = 8  # the true path is given to arc-length comparisons at this many times the points


class Measures:
    """The measures of one run; what they share is loaded once, before the first method runs.

    Raises ConfigError where FID and KID could not be computed of so few frames.
    """

    def __init__(self, experiment: Experiment, problem: AbstractProblem) -> None:
        self.experiment, self.problem = experiment, problem
        self.settings = experiment.settings.evaluation
        self.is_image = len(experiment.dataset.shape) == 3
        self._network: FeatureNetwork | NotAvailable | None = None
        self._lpips: Lpips | NotAvailable | None = None
        self._feature_distance: FeatureDistance | NotAvailable | None = None
        if self.is_image:
            self._load()
        if self.evens:
            _ = self._perceptual  # refused before any method runs
        self.on_manifold = experiment.dataset.distance(problem.pairs.first) is not None
        needed = self.on_manifold or not problem.end_given
        fine = problem.truth(_FINE * (experiment.num_points - 1) + 1) if needed else None
        self._fine_truth, self._true_length = fine, problem.true_length() if self.on_manifold else None

    def frames(self, outcome: Outcome) -> torch.Tensor | None:
        """A method's paths decoded, [pairs, points, *frame], evenly with `even_frames`; None where they are not decoded."""
        frames = self.problem.frames(outcome, self.settings.decode)
        if frames is None or not self.evens:
            return frames
        path, points = outcome.path, outcome.path.shape[1]
        at = torch.linspace(0, 1, points, dtype=torch.float64).repeat(len(path), 1)
        # Distances do not add up along a segment, so once is not enough.
        for _ in range(_EVENINGS):
            steps = self._perceptual.neighbours(frames.cpu())
            path, at = resample_by(path, steps, points), resample_by(at[:, :, None], steps, points)[:, :, 0]
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
        for found in (self._lpips, self._feature_distance):
            if found is not None and not isinstance(found, NotAvailable):
                return found
        reasons = [found.reason for found in (self._lpips, self._feature_distance) if isinstance(found, NotAvailable)]
        raise ConfigError(
            "evaluation.even_frames = true needs a perceptual distance: evaluation.lpips, or evaluation.feature_distance=true. "
            + " ".join(reasons)
        )

    def of_pairs(self, method: str, outcome: Outcome, frames: torch.Tensor | None) -> dict[str, torch.Tensor | NotAvailable]:
        """Measures by name, one value a pair. `frames` [pairs, points, *shape]: the path decoded; None where it stays noisy."""
        found: dict[str, torch.Tensor | NotAvailable] = {}
        if frames is not None and self.on_manifold:
            found |= self._manifold(frames.cpu())
        if frames is not None and self._fine_truth is not None and not self.problem.end_given:
            arrived = arrival(frames.cpu(), self._fine_truth)
            found |= {"arrival_share": arrived.share, "arrival_distance": arrived.off}
        if self.is_image and method != TRUTH:
            found |= self._image(frames)
        found |= self._certified(outcome) | dict(outcome.more)
        return found | self._cost(method, outcome)

    def of_frames(self, frames: torch.Tensor | None) -> dict[str, Estimate | NotAvailable]:
        """FID and KID of the inner frames of all pairs; nothing for points that are not images."""
        if not self.is_image or self.settings.network is None:
            return {}
        if frames is None or not isinstance(self._network, FeatureNetwork):
            reason = self._network if isinstance(self._network, NotAvailable) else _not_decoded()
            return {"fid": reason, "kid": reason}
        settings = self.settings
        result = compare_features(
            inner_frame_features(self._network, frames.cpu()),
            self._reference,
            self._network.name,
            subset_size=settings.kid_subset_size,
            subsets=settings.kid_subsets,
            resamples=settings.fid_resamples,
            seed=self.experiment.settings.seed,
        )
        return {"fid": result.fid, "kid": result.kid}

    def _load(self) -> None:
        settings, experiment = self.settings, self.experiment
        device = experiment.settings.device
        if settings.network is not None:
            check_frame_counts(
                len(self.problem.pairs), experiment.num_points, settings.reference_frames, settings.kid_subset_size
            )
            if settings.network == "digit_classifier" and experiment.dataset.shape != (1, 28, 28):
                raise ConfigError(f"evaluation.network = 'digit_classifier' takes (1, 28, 28), not {experiment.dataset.shape}.")
            self._network = load_feature_network(settings.network, download=settings.download, device=device)
        if settings.lpips is not None:
            self._lpips = load_lpips(settings.lpips, download=settings.download, device=device)
        if settings.feature_distance:
            self._feature_distance = load_feature_distance(device)
        if isinstance(self._network, FeatureNetwork):
            # Images that no method, start or score has seen, where the dataset can give them.
            unseen = experiment.dataset.held_out(settings.reference_frames, experiment.settings.seed)
            self._reference = self._network.features(unseen)

    def _manifold(self, frames: torch.Tensor) -> dict[str, torch.Tensor | NotAvailable]:
        found: dict[str, torch.Tensor | NotAvailable] = {"length": arc_length(frames)}
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

    def _image(self, frames: torch.Tensor | None) -> dict[str, torch.Tensor | NotAvailable]:
        truth = self.problem.true_path
        if frames is None:
            return dict.fromkeys(["psnr", "ssim"] + ["lpips"] * (self._lpips is not None), _not_decoded())
        frames = frames.cpu()
        if truth is None:
            distances = {"lpips": self._lpips, "feature": self._feature_distance}
            return picture_measures(frames, self.problem.pairs.ends, {k: v for k, v in distances.items() if v is not None})
        if frames.shape[1] != truth.shape[1]:
            fitting = self.problem.truth(frames.shape[1])
            assert fitting is not None
            truth = fitting
        found: dict[str, torch.Tensor | NotAvailable]
        free = not self.problem.end_given
        found = {
            "psnr": inner_frame_psnr(frames, truth, with_last=free),
            "ssim": inner_frame_ssim(frames, truth, with_last=free),
        }
        if free:
            found |= {"psnr_end": psnr(frames[:, -1], truth[:, -1]), "ssim_end": ssim(frames[:, -1], truth[:, -1])}
        if isinstance(self._lpips, Lpips):
            found["lpips"] = self._lpips.inner_frames(frames, truth, with_last=free)
        elif self._lpips is not None:
            found["lpips"] = self._lpips
        return found

    @torch.no_grad()
    def _certified(self, outcome: Outcome) -> dict[str, torch.Tensor | NotAvailable]:
        """Energy, excess and length on one quadrature for all methods; for clean paths only where the metric is met clean.

        Energies only between given ends: elsewhere they do not compare.
        """
        if self.problem.noisy and not outcome.noisy:
            return {}
        rule = Quadrature("trapezoid", self.settings.certify_subnodes)
        measured = self.problem.measure(outcome.path, rule)
        found: dict[str, torch.Tensor | NotAvailable] = {}
        if self.problem.end_given:
            found |= {"energy": measured.energy, "energy_excess": measured.excess}
        found["metric_length"] = measured.length
        if outcome.stationarity is not None:
            found["stationarity"] = outcome.stationarity
        return found

    def _cost(self, method: str, outcome: Outcome) -> dict[str, torch.Tensor | NotAvailable]:
        if method == TRUTH:
            return {}
        pairs, points = outcome.path.shape[:2]
        inversion = self.experiment.inversion
        times = 1 + _EVENINGS if self.evens else 1
        decode = times * points * inversion.decode_evaluations if outcome.noisy and self.settings.decode else 0
        lift = 2 * inversion.lift_evaluations if outcome.noisy else 0
        spent = outcome.score_evaluations.double()
        found: dict[str, torch.Tensor | NotAvailable] = (
            {"iterations": outcome.iterations.double()} if self.problem.end_given else {}
        )
        return found | {
            "score_evaluations": spent,
            "evaluations_per_point": spent / points,
            "start_evaluations": outcome.start_evaluations.double(),
            "other_evaluations": torch.full((pairs,), float(decode + lift), dtype=torch.float64),
            "seconds": torch.full((pairs,), outcome.seconds / pairs, dtype=torch.float64),
        }


def summarise(records: Sequence[Mapping[str, Any]], resamples: int, seed: int) -> list[dict[str, Any]]:
    """Rows of `summary.json` from the methods' records: every measure's mean over each group of pairs, and over all of them."""
    rows = []
    for record in records:
        lines = record["pairs"]
        groups = list(dict.fromkeys(line["group"] for line in lines))
        for group in [ALL] + [g for g in groups if len(groups) > 1 and g != ALL]:
            chosen = [line["measures"] for line in lines if group in (ALL, line["group"])]
            for name in chosen[0]:
                values = [float("nan") if line[name] is None else float(line[name]) for line in chosen]
                estimate = bootstrap_mean(values, resamples=resamples, seed=seed)
                rows.append(summary_entry(record["method"], group, name, estimate))
            for name, reason in record["not_available"].items():
                rows.append(summary_entry(record["method"], group, name, NotAvailable(reason)))
            if group == ALL:
                rows += record["distribution"]
    return rows


def _not_decoded() -> NotAvailable:
    return NotAvailable("paths were not decoded (evaluation.decode is false)")
