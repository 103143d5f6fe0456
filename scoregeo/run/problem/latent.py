"""Pairs of pictures interpolated in a text-to-image model's latent space: each pair under its own
prompts.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial

import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.memory import numbers_at_once
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset, Pairs
from scoregeo.inversion.latent import invert_pictures
from scoregeo.metric.base import PathMeasure
from scoregeo.path.quadrature import Quadrature
from scoregeo.run.experiment import Experiment
from scoregeo.run.kept_outcome import KeptPairs
from scoregeo.run.problem.base import AbstractProblem, MetricOf, OnStep
from scoregeo.run.problem.interpolation import InterpolationProblem
from scoregeo.run.problem.latent_pictures import LatentPictures
from scoregeo.run.problem.outcome import Outcome, concatenated
from scoregeo.score.text_to_image import TextModel


class LatentPairs(AbstractDataset):
    """One pair of pictures, and all the references, as a model's latents."""

    def __init__(self, pictures: AbstractDataset, model: TextModel, pairs: Pairs) -> None:
        """`pairs`: of latents."""
        self.pictures, self.model, self._pairs = pictures, model, pairs

    @property
    def shape(self) -> tuple[int, ...]:
        return self.model.shape

    @property
    def dtype(self) -> torch.dtype:
        return self.pictures.dtype

    def pairs(self, seed: int) -> Pairs:
        return self._pairs

    def sample(self, count: int, seed: int) -> torch.Tensor:
        images = self.pictures.sample(count, seed)
        device = self.model.device
        return torch.cat([self.model.encode(part.to(device)).cpu() for part in images.split(64)])


