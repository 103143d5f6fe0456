"""What a GPU does: agreement with the processor, and time and memory of geodesics, at the sizes of
Stable Diffusion 1.5, XL and 3.

    python scripts/gpu_check.py                          # under eight minutes; writes results/gpu/
    python scripts/gpu_check.py --device cpu --tiny --results /tmp/check    # the same code, seconds

Networks have random weights (`gpu_networks.py`): nothing is downloaded, and nothing is said of
pictures. For each model:

- agreement: one score evaluation of small latents in float32 on the device against the processor,
  and in half precision on the device against that; relative differences.
- a geodesic of 17 frames at the model's own size in half precision, by the solver that
  `scoregeo morph` uses, against sampling 17 pictures in 50 steps of DDIM or Euler: seconds, score
  evaluations of a frame and peak memory. Where sampling would take longer than its share of the
  time, fewer steps are timed and scaled to 50, which the table says.

Exit status: 0; 1 where there is no GPU; 2 where float32 differs by more than the tolerance.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from gpu_networks import MODELS, Model

from scoregeo._utils.arguments import path_argument, positive_argument
from scoregeo._utils.device import device_of
from scoregeo._utils.errors import ScoregeoError
from scoregeo._utils.memory import GIB, memory_limit
from scoregeo.evaluation.statistics import Estimate, NotAvailable
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.report.model import Page, Table
from scoregeo.report.render import write_page
from scoregeo.report.table import Cell, Row
from scoregeo.score.allocated import Allocated
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.score.grid import SamplingGrid
from scoregeo.score.guided import AbstractGuidedScore
from scoregeo.solver.gauss_newton import GaussNewton

SMALL = 16  # side of the latents on which devices are compared
TOLERANCE = 1e-3  # relative, of one float32 evaluation; TF32 is off for it
TIMESTEP = 400
STEPS, FRAMES = 50, 17
LAM = 10.0
SHARE = 45.0  # seconds for the sampling of one model; a geodesic takes what it takes
TITLES = {
    "parameters": "parameters (millions)",
    "float32": "float32, device against processor",
    "half": "half precision against float32",
    "geodesic_seconds": "geodesic (s)",
    "sampling_seconds": "sampling (s)",
    "ratio": "geodesic / sampling",
    "evaluations": "evaluations a frame",
    "geodesic_gib": "geodesic, peak (GiB)",
    "sampling_gib": "sampling, peak (GiB)",
}


@dataclass(frozen=True)
class Check:
    """What is measured: `frames` of a path, `steps` of sampling, `seconds` for everything."""

    device: torch.device
    dtype: torch.dtype
    tiny: bool
    frames: int
    steps: int
    seconds: float
    began: float

    @property
    def left(self) -> float:
        return self.seconds - (time.monotonic() - self.began)


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        name = device_of(given.device, "--device")
    except ScoregeoError as error:
        print(f"gpu_check: {error}", file=sys.stderr)
        return 1
    if name == "cpu" and given.device != "cpu":
        print("gpu_check: no GPU is here, and nothing was measured.", file=sys.stderr)
        return 1
    frames, steps = (5, 4) if given.tiny else (FRAMES, STEPS)
    check = Check(
        torch.device(name),
        {"float16": torch.float16, "bfloat16": torch.bfloat16}[given.dtype],
        given.tiny,
        frames,
        steps,
        given.seconds,
        time.monotonic(),
    )
    rows = []
    with memory_limit(given.memory_gib):
        for model in MODELS:
            cells = _cells(model, check)
            rows.append(Row({"model": model.name}, cells))
            print(f"{model.name}: {_line(cells)}", flush=True)
    if given.results is not None or not given.tiny:
        write_page(_page(rows, check, given), (given.results or Path("results")) / "gpu")
    found = [row.cells["float32"] for row in rows]
    wrong = [cell for cell in found if isinstance(cell, Estimate) and not cell.mean <= TOLERANCE]
    return 2 if wrong else 0


def _cells(model: Model, check: Check) -> dict[str, Cell]:
    """All measures of one model; those that memory or time do not allow are not available."""
    cells: dict[str, Cell] = dict.fromkeys(TITLES, NotAvailable("not reached"))
    if check.left < 0:
        return dict.fromkeys(TITLES, NotAvailable(f"{check.seconds:g} s were over"))
    network = model.network(check.tiny)
    count = sum(parameter.numel() for parameter in network.parameters())
    cells["parameters"] = Estimate(float(f"{count / 1e6:.4g}"))
    try:
        cells |= _agreement(model, network, check)
        cells |= _geodesic(model, network, check)
    except (torch.OutOfMemoryError, ScoregeoError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        missing = {key for key, cell in cells.items() if isinstance(cell, NotAvailable)}
        cells |= dict.fromkeys(missing, NotAvailable(reason))
    return cells


def _agreement(model: Model, network: torch.nn.Module, check: Check) -> dict[str, Cell]:
    """Relative differences of one evaluation; the network stays on the device, in half
    precision.
    """
    side = min(SMALL, model.side(network))
    x = _noise(2, *model.score(network, side).shape)
    _exact(True)
    wanted = _once(model.score(network, side), x)
    network.to(check.device)
    single = _once(model.score(network, side), x.to(check.device)).cpu()
    _exact(False)
    network.to(check.dtype)
    half = _once(model.score(network, side), x.to(check.device)).cpu()
    return {
        "float32": _relative(single, wanted),
        "half": _relative(half, single),
    }


def _once(score: AbstractGuidedScore, x: torch.Tensor) -> torch.Tensor:
    sigma = score.sigma_of_timestep(TIMESTEP)
    with torch.no_grad():
        return score.score(sigma * x, sigma)


def _geodesic(model: Model, network: torch.nn.Module, check: Check) -> dict[str, Cell]:
    """Seconds and memory of a geodesic and of sampling as many pictures."""
    score = model.score(network, model.side(network))
    weights = sum(one.nbytes for one in network.parameters()) / GIB
    sigma = score.sigma_of_timestep(TIMESTEP)
    ends = (sigma * _noise(2, *score.shape)).to(check.device)
    with torch.no_grad():
        score.score(ends, sigma)  # kernels are chosen, and the batch's memory is measured
    counted = CountingScore(score)
    metric = SteinMetric(ScoreField(counted, sigma), LAM)
    solver = GaussNewton(check.frames)
    seconds, peak = _timed(
        lambda: solver.solve(metric, linear(ends[None], check.frames)), check.device
    )
    noise = _noise(check.frames, *score.shape).to(check.device)
    one, _ = _timed(lambda: _sample(score, noise, 1), check.device)
    share = max(1.0, min(SHARE, check.left / 2))
    steps = max(1, min(check.steps, int(share / one)))
    sampled, sampling_peak = _timed(lambda: _sample(score, noise, steps), check.device)
    sampled *= check.steps / steps
    scaled = "" if steps == check.steps else f"from {steps} of {check.steps} steps"
    return {
        "geodesic_seconds": _three(seconds),
        "sampling_seconds": _three(sampled, scaled),
        "ratio": _three(seconds / sampled),
        "evaluations": _three(counted.count / check.frames),
        "geodesic_gib": _three(weights + peak / GIB),
        "sampling_gib": _three(weights + sampling_peak / GIB),
    }


def _sample(score: AbstractGuidedScore, noise: torch.Tensor, steps: int) -> torch.Tensor:
    """Steps of the sampler from the timestep 980 down."""
    times = torch.linspace(980, 20, steps).tolist()
    levels = [score.sigma_of_timestep(t) for t in times]
    grid = SamplingGrid(high=tuple(levels), low=(*levels[1:], 0.0))
    return grid.decode(score, grid.from_noise(noise), levels[0])


def _timed(work: Callable[[], object], device: torch.device) -> tuple[float, int]:
    """Seconds, and bytes at the peak above what is held."""
    _wait(device)
    began = time.perf_counter()
    with Allocated(device) as memory:
        work()
        _wait(device)
    return time.perf_counter() - began, memory.peak


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _exact(on: bool) -> None:
    """Float32 without TF32, or as torch has it by default."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = not on


