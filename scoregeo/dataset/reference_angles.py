"""Angles of rotated digits: of pairs, off those of the data, and of the references of graphs."""

from typing import TYPE_CHECKING

import torch

from scoregeo._utils.seed import generator

if TYPE_CHECKING:
    from scoregeo.dataset.rotated_mnist import RotatedMNIST


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


def held_out_note(data: "RotatedMNIST") -> str:
    """Which of identities and angles of the pairs are in no training set and no graph, and by how
    many degrees.
    """
    if data.identities == "all":
        return (
            "Held out: identities. Pairs are of test digits; training data and references are"
            " training digits."
        )
    between = torch.tensor(data.angles, dtype=torch.float64)
    first = off_grid(between, torch.zeros_like(between), data.sample_angles)
    grid = torch.arange(data.sample_angles).double() * (360 / data.sample_angles)
    off = float(angle_gap(torch.cat([first, first + between]), grid).min())
    at = f"{off:g} degrees or more off the angles of the data"
    note = (
        f"Held out: angles only. Pairs are of the data's own digits, {at}."
        if data.split == "train"
        else f"Held out: identities, for a score of training digits. Pairs are of test digits, {at}."
    )
    if data.reference_step is None:
        return note
    whose = "the same" if data.reference_digits == "same" else "other"
    return f"{note} References are of {whose} digits, every {data.reference_step:g} degrees."
