"""Scores of frames that any tool made, in the protocol of DiffMorpher (Zhang et al., CVPR 2024)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.feature_network import FeatureNetwork
from scoregeo.evaluation.fid_kid import polynomial_mmd, weighted_fid
from scoregeo.evaluation.frame_folder import SIDE, FrameSequence, equal_sizes, read_frame
from scoregeo.evaluation.lpips import Lpips
from scoregeo.evaluation.perceptual import Along, along_path
from scoregeo.evaluation.precision_recall import NEIGHBOURS, coverage

# Frames whose features are held at a time: at 512 x 512 those of VGG-16 have 200 MB an image.
_BATCH = {"alex": 8, "squeeze": 8, "vgg": 2}
_ADVANCE = 32  # frames of a sequence read at a time


@dataclass(frozen=True)
class Smoothness:
    """What the LPIPS between neighbouring frames of one path say; `steps` [frames - 1], float64.

    `ppl`: their sum, the perceptual path length. `pdv`: their variance (dividing by their number),
    the perceptual distance variance; `deviation` is its root, which some call PDV. All but `mean`
    and `greatest` depend on the number of frames.
    """

    steps: torch.Tensor

    @property
    def ppl(self) -> float:
        return float(self.steps.sum())

    @property
    def pdv(self) -> float:
        return float(self.steps.var(correction=0))

    @property
    def deviation(self) -> float:
        return self.pdv**0.5

    @property
    def mean(self) -> float:
        return float(self.steps.mean())

    @property
    def greatest(self) -> float:
        return float(self.steps.max())


@dataclass(frozen=True)
class Realism:
    """Frames beside a reference set: FID, KID (`polynomial_mmd`: of all pictures, without subsets),
    and the counts of both. `precision`, `recall`: None where a set has three pictures or fewer.
    """

    fid: float
    kid: float
    precision: float | None
    recall: float | None
    frames: int
    references: int


def smoothness(measure: Lpips, sequence: FrameSequence, side: int = SIDE) -> Smoothness:
    """LPIPS between neighbouring frames, each resized to `side` x `side` in [-1, 1]."""
    measure = replace(measure, batch_size=_BATCH[measure.net])
    steps, last = list[Along](), None
    for start in range(0, len(sequence.frames), _ADVANCE):
        paths = sequence.frames[start : start + _ADVANCE]
        frames = torch.stack([read_frame(path, side) for path in paths])
        steps.append(along_path(measure, frames if last is None else torch.cat([last, frames])))
        last = frames[-1:]
    return Smoothness(torch.cat([one.steps for one in steps]))


def picture_features(
    network: FeatureNetwork, paths: Iterable[Path], advance: Callable[[int], object] = lambda _: 0
) -> torch.Tensor:
    """Features [pictures, d], float64, of pictures at their own size, which the network resizes.

    `advance` is called with the number of pictures done.
    """
    found = []
    for batch in equal_sizes(paths):
        found.append(network.features(batch, min(network.batch_size, len(batch))))
        advance(len(batch))
    return torch.cat(found)


def realism(features: torch.Tensor, reference: torch.Tensor) -> Realism:
    """Of features [n, d] and [m, d], n, m >= 2, float64."""
    once = torch.ones(1, 1, dtype=torch.float64)
    fid = float(weighted_fid(features[None], reference, once))  # quick for fewer pictures than d
    found = None
    if min(len(features), len(reference)) > NEIGHBOURS:
        found = coverage(features, reference)
    return Realism(
        fid=max(fid, 0.0),  # rounding, for equal sets
        kid=polynomial_mmd(features, reference),
        precision=None if found is None else found.precision,
        recall=None if found is None else found.recall,
        frames=len(features),
        references=len(reference),
    )


def rows_of(names: Sequence[str], by: str) -> dict[str, list[int]]:
    """Which sequences each row of the table is of, by the row's name.

    `by`: "sequence", a row each; "first" or "last", a row for each first or last part of their
    paths, as METHOD in METHOD/PAIR and in PAIR/METHOD.
    """
    rows: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        parts = name.split("/")
        row = {"sequence": name, "first": parts[0], "last": parts[-1]}[by]
        rows.setdefault(row, []).append(index)
    return rows


def sequences_of(sequences: Sequence[FrameSequence], by: str, folder: Path) -> dict[str, list[int]]:
    """Which of the sequences in `folder` each of the table's rows is of (`rows_of`)."""
    # Beside others the folder itself is ".": one below it may have its name.
    own = "." if len(sequences) > 1 else folder.resolve().name
    return rows_of([one.name or own for one in sequences], by)


def check_inner(sequences: Sequence[FrameSequence], by: str, folder: Path) -> None:
    """Raise DataError where, without its sequences' ends, a row would have one frame."""
    for name, which in sequences_of(sequences, by, folder).items():
        if sum(len(sequences[i].frames) - 2 for i in which) < 2:
            raise DataError(f"--inner leaves one frame of {name}: FID needs two.")
