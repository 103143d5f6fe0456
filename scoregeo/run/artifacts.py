"""Pictures of a run: frames, strips, animations, paths on the surface, energy curves; its page."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import DataError, StorageError
from scoregeo._utils.files import (
    load_tensors,
    load_yaml,
    read_json,
    save_tensors,
    write_json,
    write_text,
    write_whole,
)
from scoregeo._utils.yaml_text import yaml_text
from scoregeo.dataset.base import AbstractDataset, Pairs
from scoregeo.report.animation import animation, write_strip
from scoregeo.report.curves import energy_curves
from scoregeo.report.figures import frame_strips, surface_paths
from scoregeo.report.passages import write_passages
from scoregeo.report.render import HTML, MARKDOWN
from scoregeo.report.run_page import write_run_page
from scoregeo.report.sound import SOUNDS, sound_figure, write_sounds
from scoregeo.report.spectrogram import write_morph
from scoregeo.report.style import as_pictures
from scoregeo.run.folder_state import as_yaml

log = logging.getLogger(__name__)

_TENSORS, _NAMES, _FRAMES = "pictures.safetensors", "pictures.json", "frames."
_PATHS_SHOWN = 4  # pairs on one surface; more hide each other


@dataclass(frozen=True)
class Pictured:
    """What pictures are made of: `pairs`, and of each its clean path by method, `frames` [pairs,
    points, *shape].
    """

    pairs: Pairs
    frames: Mapping[str, torch.Tensor]

    def needed(self, dataset: AbstractDataset, saved_pairs: int) -> "Pictured":
        """Those pairs alone that pictures show, in the same order."""
        index = sorted(_chosen(dataset, self.pairs, saved_pairs))
        pairs = Pairs(
            self.pairs.first[index],
            self.pairs.second[index],
            tuple(self.pairs.names[i] for i in index),
            tuple(self.pairs.groups[i] for i in index),
        )
        return Pictured(pairs, {method: path[index] for method, path in self.frames.items()})

    def save(self, folder: Path) -> None:
        """Keep it in `folder`."""
        save_tensors(
            folder / _TENSORS,
            {"first": self.pairs.first, "second": self.pairs.second, **_prefixed(self.frames)},
        )
        write_json(
            folder / _NAMES,
            {"names": self.pairs.names, "groups": self.pairs.groups, "methods": list(self.frames)},
        )

    @classmethod
    def load(cls, folders: Sequence[Path]) -> "Pictured":
        """What was kept in each of `folders`, one after the other. Raises DataError where a file
        cannot be read.
        """
        tensors = [load_tensors(folder / _TENSORS) for folder in folders]
        names = [read_json(folder / _NAMES) for folder in folders]

        def merged(key: str) -> torch.Tensor:
            return torch.cat([one[key] for one in tensors])

        def words(key: str) -> tuple[str, ...]:
            return tuple(word for one in names for word in one[key])

        pairs = Pairs(merged("first"), merged("second"), words("names"), words("groups"))
        return cls(pairs, {method: merged(f"{_FRAMES}{method}") for method in names[0]["methods"]})


def write_pictures(
    folder: Path,
    dataset: AbstractDataset,
    shown: Pictured,
    histories: Mapping[str, Mapping[str, Any]],
    saved_pairs: int,
) -> list[Path]:
    """Everything a person looks at or listens to: `frames/METHOD/PAIR/`, `sounds/PAIR/` and
    `figures/`. Gives the PNG figures.

    `shown`: the truth's paths among them where it is known; `histories`: energy and
    score_evaluations [steps, pairs] by solver method.
    """
    pairs, frames = shown.pairs, shown.frames
    figures = folder / "figures"
    written: list[Path] = []
    curves = {
        name: (history["score_evaluations"], history["energy"])
        for name, history in histories.items()
        if history["energy"]
    }
    if curves:
        written += energy_curves(figures / "energy", curves)
    if len(dataset.shape) == 3:
        for index in _chosen(dataset, pairs, saved_pairs):
            pair = pairs.names[index]
            for method, all_frames in frames.items():
                _write_frames(folder / "frames" / method / pair, all_frames[index])
            rows = {method: all_frames[index] for method, all_frames in frames.items()}
            written += frame_strips(
                figures / f"strip_{pair}", rows, title=f"{pair} ({pairs.groups[index]})"
            )
    elif dataset.sound is not None:
        for index in _chosen(dataset, pairs, saved_pairs):
            pair = pairs.names[index]
            rows = {method: path[index] for method, path in frames.items()}
            title = f"{pair} ({pairs.groups[index]})"
            if dataset.sound.spectrogram is not None:
                written += write_morph(folder, pair, rows, dataset.sound, title)
                continue
            write_sounds(folder / SOUNDS / pair, rows, dataset.sound.rate)
            written += sound_figure(figures / f"sound_{pair}", rows, dataset.sound, title=title)
    elif (landmarks := dataset.landmarks) is not None:
        shown_pairs = _chosen(dataset, pairs, saved_pairs)
        chosen = {method: path[shown_pairs].double() for method, path in frames.items()}
        names = [pairs.names[i] for i in shown_pairs]
        written += write_passages(folder, landmarks, names, chosen)
    elif (surface := dataset.surface_grid()) is not None:
        longest = _chosen(dataset, pairs, saved_pairs)
        tracks = _different(
            {method: path[longest, :, :3].double() for method, path in frames.items()}
        )
        written += surface_paths(figures / "paths", surface, tracks)
    return [path for path in written if path.suffix == ".png"]


def _different(frames: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Without the methods whose paths are an earlier one's: the second would hide the first."""
    kept: dict[str, torch.Tensor] = {}
    for method, path in frames.items():
        if not any(torch.equal(path, other) for other in kept.values()):
            kept[method] = path
    return kept