def _noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def _relative(found: torch.Tensor, wanted: torch.Tensor) -> Estimate:
    return Estimate(float(f"{float((found - wanted).norm() / wanted.norm()):.2g}"))


def _three(value: float, detail: str = "") -> Estimate:
    return Estimate(float(f"{value:.3g}"), detail=detail)


def _line(cells: dict[str, Cell]) -> str:
    shown = {key: cell for key, cell in cells.items() if isinstance(cell, Estimate)}
    missing = {cell.reason for cell in cells.values() if isinstance(cell, NotAvailable)}
    words = [f"{TITLES[key]} {cell.mean:g}" for key, cell in shown.items()]
    return "; ".join([*words, *missing])


def _page(rows: Sequence[Row], check: Check, given: argparse.Namespace) -> Page:
    place = (
        torch.cuda.get_device_name(check.device)
        if check.device.type == "cuda"
        else f"the {check.device.type} device"
    )
    about = (
        f"On {place}, torch {torch.__version__}: networks of random weights in {given.dtype}, one"
        f" prompt, no guidance, batches by a memory limit of {given.memory_gib:g} GiB."
        f" Agreement: one evaluation of two latents of at most {SMALL} x {SMALL}, relative"
        f" difference; float32 without TF32, at most {TOLERANCE:g} allowed. Geodesic:"
        f" {check.frames} frames, lambda {LAM:g}, timestep {TIMESTEP}, Gauss-Newton with its"
        f" defaults. Sampling: {check.frames} pictures in {check.steps} steps. Memory includes the"
        " weights; the autoencoder and text encoders take no part.",
    )
    return Page(
        name="gpu",
        title="Geodesics and sampling on a GPU at Stable Diffusion's sizes",
        command="python scripts/gpu_check.py" + (" --tiny --device cpu" if check.tiny else ""),
        tables=(Table(tuple(rows)),),
        question="What does a geodesic cost beside sampling as many pictures?",
        about=about,
        titles=TITLES,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto", help="cuda, mps, or cpu to try the code")
    parser.add_argument("--dtype", choices=("bfloat16", "float16"), default="bfloat16")
    parser.add_argument("--tiny", action="store_true", help="tiny networks, 5 frames, 4 steps")
    parser.add_argument(
        "--memory-gib", type=positive_argument, default=16.0, help="of a network's batch"
    )
    parser.add_argument(
        "--seconds", type=positive_argument, default=420.0, help="after which no model begins"
    )
    parser.add_argument(
        "--results", type=path_argument, help="folder of pages (results; none with --tiny)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
