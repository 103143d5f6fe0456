"""The work of a morph: keyframes to the noise level, geodesics between them, frames."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from scoregeo._utils.seed import generator
from scoregeo.dataset.picture import fitted
from scoregeo.evaluation.image import psnr
from scoregeo.evaluation.picture_path import poor_end
from scoregeo.inversion.base import AbstractInversion
from scoregeo.inversion.latent import decode_latents, invert_pictures
from scoregeo.pipeline.keyframes import Keyframe
from scoregeo.pipeline.output import GeodesicOutput, as_output
from scoregeo.pipeline.parts import Initializer, MetricOf, solve_between
from scoregeo.score.base import CountingScore
from scoregeo.score.text_to_image import TextModel
from scoregeo.solver.base import CONVERGED, AbstractSolver, Solution, Step

log = logging.getLogger(__name__)

Report = Callable[[str, int, Mapping[str, Any]], None]  # stage, step, values


@dataclass(frozen=True, eq=False)
class Part:
    """The way from one keyframe to the next: its geodesic, and the frames between the two,
    [num_frames - 2, 3, H, W] in [-1, 1]; score evaluations of start, solver and certificate.
    """

    solution: Solution
    inner: torch.Tensor
    evaluations: int

    def back(self) -> "Part":
        """The same way, from its end to its beginning, at no cost."""
        return Part(self.solution, self.inner.flip(0), 0)


@dataclass(frozen=True, eq=False)
class Morph:
    """Checked settings of one call of the pipeline; `painting`: steps and guidance of the pictures
    that the model makes.
    """

    model: TextModel
    keys: Sequence[Keyframe]
    size: tuple[int, int]
    closed: bool
    metric_of: MetricOf
    solver: AbstractSolver
    initializer: Initializer
    inversion: AbstractInversion
    painting: tuple[int, float | None]
    seed: int
    report: Report

    def run(self, output_type: str) -> GeodesicOutput:
        """Everything, in order."""
        pictures, painted = self._pictures()
        given = pictures.to(self.model.device)
        source = generator(self.seed, "noise")
        clean, noisy = invert_pictures(self.model, self.inversion, given, self._prompts, source)
        none = torch.zeros(1)
        decoded = decode_latents(
            self.model,
            self.inversion,
            noisy.split(1),
            [(prompt, prompt) for prompt in self._prompts],
            [none] * len(noisy),
        )
        ends = torch.cat(decoded).cpu()
        own, alone = psnr(ends, pictures), psnr(self.model.decode(clean).cpu(), pictures)
        warnings = self._warnings(own.tolist(), alone.tolist())
        self.report("ends", 0, {"frames": as_output(ends, output_type)})
        parts = [
            self._part(number, noisy, i, j, output_type) for number, (i, j) in enumerate(self._ways)
        ]
        frames, points = [], []
        for part, (i, _) in zip(parts, self._ways, strict=True):
            frames += [ends[i : i + 1], part.inner]
            points.append(part.solution.path[0, :-1])
        if self.closed and len(self.keys) == 2:
            frames += [ends[1:], parts[0].back().inner]
            points.append(parts[0].solution.path[0].flip(0)[:-1])
        elif not self.closed:
            frames.append(ends[-1:])
            points.append(parts[-1].solution.path[0, -1:])
        count = sum(len(part.inner) for part in parts) + len(noisy)
        nan = float("nan")
        made = [key.picture is None for key in self.keys]
        return GeodesicOutput(
            frames=as_output(torch.cat(frames), output_type),
            points=torch.cat(points).cpu(),
            solutions=tuple(part.solution for part in parts),
            sigma=self.model.sigma,
            psnr=tuple(nan if m else v for m, v in zip(made, own.tolist(), strict=True)),
            psnr_codec=tuple(nan if m else v for m, v in zip(made, alone.tolist(), strict=True)),
            evaluations={
                "painting": painted,
                "inversion": len(noisy) * self.inversion.lift_evaluations,
                "geodesics": sum(part.evaluations for part in parts),
                "decoding": count * self.inversion.decode_evaluations,
            },
            warnings=(*warnings, *self._reasons(parts)),
            closed=self.closed,
        )

    @property
    def _prompts(self) -> tuple[str, ...]:
        return tuple(key.prompt for key in self.keys)

    @property
    def _ways(self) -> list[tuple[int, int]]:
        """Keyframes that are connected, by index; there and back between two is one way."""
        count = len(self.keys)
        ways = [(i, i + 1) for i in range(count - 1)]
        return [*ways, (count - 1, 0)] if self.closed and count > 2 else ways

    def _pictures(self) -> tuple[torch.Tensor, int]:
        """The keyframes' pictures [keys, 3, H, W] in [-1, 1], those that are not given made by the
        model; and the score evaluations of that.
        """
        given = {
            number: fitted(key.picture, self.size)
            for number, key in enumerate(self.keys)
            if key.picture is not None
        }
        steps, guidance = self.painting
        found, spent = [], 0
        for number, prompt in enumerate(self._prompts):
            if number in given:
                found.append(given[number])
            elif given:
                source = min(given, key=lambda other: (abs(other - number), other))
                picture = given[source][None].to(self.model.device)
                of, to = (self._prompts[source],), (prompt,)
                found.append(self.model.redraw(picture, of, to, steps, guidance)[0])
                spent += self.model.redraw_evaluations(self.size, steps)
            else:
                found.append(self.model.paint((prompt,), self.seed, steps, guidance)[0])
                spent += steps
        return torch.stack(found), spent

    def _warnings(self, own: Sequence[float], alone: Sequence[float]) -> list[str]:
        """What is badly kept of the keyframes; logged as well."""
        found = [
            poor_end(key.name, psnr_end, psnr_codec)
            for key, psnr_end, psnr_codec in zip(self.keys, own, alone, strict=True)
        ]
        warnings = [warning for warning in found if warning]
        for warning in warnings:
            log.warning(warning)
        return warnings

    def _reasons(self, parts: Sequence[Part]) -> list[str]:
        """What the solver says of its paths; logged as well."""
        reasons = []
        for (i, j), part in zip(self._ways, parts, strict=True):
            solution = part.solution
            if solution.reason[0] or solution.status[0] != CONVERGED:
                way = f"{self.keys[i].name} to {self.keys[j].name}"
                reasons.append(f"{way}: {solution.status[0]}; {solution.reason[0]}".rstrip("; "))
                log.warning(reasons[-1])
        return reasons

    def _part(self, number: int, noisy: torch.Tensor, i: int, j: int, kind: str) -> Part:
        """The way between keyframes `i` and `j`, the `number`th."""
        model, prompts = self.model, (self.keys[i].prompt, self.keys[j].prompt)
        field = model.field(model.along(prompts, noisy[i], noisy[j]))
        on_step = partial(self._on_step, number)
        ends = torch.stack([noisy[i], noisy[j]])[None]
        metric = self.metric_of(field)
        solution = solve_between(ends, metric, self.solver, self.initializer, on_step)
        assert isinstance(field.score, CountingScore)
        spent, path = field.score.count, solution.path[0].detach()
        inner = path[1:-1]
        u = torch.linspace(0, 1, len(path))[1:-1].to(path.device)
        pictures = torch.zeros(0, 3, *self.size)
        if len(inner):
            pictures = decode_latents(model, self.inversion, [inner], [prompts], [u])[0].cpu()
        shown = as_output(pictures, kind) if len(inner) else []
        self.report("frames", len(solution.history), {"part": number, "frames": shown})
        return Part(solution, pictures, spent)

    def _on_step(self, number: int, step: Step) -> None:
        values = {
            "part": number,
            "energy": float(step.energy[0]),
            "score_evaluations": int(step.score_evaluations[0]),
        }
        self.report("solve", step.iteration, values)
