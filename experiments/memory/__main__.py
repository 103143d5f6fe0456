"""Memory of a score evaluation and of decoding at Stable Diffusion 1.5's size, whole batches
against split ones.

    python -m experiments.memory [--frames 16] [--pixels 256] [--chunks 16 1]

Networks of that architecture with random weights, on the CPU, each measurement in a process of its
own: the peak of resident memory above what it was with the network loaded, as Linux reports it.
Writes the page `results/memory/`.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from scoregeo._utils.arguments import path_argument, whole_argument
from scoregeo._utils.words import count
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.model import Page, Table
from scoregeo.report.render import write_page
from scoregeo.report.table import Row
from scoregeo.score.condition import Fixed
from scoregeo.score.latent_codec import LatentCodec
from scoregeo.score.schedule import NoiseSchedule
from scoregeo.score.stable_diffusion import StableDiffusionScore

CHANNELS = (320, 640, 1280, 1280)
TITLES = {"megabytes": "peak above the loaded networks (MB)", "seconds": "seconds"}


def score_once(frames: int, side: int, chunk: int) -> tuple[float, float]:
    """Peak megabytes and seconds of one score evaluation of `frames` latents [4, side, side]."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=64,
        in_channels=4,
        out_channels=4,
        block_out_channels=CHANNELS,
        cross_attention_dim=768,
        attention_head_dim=8,
    )
    schedule = NoiseSchedule(torch.linspace(0.9999, 0.005, 1000))
    score = StableDiffusionScore(
        unet, schedule, "epsilon", (4, side, side), Fixed(torch.zeros(77, 768)), chunk=chunk
    )
    latents = torch.randn(frames, 4, side, side)
    with torch.no_grad():
        return measured(lambda: score.score(latents, 1.0))


def decode_once(frames: int, side: int, chunk: int) -> tuple[float, float]:
    """Peak megabytes and seconds of decoding `frames` latents [4, side, side] to pictures eight
    times as large.
    """
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    widths = (128, 256, 512, 512)
    down, up = ("DownEncoderBlock2D",) * 4, ("UpDecoderBlock2D",) * 4
    vae = AutoencoderKL(
        block_out_channels=widths,
        down_block_types=down,
        up_block_types=up,
        layers_per_block=2,
        latent_channels=4,
    )
    codec = LatentCodec(vae, chunk)
    return measured(lambda: codec.decode(torch.randn(frames, 4, side, side)))


def measured(work: Callable[[], torch.Tensor]) -> tuple[float, float]:
    """Growth of the peak of resident memory, in megabytes, and seconds."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew at what is held now
    before, began = peak(), time.perf_counter()
    work()
    return peak() - before, time.perf_counter() - began


def peak() -> float:
    """Largest resident memory since it was last cleared, in megabytes."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return (
        float(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
        / 1024
    )


WORK = {"score": score_once, "decode": decode_once}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=whole_argument(), default=16)
    parser.add_argument("--pixels", type=whole_argument(8), default=256)
    parser.add_argument("--chunks", type=whole_argument(), nargs="+", default=[16, 1])
    parser.add_argument("--results", type=path_argument, default=Path("results"))
    parser.add_argument(
        "--one", nargs=2, metavar=("WORK", "CHUNK"), help=argparse.SUPPRESS
    )  # what a process of its own does
    given = parser.parse_args(arguments)
    if given.one:
        if given.one[0] not in WORK or not given.one[1].isdigit():
            parser.error(
                f"argument --one: {' '.join(given.one)}: {' or '.join(WORK)}, and a number"
            )
        print(*WORK[given.one[0]](given.frames, given.pixels // 8, int(given.one[1])))
        return
    rows = []
    for name in WORK:
        for chunk in given.chunks:
            size = ["--frames", str(given.frames), "--pixels", str(given.pixels)]
            line = [sys.executable, "-m", "experiments.memory", *size, "--one", name, str(chunk)]
            done = subprocess.run(line, capture_output=True, text=True, check=True)
            megabytes, seconds = (float(value) for value in done.stdout.split()[-2:])
            print(f"{name}, chunk {chunk}: {megabytes:.0f} MB, {seconds:.1f} s", flush=True)
            cells = {
                "megabytes": Estimate(round(megabytes)),
                "seconds": Estimate(round(seconds, 1)),
            }
            rows.append(Row({"work": name, "chunk": str(chunk)}, cells))
    about = (
        f"{given.frames} frames of {given.pixels} x {given.pixels} pixels, float32 on the CPU,"
        f" networks of random weights (seed 0), torch {torch.__version__},"
        f" {count(torch.get_num_threads(), 'thread')}. score: one evaluation of all frames without"
        " guidance; decode: the autoencoder's. The batch is `score.chunk`."
    )
    page = Page(
        name="memory",
        title="Memory at Stable Diffusion 1.5's size: whole batches and split ones",
        command=f"python -m experiments.memory --frames {given.frames} --pixels {given.pixels}",
        tables=(Table(tuple(rows)),),
        question="What does a batch cost in memory at Stable Diffusion's size?",
        about=(about,),
        titles=TITLES,
    )
    write_page(page, given.results / page.name)


if __name__ == "__main__":
    main()
