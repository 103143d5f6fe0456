"""Spacetime geodesics: from clean data through noise and back, by the Fisher-Rao metric of the
denoising posteriors.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from scoregeo._utils.adam import AdamSteps
from scoregeo._utils.errors import bad_value, check_choice, check_number
from scoregeo._utils.seed import uniform
from scoregeo._utils.steps import check_steps
from scoregeo.baseline.base import DATA, AbstractBaseline, BaselinePath, Ends, check_ends, with_ends
from scoregeo.baseline.posterior import (
    axes,
    energy_gradient,
    evaluations,
    start_path,
    straight_path,
)
from scoregeo.baseline.spline import cubic_matrix
from scoregeo.path.interpolation import parameter
from scoregeo.score.sampling import ddim_decode, ddim_invert
from scoregeo.solver.base import BUDGET, CONVERGED

log = logging.getLogger(__name__)

MEAN, FLOW = "mean", "flow"
ARC, LINE = "arc", "line"
_WINDOW = 20  # iterations over which the energy must have stopped falling


@dataclass(frozen=True)
class Spacetime(AbstractBaseline):
    """Karczewski et al. 2026, "The spacetime of diffusion models: an information geometry
    perspective" (ICLR 2026; arXiv 2505.17517, first as "Spacetime geometry of denoising in
    diffusion models").

    A point (x, sigma) stands for the posterior p(x0 | x, sigma), and a path's energy is `(n/2) sum
    (eta_{i+1} - eta_i) . (mu_{i+1} - mu_i)` (`posterior.path_energy`). Between two nearly clean
    ends the geodesic rises to noise levels at which their posteriors overlap, and comes back. The
    path is a natural cubic spline of (x, -2 log sigma), moved by Adam. What is shown is clean: the
    given ends, and between them the posterior means D(x(u), sigma(u)) at equal steps of u ("mean",
    as released) or the points that the probability-flow ODE leads to from there ("flow").

    Defaults are those of the released code (github.com/rafalkarczewski/spacetime-geometry,
    image_experiments/geodesic.py): 8 nodes, Adam at 0.1, 350 iterations on 16 points and 250 on
    64, one random probe of the divergence. It takes the ends up the ODE to a low noise level in 32
    steps, to 1/e for latents of deviation 0.5 (`sigma_min`). What differs, and is ours:
    - the gradient asks for no second derivative of the score, and none in sigma
      (`posterior.energy_gradient`); the released one goes backwards through the divergence.
    - probes are drawn for each iteration as released, but shared by the points of a path: the
      estimate is unbiased either way, and neighbours' errors cancel.
    - the start is the geodesic for a flat prior (`posterior.start_path`); the released one is the
      straight line at one noise level ("line").
    - Adam without weight decay, and a spline that is natural at its ends.

    `clip`, as released, leaves the negative products `d eta_a d mu_a` of single coordinates out.
    For a true score only their sum over a step is known to be positive, so that is no longer the
    Fisher-Rao energy; of a learned score even the sum may be negative, and descent without `clip`
    may then lead to energies below 0, away from the data.

    Cost, beside the ends': for an iteration on m points `3 m - 4` values of mu, 2 evaluations a
    probe each; then one a frame ("mean"), or `decode_steps`.
    With a text-to-image model the prompts are those of the chord at the run's noise level.

    Attributes:
        sigma_min: noise level of the ends, above 0; None: the ends of the run at its level.
        stages: points and iterations of each stage, both at least 3 and 1.
        nodes: of the spline, its ends counted, at least 3. learning_rate: Adam's, above 0.
        probes: random directions of the divergence, at least 1; None: every axis, exact.
        clip: true for learned scores, false for the energy itself.
        tolerance: a pair is done when its energy fell by less than this share in 20 iterations of
            the last stage; at least 0; 0 never stops early.
        encode_steps: of the ODE to `sigma_min`. decode: "mean" or "flow". decode_steps: of the
            latter.
        start: "arc" or "line".
    """

    sigma_min: float | None = None
    stages: Sequence[Sequence[int]] = ((16, 350), (64, 250))
    nodes: int = 8
    learning_rate: float = 0.1
    probes: int | None = 1
    clip: bool = True
    tolerance: float = 1e-3
    encode_steps: int = 32
    decode: str = MEAN
    decode_steps: int = 32
    start: str = ARC
    space = DATA
    needs_noise = False

    def __post_init__(self) -> None:
        key = "baseline.spacetime"
        if self.sigma_min is not None:
            check_number(f"{key}.sigma_min", self.sigma_min, above=0.0)
        _check_stages(f"{key}.stages", self.stages)
        check_number(f"{key}.nodes", self.nodes, at_least=3, integer=True)
        check_number(f"{key}.learning_rate", self.learning_rate, above=0.0)
        if self.probes is not None:
            check_number(f"{key}.probes", self.probes, at_least=1, integer=True)
        check_choice(f"{key}.clip", self.clip, (True, False))
        check_number(f"{key}.tolerance", self.tolerance, at_least=0.0)
        check_steps(f"{key}.encode_steps", self.encode_steps)
        check_steps(f"{key}.decode_steps", self.decode_steps)
        check_choice(f"{key}.decode", self.decode, (MEAN, FLOW))
        check_choice(f"{key}.start", self.start, (ARC, LINE))

    def path(self, ends: Ends, num_points: int, generator: torch.Generator) -> BaselinePath:
        """Status converged where the tolerance was met in the last stage, else out_of_budget.

        Raises ConfigError for fewer than 3 points or a `sigma_min` out of the score's range,
        DataError for ends that are equal or not finite.
        """
        for given in (ends.clean, ends.lifted):
            check_ends("spacetime", given, num_points)
        run = _Descent(self, ends, generator)
        for points, iterations in self.stages:
            run.descend(points, iterations)
            energies = ", ".join(f"{energy:.4g}" for energy in run.last.tolist())
            log.info("spacetime: %d points, energies %s", points, energies)
        frames, cost = run.frames(num_points)
        return BaselinePath(
            path=with_ends(frames, ends.clean),
            status=tuple(CONVERGED if done else BUDGET for done in run.done.tolist()),
            iterations=run.iterations,
            score_evaluations=run.evaluations + cost,
        )


class _Descent:
    """The state of one call: `nodes` [pairs, nodes, D + 1] float64, spacetime points."""

    def __init__(self, method: Spacetime, ends: Ends, generator: torch.Generator) -> None:
        self.method, self.score, self.dtype = method, ends.field.score, ends.clean.dtype
        sigma, at = ends.field.sigma, ends.lifted
        pairs = len(at)
        self.evaluations = torch.zeros(pairs, dtype=torch.int64)
        if method.sigma_min is not None:
            sigma = method.sigma_min
            self.score.check_sigma(sigma, "baseline.spacetime.sigma_min")
            at = ddim_invert(self.score, ends.clean.flatten(0, 1), sigma, method.encode_steps)
            at = at.view(ends.clean.shape)
            self.evaluations += 2 * method.encode_steps
        flat = at.double().flatten(2)
        start = start_path if method.start == ARC else straight_path
        self.nodes = start(flat, sigma, parameter(method.nodes, flat))
        low, high = (max(min(end, 1e9), 1e-9) for end in self.score.sigma_range)
        self.bounds = -2 * math.log(high), -2 * math.log(low)
        self.iterations = torch.zeros(pairs, dtype=torch.int64)
        self.done = torch.zeros(pairs, dtype=torch.bool)
        self.last = torch.full((pairs,), torch.nan, dtype=torch.float64)
        # A stream for each pair: its probes do not depend on how long another pair takes
        seeds = (uniform((pairs, 1), generator) * 2**53).long()[:, 0].tolist()
        self.sources = [torch.Generator().manual_seed(seed) for seed in seeds]

    def points(self, pair: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A pair's spline at `count` equal steps [count, D + 1], and its linear map."""
        matrix = cubic_matrix(self.method.nodes, parameter(count, self.nodes))
        path = matrix @ self.nodes[pair]
        path[:, -1].clamp_(*self.bounds)  # within the score's noise levels
        return path, matrix

    def descend(self, count: int, iterations: int) -> None:
        """Adam's steps on `count` points, each pair by itself until it is done."""
        self.done.zero_()
        for pair in range(len(self.nodes)):
            moved = self.nodes[pair, 1:-1].clone()
            adam, past = AdamSteps(moved, self.method.learning_rate), []
            for _ in range(iterations):
                probes = self._probes(pair)
                path, matrix = self.points(pair, count)
                energy, slope = energy_gradient(
                    self.score, path, probes, self.dtype, self.method.clip
                )
                past.append(energy)
                moved.grad = matrix[1:-1, 1:-1].T @ slope
                adam.step()
                self.nodes[pair, 1:-1] = moved
                self.evaluations[pair] += (3 * count - 4) * evaluations(len(probes))
                self.iterations[pair] += 1
                if self._settled(past):
                    self.done[pair] = True
                    break
            self.last[pair] = past[-1]

    def _settled(self, past: list[float]) -> bool:
        """Whether the least energy fell by less than the tolerance over the last iterations."""
        if len(past) <= _WINDOW or self.method.tolerance == 0:
            return False
        fall = min(past[:-_WINDOW]) - min(past[-_WINDOW:])
        return fall <= self.method.tolerance * abs(min(past))

    @torch.no_grad()
    def frames(self, num_points: int) -> tuple[torch.Tensor, int]:
        """Clean inner points [pairs, points - 2, D], and what they cost each pair."""
        pairs, _, size = self.nodes.shape
        found = self.nodes.new_empty(pairs, num_points - 2, size - 1)
        for pair in range(pairs):
            for place, point in enumerate(self.points(pair, num_points)[0][1:-1]):
                found[pair, place] = self._clean(point)
        steps = 1 if self.method.decode == MEAN else self.method.decode_steps
        return found, steps * (num_points - 2)

    def _clean(self, point: torch.Tensor) -> torch.Tensor:
        sigma = float((-0.5 * point[-1]).exp())
        x = point[None, :-1].to(self.dtype).view(1, *self.score.shape)
        if self.method.decode == MEAN:
            return self.score.denoise(x, sigma).double().flatten()
        return ddim_decode(self.score, x, sigma, self.method.decode_steps).double().flatten()

    def _probes(self, pair: int) -> torch.Tensor:
        size, device = self.nodes.shape[2] - 1, self.nodes.device
        if self.method.probes is None:
            return axes(size).to(device)
        drawn = torch.rand(self.method.probes, size, generator=self.sources[pair])
        return (2 * (drawn < 0.5).double() - 1).to(device)


def _check_stages(key: str, stages: Any) -> None:
    allowed = "a list of pairs [points, iterations], such as [[16, 350], [64, 250]]"
    if not isinstance(stages, Sequence) or isinstance(stages, str) or not stages:
        raise bad_value(key, stages, allowed)
    for number, stage in enumerate(stages):
        if not isinstance(stage, Sequence) or isinstance(stage, str) or len(stage) != 2:
            raise bad_value(f"{key}[{number}]", stage, allowed)
        check_number(f"{key}[{number}][0]", stage[0], at_least=3, integer=True)
        check_number(f"{key}[{number}][1]", stage[1], at_least=1, integer=True)
