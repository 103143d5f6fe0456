"""Angles of rotated digits: of pairs, off those of the data, and of the references of graphs."""

from collections.abc import Sequence

import torch

from scoregeo._utils.seed import generator


def reference_angles(step: float, sample_angles: int, seed: int) -> torch.Tensor:
    """[360 / step] float64 degrees, `step` apart; the first is one of the `sample_angles` equal
    steps of a turn, below `step`, and follows from the seed.
    """
    between = round(step * sample_angles / 360)
    first = torch.randint(between, (1,), generator=generator(seed, "reference angles"))
    return first * (360 / sample_angles) + step * torch.arange(round(360 / step)).double()


def off_grid(between: torch.Tensor, steps: torch.Tensor, sample_angles: int) -> torch.Tensor:
    """First angles, in degrees, of pairs `between` degrees apart: both ends are equally far, at
    least a quarter of a step, from the `sample_angles` equal steps of a turn.
    """
    step = 360 / sample_angles
    rest = between / step - (between / step).round()
    return (steps + 0.5 - rest / 2) * step


def angle_gap(angles: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
    """Degrees from each of `angles` to the nearest of `references`, round the circle; same shape
    as `angles`.
    """
    apart = (angles[..., None] - references).remainder(360)
    return torch.minimum(apart, 360 - apart).amin(-1)


def held_out_note(
    angles: Sequence[float], sample_angles: int, split: str, step: float | None, digits: str
) -> str:
    """Of pairs of a few digits: which of identities and angles are in no training set and no graph,
    and by how many degrees. Arguments are the settings of `RotatedMNIST`.
    """
    between = torch.tensor(angles, dtype=torch.float64)
    first = off_grid(between, torch.zeros_like(between), sample_angles)
    grid = torch.arange(sample_angles).double() * (360 / sample_angles)
    off = float(angle_gap(torch.cat([first, first + between]), grid).min())
    kind = (
        "angles only. Pairs are of the data's own digits"
        if split == "train"
        else "identities, for a score of training digits. Pairs are of test digits"
    )
    note = f"Held out: {kind}, {off:g} degrees or more off the angles of the data."
    if step is None:
        return note
    whose = "the same" if digits == "same" else "other"
    return f"{note} References are of {whose} digits, every {step:g} degrees."
