"""Pictures of two frames have none to measure: refused before any work."""

from pathlib import Path

import pytest

from scoregeo._utils.errors import ConfigError
from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.run.morph import read_command
from tests.commands import DIGITS, GRAPH


def test_pictures_of_two_frames_are_refused_before_any_work(tmp_path: Path) -> None:
    given = ("experiment=rotated_mnist_empirical_ten", *DIGITS, *GRAPH, "solver.num_points=2")
    with pytest.raises(ConfigError, match=r"solver\.num_points = 2 .*at least 3 for pictures"):
        build(compose([*given, f"output={tmp_path}"])[0])
    with pytest.raises(ConfigError, match="--frames = 2 .*at least 3"):
        read_command(["a.png", "b.png", "--frames", "2"])
