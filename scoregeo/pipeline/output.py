"""What a morph gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import check_choice
from scoregeo._utils.files import path_of
from scoregeo.report.animation import write_gif, write_mp4, write_strip
from scoregeo.report.style import as_pictures
from scoregeo.solver.base import Solution

OUTPUT_TYPES = ("pil", "pt", "np")


@dataclass(frozen=True, eq=False, repr=False)
class GeodesicOutput:
    """Frames of a morph, and the geodesics that they are decoded from.

    Attributes:
        frames: of `output_type`: "pil", a list of pictures; "pt", a tensor [frames, 3, height,
            width] in [0, 1]; "np", an array [frames, height, width, 3] in [0, 1].
        points: the frames' latents at the noise level, float32 [frames, *shape].
        solutions: of each part of the way, between one keyframe and the next (`Solution`): path,
            status, energies, certificate.
        sigma: the noise level.
        psnr: dB, of each given keyframe after inversion and decoding; NaN for one that the model
            made. `psnr_codec`: after encoding and decoding alone, which is the best there is.
        evaluations: score evaluations by what they were for.
        warnings: what to know of the result; empty where there is nothing to say.
        closed: whether the last frame leads back to the first.

    Example:
        >>> import torch, scoregeo
        >>> frames = torch.zeros(2, 3, 8, 8)
        >>> output = scoregeo.GeodesicOutput(
        ...     frames, torch.zeros(2, 4, 1, 1), (), 1.0, (30.0, 31.0), (32.0, 33.0), {}, (), False
        ... )
        >>> output.frames.shape
        torch.Size([2, 3, 8, 8])
    """

    frames: Any
    points: torch.Tensor
    solutions: tuple[Solution, ...]
    sigma: float
    psnr: tuple[float, ...]
    psnr_codec: tuple[float, ...]
    evaluations: Mapping[str, int]
    warnings: tuple[str, ...]
    closed: bool

    def __repr__(self) -> str:
        """In one line, without the frames' and points' numbers."""
        psnr = ", ".join(f"{one:.1f}" for one in self.psnr)
        return (
            f"GeodesicOutput({len(self.frames)} frames, status={self.status},"
            f" score_evaluations={self.score_evaluations}, psnr=({psnr}) dB,"
            f" warnings={list(self.warnings)})"
        )

    @property
    def status(self) -> tuple[str, ...]:
        """Of each part of the way: "converged", or what it is instead (`Solution.status`)."""
        return tuple(solution.status[0] for solution in self.solutions)

    @property
    def energy(self) -> tuple[float, ...]:
        """In the metric, on the solver's quadrature, of each part of the way."""
        return tuple(float(solution.energy[0]) for solution in self.solutions)

    @property
    def certified_energy(self) -> tuple[float, ...]:
        """The same on a finer quadrature (`Solution`)."""
        return tuple(float(solution.certified_energy[0]) for solution in self.solutions)

    @property
    def score_evaluations(self) -> int:
        """All that were spent."""
        return sum(self.evaluations.values())

    def save_gif(
        self, path: str | Path, fps: float = 12, *, there_and_back: bool | None = None
    ) -> Path:
        """Write a looping GIF; there and back unless the morph is closed. Small pictures are drawn
        large. Gives its path.
        """
        return write_gif(path_of("path", path), self._shown(), fps, self._back(there_and_back))

    def save_mp4(
        self, path: str | Path, fps: float = 12, *, there_and_back: bool | None = None
    ) -> Path:
        """Write an MP4, which keeps all colours; see `save_gif`."""
        return write_mp4(path_of("path", path), self._shown(), fps, self._back(there_and_back))

    def save_strip(self, path: str | Path) -> Path:
        """Write the frames in a row as a PNG. Gives its path."""
        return write_strip(path_of("path", path), self._shown())

    def _back(self, given: bool | None) -> bool:
        return not self.closed if given is None else given

    def _shown(self) -> torch.Tensor:
        """[frames, 3, height, width] in [-1, 1]."""
        if isinstance(self.frames, torch.Tensor):
            return 2 * self.frames - 1
        import numpy as np

        pictures = np.stack([np.asarray(one) for one in self.frames]).astype(np.float32)
        scale = 127.5 if isinstance(self.frames, list) else 0.5
        return torch.from_numpy(pictures / scale - 1).permute(0, 3, 1, 2)


def as_output(frames: torch.Tensor, output_type: str) -> Any:
    """Frames [frames, 3, height, width] in [-1, 1] as one of `OUTPUT_TYPES`."""
    check_choice("output_type", output_type, OUTPUT_TYPES)
    if output_type == "pil":
        from PIL import Image

        return [Image.fromarray(one) for one in as_pictures(frames, "frames")]
    unit = ((frames.float().cpu() + 1) / 2).clamp(0, 1)
    return unit if output_type == "pt" else unit.permute(0, 2, 3, 1).numpy()