class LatentProblem(AbstractProblem):
    """Every pair as a problem of its own, in latent space, for its score depends on its prompts;
    paths are shown as pictures.

    A pair's ends are encoded by the autoencoder and inverted each under its own prompt; between
    them the condition follows the chord (`AlongChord`). A frame of a noisy path is decoded under
    the prompts mixed in the proportion of its place in the path. On a GPU many pairs are encoded,
    inverted and decoded together. Solves and measures are of one pair: its field is its own, and
    the certificate's scores serve the measures by being remembered as one batch."""

    end_given = True

    def __init__(self, experiment: Experiment) -> None:
        """Raises, before anything is computed, ConfigError for a prompt that the model cannot take,
        and DataError for a pair of equal pictures.
        """
        assert experiment.text_model is not None and experiment.metric_of is not None
        self.experiment, self.model, self.metric_of = (
            experiment,
            experiment.text_model,
            experiment.metric_of,
        )
        every = experiment.dataset.pairs(experiment.settings.seed)
        self.part = experiment.settings.part(len(every))
        self.pairs: Pairs = every.part(self.part)
        self.prompts = self.pairs.prompts or (("", ""),) * len(self.pairs)
        for index, name in enumerate(self.pairs.names):
            for prompt in self.prompts[index]:
                self.model.prompts.check(prompt, f"the prompt of {name}")
            if torch.equal(*self.pairs.ends[index]):
                raise DataError(
                    f"the two pictures of {name} are the same: there is nothing between them."
                )
        self._shown = LatentPictures(
            experiment,
            self.model,
            self.prompts,
            self._lifted,
            lambda points: self._together(points),
        )
        self.kept: KeptPairs | None = None

    def keep_in(self, kept: KeptPairs) -> None:
        """Keep the finished pairs of an unfinished method there, and take those of an interrupted
        run.
        """
        self.kept = self._shown.kept = kept

    @cached_property
    def parts(self) -> list[InterpolationProblem]:
        """A problem for each pair. Inverts the ends, of many pairs together: not before all
        settings are checked.
        """
        return [part for group in self._together(2) for part in self._inverted(group)]

    @property
    def noisy(self) -> bool:  # type: ignore[override]  # known once the ends are inverted
        return any(part.noisy for part in self.parts)

    def methods(self) -> dict[str, Callable[[OnStep | None], Outcome]]:
        """Baselines, the start, solvers: those of the pairs, together."""
        every = [part.methods() for part in self.parts]
        return {
            name: partial(self._run, name, [methods[name] for methods in every])
            for name in every[0]
        }

    def role(self, method: str) -> str:
        return self.parts[0].role(method)

    def budget(self, method: str) -> int | None:
        one = self.parts[0].budget(method)
        return None if one is None else one * len(self.parts)

    def truth(self, num_points: int) -> torch.Tensor | None:
        return self.experiment.dataset.true_path(self.pairs, num_points)

    def true_length(self) -> torch.Tensor | None:
        return None

    def pictured(self, frames: Mapping[str, torch.Tensor]) -> tuple[Pairs, dict[str, torch.Tensor]]:
        return self.pairs, dict(frames)

    def decode(self, path: torch.Tensor) -> torch.Tensor:
        """Paths of latents at the noise level [pairs, points, *shape] to pictures [pairs, points,
        3, H, W].
        """
        return self._shown.of(path, noisy=True)

    def frames(
        self, outcome: Outcome, decode: bool, at: torch.Tensor | None = None
    ) -> torch.Tensor | None:
        if outcome.noisy and not decode:
            return None
        return self._shown.of(outcome.path, outcome.noisy, at)

    def measure(
        self, path: torch.Tensor, rule: Quadrature, metric_of: MetricOf | None = None
    ) -> PathMeasure:
        """Each path in the metric of its own pair."""
        found = [
            part.measure(one[None], rule, metric_of)
            for part, one in zip(self.parts, path, strict=True)
        ]
        return PathMeasure(
            *(torch.cat(values) for values in zip(*(vars(m).values() for m in found), strict=True))
        )

    def scores(self, points: torch.Tensor) -> torch.Tensor:
        """The score of each pair under its own prompts."""
        return torch.cat(
            [part.scores(one[None]) for part, one in zip(self.parts, points, strict=True)]
        )

    def _together(self, points: int) -> list[range]:
        """Pairs whose `points` points each are inverted or decoded in one batch: as many as the
        memory limit allows, on a processor one. There a batch of two ends keeps the cores busy, and
        a pair's numbers are to the last digit those that it has by itself.
        """
        pairs = len(self.pairs)
        if torch.device(self.experiment.settings.device).type == "cpu":
            return [range(index, index + 1) for index in range(pairs)]
        size = math.prod(self.model.shape) + self.model.prompts.encode("").numel()
        count = max(1, numbers_at_once() // (points * size))
        return [range(first, min(first + count, pairs)) for first in range(0, pairs, count)]

    def _lifted(self, index: int) -> torch.Tensor:
        """A pair's ends at the noise level, [2, *shape]."""
        return self.parts[index].lifted[0]

    @torch.no_grad()
    def _inverted(self, group: range) -> list[InterpolationProblem]:
        """The problems of some pairs, their ends encoded and inverted in one batch, each end under
        its own prompt. Every pair has the same noise, as it would have by itself.
        """
        experiment = self.experiment
        images = self.pairs.ends[group.start : group.stop].to(experiment.settings.device)
        prompts = [prompt for index in group for prompt in self.prompts[index]]
        flat = images.flatten(0, 1)

        def invert() -> dict[str, torch.Tensor]:
            source = generator(experiment.settings.seed, "noise")
            clean, noisy = invert_pictures(self.model, experiment.inversion, flat, prompts, source)
            return {"clean": clean, "lifted": noisy}

        found = experiment.work.tensors("inverted", invert, prompts, flat)
        clean, lifted = (
            found[name].to(images.device).unflatten(0, (-1, 2)) for name in ("clean", "lifted")
        )
        ends = zip(group, clean, lifted, strict=True)
        return [self._part(index, one, other[None]) for index, one, other in ends]

    def _part(self, index: int, clean: torch.Tensor, lifted: torch.Tensor) -> InterpolationProblem:
        """The problem of a pair with the ends `clean` [2, *shape] and `lifted` [1, 2, *shape]."""
        experiment, prompts = self.experiment, self.prompts[index]
        # The prompts are mixed along the chord of the ends.
        work = experiment.work.within(prompts, lifted)
        field = work.field(self.model.field(self.model.along(prompts, lifted[0, 0], lifted[0, 1])))
        pair = Pairs(
            clean[:1].cpu(),
            clean[1:].cpu(),
            self.pairs.names[index : index + 1],
            self.pairs.groups[index : index + 1],
        )
        own = replace(
            experiment,
            settings=replace(experiment.settings, shards=1, shard=None),
            dataset=LatentPairs(experiment.dataset, self.model, pair),
            field=field,
            metric=self.metric_of(field),
            text_model=None,
            work=work,
        )
        return InterpolationProblem(own, lifted=lifted)

    def _run(
        self,
        name: str,
        methods: Sequence[Callable[[OnStep | None], Outcome]],
        on_step: OnStep | None,
    ) -> Outcome:
        """One pair after another, each kept when it is finished."""
        found, device = [], torch.device(self.experiment.settings.device)
        for pair, method in zip(self.pairs.names, methods, strict=True):
            one = None if self.kept is None else self.kept.outcome(name, pair, device)
            if one is None:
                one = method(on_step)
                if self.kept is not None:
                    self.kept.keep(name, pair, one)
            found.append(one)
        return concatenated(found)
