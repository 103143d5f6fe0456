"""Pictures of a run: frames, strips, animations, paths on the surface, energy curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scoregeo.core.files import write_whole
from scoregeo.dataset.base import AbstractDataset, Pairs
from scoregeo.dataset.sphere import Sphere
from scoregeo.dataset.torus import Torus
from scoregeo.report.animation import animation
from scoregeo.report.curves import energy_curves
from scoregeo.report.figures import frame_strips, surface_paths
from scoregeo.report.style import as_pictures

_GRID = 48
_PATHS_SHOWN = 4  # pairs on one surface; more hide each other


def write_pictures(
    folder: Path,
    dataset: AbstractDataset,
    pairs: Pairs,
    frames: Mapping[str, torch.Tensor],
    histories: Mapping[str, Mapping[str, Any]],
    saved_pairs: int,
) -> list[Path]:
    """Everything a person looks at: `frames/METHOD/PAIR/` and `figures/`. Gives the PNG figures.

    `frames`: clean paths [pairs, points, *shape] by method, the truth among them where it is known; `histories`: energy and
    score_evaluations [steps, pairs] by solver method.
    """
    figures = folder / "figures"
    written: list[Path] = []
    curves = {name: (history["score_evaluations"], history["energy"]) for name, history in histories.items() if history["energy"]}
    if curves:
        written += energy_curves(figures / "energy", curves)
    if len(dataset.shape) == 3:
        for index in _first_of_each_group(pairs.groups, saved_pairs):
            pair = pairs.names[index]
            for method, all_frames in frames.items():
                _write_frames(folder / "frames" / method / pair, all_frames[index])
            rows = {method: all_frames[index] for method, all_frames in frames.items()}
            written += frame_strips(figures / f"strip_{pair}", rows, title=f"{pair} ({pairs.groups[index]})")
    elif (surface := surface_of(dataset)) is not None:
        longest = (pairs.second - pairs.first).norm(dim=1).argsort(descending=True, stable=True)[:_PATHS_SHOWN]
        tracks = {method: path[longest, :, :3].double() for method, path in _different(frames).items()}
        written += surface_paths(figures / "paths", surface, tracks)
    return [path for path in written if path.suffix == ".png"]


def surface_of(dataset: AbstractDataset) -> tuple[Any, Any, Any] | None:
    """x, y, z grids of a surface in its first three coordinates, or None for what is not one."""
    u = np.linspace(0, 2 * np.pi, _GRID)
    if isinstance(dataset, Sphere) and dataset.dimension == 2:
        v = np.linspace(0, np.pi, _GRID // 2)[:, None]
        r = dataset.radius
        return r * np.sin(v) * np.cos(u), r * np.sin(v) * np.sin(u), r * np.cos(v) * np.ones_like(u)
    if isinstance(dataset, Torus):
        theta, phi = torch.meshgrid(torch.from_numpy(u), torch.from_numpy(u), indexing="ij")
        x, y, z = dataset.embed(torch.stack([theta, phi], -1)).numpy().transpose(2, 0, 1)
        return x, y, z
    return None


def _different(frames: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Without the methods whose paths are an earlier one's: the second would hide the first."""
    kept: dict[str, torch.Tensor] = {}
    for method, path in frames.items():
        if not any(torch.equal(path, other) for other in kept.values()):
            kept[method] = path
    return kept


def _write_frames(folder: Path, frames: torch.Tensor) -> None:
    """`000.png` and so on, all in a row as `strip.png`, `animation.gif` and `.mp4`; frames [points, channels, height, width]."""
    pictures = as_pictures(frames, str(folder.name))
    for number, picture in enumerate(pictures):
        _write_png(folder / f"{number:03d}.png", picture)
    _write_png(folder / "strip.png", np.concatenate(list(pictures), axis=1))
    animation(folder / "animation", frames)


def _write_png(path: Path, picture: Any) -> None:
    from PIL import Image

    image = Image.fromarray(picture)
    write_whole(path, lambda partial: image.save(partial, format="PNG"))


def _first_of_each_group(groups: Sequence[str], count: int) -> list[int]:
    return [i for i, group in enumerate(groups) if groups[:i].count(group) < count]
