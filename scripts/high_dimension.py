"""What the solver's own arithmetic costs in high dimension beside the networks whose score it asks
for: pictures of 3 x 512 x 512, latents of Stable Diffusion 1.5 and XL, of a video model.

    python scripts/high_dimension.py            # on the processor, minutes; writes results/
    python scripts/high_dimension.py --tiny --results /tmp/check       # the same code, seconds

One geodesic of 33 points at each size, between two points of a circle in a random plane, whose
score is known and nearly free: the solve is the same in every dimension, and what is not the
score's is the solver's own. Beside it one evaluation, at one point, of a network of random weights
and the published size. Nothing is downloaded.
"""

import argparse
import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from gpu_networks import MODELS

from scoregeo._utils.arguments import path_argument
from scoregeo._utils.memory import memory_limit
from scoregeo._utils.words import count
from scoregeo.evaluation.statistics import Estimate
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.report.model import Page, Table
from scoregeo.report.render import write_page
from scoregeo.report.table import Row
from scoregeo.score.allocated import Allocated
from scoregeo.score.base import AbstractScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.gauss_newton import GaussNewton

POINTS, LAM, RADIUS = 33, 10.0, 8.0
MEMORY = 16.0  # GiB of a solve: 8 are a little too few for pictures
CPU = torch.device("cpu")
TITLES = {
    "numbers": "numbers in a point",
    "evaluations": "evaluations a point",
    "own_seconds": "solver's own arithmetic (s)",
    "own_megabytes": "its memory (MB)",
    "network_seconds": "network, one evaluation (s)",
    "network_megabytes": "its memory beside the weights (MB)",
    "share": "solver's share of the time (%)",
    "parameters": "network's parameters (millions)",
}


class CircleScore(AbstractScore):
    """The score `(R u - x) / sigma^2` of a circle of radius R in a plane, u the unit vector along
    the part of x in that plane: that of data on the circle with noise, where sigma is small beside
    R. It notes the seconds that it takes.
    """

    def __init__(self, shape: tuple[int, ...], radius: float = RADIUS) -> None:
        source = torch.Generator().manual_seed(0)
        draw = torch.randn(2, math.prod(shape), generator=source)
        self.basis = torch.linalg.qr(draw.T.double())[0].T.float()
        self._shape, self.radius = shape, radius
        self.seconds, self.count = 0.0, 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    def point(self, angle: float) -> torch.Tensor:
        """On the circle, [*shape]."""
        unit = torch.tensor([math.cos(angle), math.sin(angle)])
        return (self.radius * unit @ self.basis).view(self._shape)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        began = time.perf_counter()
        basis, flat = self.basis.to(x), x.flatten(1)
        unit = torch.nn.functional.normalize(flat @ basis.T, dim=1)
        found = (self.radius * unit @ basis - flat) / sigma**2
        self.seconds += time.perf_counter() - began
        self.count += len(x)
        return found.view_as(x)


@dataclass(frozen=True)
class Size:
    """A model: the shape of its points, and its network with one evaluation of it."""

    name: str
    shape: tuple[int, ...]
    network: Callable[[], tuple[torch.nn.Module, Callable[[torch.Tensor], object]]]


def solved(shape: tuple[int, ...], points: int) -> dict[str, float]:
    """Evaluations a point, and seconds and megabytes of a solve but for those of its score."""
    score = CircleScore(shape)
    ends = torch.stack([score.point(0.0), score.point(math.pi / 2)])[None]

    def solve() -> None:
        metric = SteinMetric(ScoreField(score, 1.0), LAM)
        with memory_limit(MEMORY):
            GaussNewton(points).solve(metric, linear(ends, points))

    solve()  # what is imported and set up at the first one
    score.seconds, score.count = 0.0, 0
    began = time.perf_counter()
    solve()
    seconds = time.perf_counter() - began - score.seconds
    evaluations = score.count / points
    with Allocated(CPU) as memory:
        solve()
    return {
        "numbers": math.prod(shape),
        "evaluations": evaluations,
        "own_seconds": seconds,
        "own_megabytes": memory.peak / 2**20,
    }


