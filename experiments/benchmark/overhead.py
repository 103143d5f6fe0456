"""Part 4: the solver's own arithmetic as a share of the whole, and its memory against one forward
pass.
"""

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.seed import generator
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.score.base import AbstractScore, AbstractWrappedScore
from scoregeo.score.diffusers_unet import DiffusersUNetScore
from scoregeo.score.field import ScoreField
from scoregeo.score.schedule import NoiseSchedule
from scoregeo.solver.gauss_newton import GaussNewton

FORWARD, SOLVE = "forward", "solve"


@dataclass(frozen=True)
class OverheadSettings:
    """A random network of 0.9 M parameters on `size` x `size` pictures, a path of `segments`
    segments, `iterations` steps.
    """

    size: int = 128
    segments: int = 16
    iterations: int = 4
    lam: float = 1000.0
    sigma: float = 0.5


class TimedScore(AbstractWrappedScore):
    """A score that keeps the seconds spent inside it."""

    def __init__(self, inner: AbstractScore) -> None:
        super().__init__(inner)
        self.seconds = 0.0

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        began = time.perf_counter()
        value = self.inner._score(x, sigma)
        self.seconds += time.perf_counter() - began
        return value


def random_unet(size: int, seed: int) -> DiffusersUNetScore:
    """The score of a UNet2DModel with random weights and a cosine schedule; 1 x `size` x `size`."""
    from diffusers import UNet2DModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet = UNet2DModel(
            sample_size=size,
            in_channels=1,
            out_channels=1,
            layers_per_block=1,
            norm_num_groups=8,
            block_out_channels=(16, 32, 48, 64),
            down_block_types=("DownBlock2D",) * 4,
            up_block_types=("UpBlock2D",) * 4,
        )
    abar = torch.linspace(0, 1, 1002, dtype=torch.float64)[1:-1].mul(torch.pi / 2).cos() ** 2
    return DiffusersUNetScore(unet, NoiseSchedule(abar), "epsilon")


def overhead(settings: OverheadSettings, seed: int) -> dict[str, Any]:
    """Seconds inside and outside the network in one solve, and peak memory of a solve and of one
    forward pass of its batch.
    """
    score = TimedScore(random_unet(settings.size, seed))
    start = _start(settings, seed)
    score.score(start[0], settings.sigma)  # the first call chooses kernels
    score.seconds = 0.0
    spent: list[tuple[float, float]] = []
    began = time.perf_counter()
    solver = GaussNewton(settings.segments + 1, max_iterations=settings.iterations, tolerance=1e-12)
    solution = solver.solve(
        SteinMetric(ScoreField(score, settings.sigma), settings.lam),
        start,
        lambda _: spent.append((time.perf_counter() - began, score.seconds)),
    )
    whole, inside = spent[-1]
    parameters = (
        sum(p.numel() for p in score.inner.unet.parameters())
        if isinstance(score.inner, DiffusersUNetScore)
        else 0
    )
    return {
        "dimension": settings.size**2,
        "parameters": parameters,
        "iterations": int(solution.iterations[0]),
        "seconds": whole,
        "network_seconds": inside,
        "share": 1 - inside / whole,
        "memory": {what: _measured_apart(what, settings, seed) for what in (FORWARD, SOLVE)},
    }


def peak_memory(what: str, settings: OverheadSettings, seed: int) -> dict[str, int]:
    """Resident bytes of this process before (`base`) and at most during (`peak`) a forward pass or
    a solve.

    For a process of its own: the peak is that of the process's whole life.
    """
    score = random_unet(settings.size, seed)
    start = _start(settings, seed)
    with torch.no_grad():
        score.score(start[0, :1], settings.sigma)  # libraries' own buffers belong to neither
    base = _resident()
    if what == FORWARD:
        with torch.no_grad():
            score.score(start[0], settings.sigma)
    else:
        solver = GaussNewton(
            settings.segments + 1, max_iterations=settings.iterations, tolerance=1e-12
        )
        solver.solve(SteinMetric(ScoreField(score, settings.sigma), settings.lam), start)
    return {"base": base, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def _start(settings: OverheadSettings, seed: int) -> torch.Tensor:
    ends = torch.randn(1, 2, 1, settings.size, settings.size, generator=generator(seed, "overhead"))
    return linear(ends, settings.segments + 1)


def _resident() -> int:
    """Resident bytes now; Linux."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def _measured_apart(what: str, settings: OverheadSettings, seed: int) -> dict[str, int]:
    given = json.dumps({"what": what, "seed": seed, "settings": asdict(settings)})
    command = [sys.executable, "-m", "experiments.benchmark.overhead", given]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DataError(f"the memory measurement of {what!r} failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(
        json.dumps(peak_memory(asked["what"], OverheadSettings(**asked["settings"]), asked["seed"]))
    )