def _write_frames(folder: Path, frames: torch.Tensor) -> None:
    """`000.png` and so on, all in a row as `strip.png`, `animation.gif` and `.mp4`; frames [points,
    channels, height, width].
    """
    pictures = as_pictures(frames, str(folder.name))
    for number, picture in enumerate(pictures):
        write_png(folder / f"{number:03d}.png", picture)
    write_strip(folder / "strip.png", frames)
    animation(folder / "animation", frames)


def write_png(path: Path, picture: Any) -> None:
    """A picture of bytes [height, width, 3]."""
    from PIL import Image

    image = Image.fromarray(picture)
    write_whole(path, lambda partial: image.save(partial, format="PNG"))


def _prefixed(frames: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{_FRAMES}{method}": path for method, path in frames.items()}


def _chosen(dataset: AbstractDataset, pairs: Pairs, saved_pairs: int) -> list[int]:
    """Which pairs are shown: as pictures, sounds or by landmarks the first of each group, on a
    surface those with the longest chords.
    """
    of_groups = dataset.sound is not None or dataset.landmarks is not None
    if len(dataset.shape) == 3 or of_groups:
        return _first_of_each_group(pairs.groups, saved_pairs)
    longest = (pairs.second - pairs.first).norm(dim=1).argsort(descending=True, stable=True)
    return longest[:_PATHS_SHOWN].tolist()


def _first_of_each_group(groups: Sequence[str], count: int) -> list[int]:
    return [i for i, group in enumerate(groups) if groups[:i].count(group) < count]


def complete_page(folder: Path, page: Mapping[str, Any]) -> None:
    """Write the page of a run that is done, where it has none, as after a full disk, or where its
    settings `page` are others now.
    """
    if not (folder / "summary.json").exists():
        return
    config = load_yaml(folder / "config.yaml")
    changed = config.get("page") != as_yaml(page)
    if changed:
        try:
            write_text(folder / "config.yaml", yaml_text(config | {"page": as_yaml(page)}))
        except StorageError as error:
            log.warning("the page stays as it is: %s", error)
    if changed or not ((folder / MARKDOWN).exists() and (folder / HTML).exists()):
        write_page_of(folder)


def write_page_of(folder: Path) -> None:
    """Write the page of a finished run; a warning says why there is none."""
    try:
        write_run_page(folder)
    except (DataError, StorageError) as error:  # the numbers are there
        log.warning("no page: %s", error)