def evaluated(size: Size) -> dict[str, float]:
    """Parameters of a network, seconds and megabytes of one evaluation at one point."""
    network, evaluate = size.network()
    network.eval().requires_grad_(False)
    x = torch.randn(1, *size.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        began = time.perf_counter()
        with Allocated(CPU) as memory:
            evaluate(x)
        seconds = time.perf_counter() - began
    return {
        "parameters": sum(one.numel() for one in network.parameters()) / 1e6,
        "network_seconds": seconds,
        "network_megabytes": memory.peak / 2**20,
    }


def sizes(tiny: bool) -> tuple[Size, ...]:
    sides = (16, 8) if tiny else (64, 128)
    latent = [
        Size(model.name, (4, side, side), partial(_latent, model, tiny))
        for model, side in zip(MODELS[:2], sides, strict=True)
    ]
    pixels = (3, 64, 64) if tiny else (3, 512, 512)
    video = (16, 2, 8, 8) if tiny else (16, 5, 60, 104)
    return (
        *latent,
        Size("Wan 2.1 1.3B, 17 frames of 480 x 832", video, partial(_video, tiny)),
        Size("DDPM of pictures, 512 x 512", pixels, partial(_pixels, pixels[1], tiny)),
    )


def _latent(model: Any, tiny: bool) -> tuple[torch.nn.Module, Callable[[torch.Tensor], object]]:
    network = model.network(tiny)
    score = model.score(network, model.side(network))
    return network, lambda x: score.score(x, 1.0)


def _video(tiny: bool) -> tuple[torch.nn.Module, Callable[[torch.Tensor], object]]:
    from diffusers import WanTransformer3DModel

    settings = {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}
    if tiny:
        settings = {"num_attention_heads": 2, "ffn_dim": 32, "num_layers": 1, "text_dim": 16}
    torch.manual_seed(0)
    network = WanTransformer3DModel(**settings)
    words = torch.randn(1, 512, network.config.text_dim)
    time_step = torch.tensor([400])
    return network, lambda x: network(x, time_step, words).sample


def _pixels(side: int, tiny: bool) -> tuple[torch.nn.Module, Callable[[torch.Tensor], object]]:
    from diffusers import UNet2DModel

    torch.manual_seed(0)
    plain, up = "DownBlock2D", "UpBlock2D"
    network = UNet2DModel(
        sample_size=side,
        layers_per_block=1 if tiny else 2,
        block_out_channels=(32,) * 6 if tiny else (128, 128, 256, 256, 512, 512),
        down_block_types=(plain, plain, plain, plain, "AttnDownBlock2D", plain),
        up_block_types=(up, "AttnUpBlock2D", up, up, up, up),
    )
    return network, lambda x: network(x, 400).sample


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true", help="small networks and points")
    parser.add_argument(
        "--results", type=path_argument, default=Path("results"), help="folder of pages"
    )
    given = parser.parse_args(arguments)
    points = 9 if given.tiny else POINTS
    rows = []
    for size in sizes(given.tiny):
        found = solved(size.shape, points) | evaluated(size)
        gc.collect()  # the network
        network = points * found["evaluations"] * found["network_seconds"]
        found["share"] = 100 * found["own_seconds"] / (found["own_seconds"] + network)
        cells = {key: Estimate(float(f"{found[key]:.3g}")) for key in TITLES}
        cells["numbers"] = Estimate(found["numbers"])
        rows.append(Row({"model": size.name}, cells))
        print(f"{size.name}: { ({key: cell.mean for key, cell in cells.items()}) }", flush=True)
    write_page(_page(rows, points, given.tiny), given.results / "high_dimension")


def _page(rows: Sequence[Row], points: int, tiny: bool) -> Page:
    about = (
        f"One geodesic of {points} points between the ends of a quarter of a circle of radius"
        f" {RADIUS:g} in a random plane, sigma 1, lam {LAM:g}, float32, Gauss-Newton with its"
        " defaults: seconds and greatest memory of tensors but for the score's seconds. Networks:"
        " one evaluation at one point without guidance, float32, random weights. Share: of a solve"
        " whose score is the network's. torch"
        f" {torch.__version__}, {count(torch.get_num_threads(), 'thread')}."
    )
    return Page(
        name="high_dimension",
        title="Geodesics in high dimension: the solver's arithmetic beside the network's",
        command="python scripts/high_dimension.py" + (" --tiny" if tiny else ""),
        tables=(Table(tuple(rows)),),
        question="What does the solver itself cost in the dimensions of pictures and video?",
        about=(about,),
        titles=TITLES,
    )


if __name__ == "__main__":
    main()
