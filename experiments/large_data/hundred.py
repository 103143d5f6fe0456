"""The references of `experiment=rotated_mnist_hundred_neighbours`: the rotations of its hundred
digits, every two degrees, and of all other training digits, every ten.

    python -m experiments.large_data.hundred --mnist FOLDER [--out FILE]

`FOLDER` holds MNIST's idx files: 60,000 digits make 2,174,400 references, 3.4 GB in float16. With
the 10,000 digits that ship with the project, without `--mnist`, they are 374,400.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from experiments.large_data.references import ANGLES, AT_ONCE
from scoregeo._utils.arguments import folder_argument, path_argument
from scoregeo._utils.files import write_whole
from scoregeo.dataset.digits import load_digits
from scoregeo.dataset.identities import identities, pixels, rotation_sample

COUNT, OWN_ANGLES = 100, 180
OUT = Path("outputs/large_data/hundred.npy")


def write_hundred(path: Path, root: Path | None) -> int:
    """Write the references [count, 1, 28, 28] in float16, the hundred digits' first; their
    number.
    """
    digits = load_digits("train", "embedded" if root is None else "folder", root)
    own = identities(digits, COUNT)
    kept = torch.ones(len(digits.images), dtype=torch.bool)
    kept[own] = False
    others = pixels(digits.images[kept])
    first = COUNT * OWN_ANGLES
    shape = (first + len(others) * ANGLES, 1, 28, 28)

    def write(partial: Path) -> None:
        made = np.lib.format.open_memmap(partial, "w+", np.float16, shape)
        made[:first] = rotation_sample(pixels(digits.images[own]), OWN_ANGLES).half().numpy()
        for start in range(0, len(others), AT_ONCE):
            turned = rotation_sample(others[start : start + AT_ONCE], ANGLES).half().numpy()
            place = first + start * ANGLES
            made[place : place + len(turned)] = turned
        made.flush()

    write_whole(path, write)
    return shape[0]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mnist", type=folder_argument, help="folder of MNIST's idx files")
    parser.add_argument("--out", type=path_argument, default=OUT)
    given = parser.parse_args(arguments)
    count = write_hundred(given.out, given.mnist)
    print(f"{given.out}: {count:,} references")


if __name__ == "__main__":
    main()
