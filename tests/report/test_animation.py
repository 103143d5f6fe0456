"""Animations read back: frames, size, pace and colours."""

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
from PIL import Image

from scoregeo._utils.errors import ConfigError
from scoregeo.report.animation import animation


def ramp(height: int, width: int) -> torch.Tensor:
    """Five flat frames from black to white."""
    return torch.linspace(-1, 1, 5)[:, None, None, None].expand(5, 3, height, width)


def test_small_pictures_are_drawn_large_there_and_back(tmp_path: Path) -> None:
    written = animation(tmp_path / "path", ramp(6, 8), frames_per_second=10)
    assert (
        sorted(tmp_path.iterdir())
        == sorted(written)
        == [tmp_path / "path.gif", tmp_path / "path.mp4"]
    )
    with Image.open(written[0]) as picture:
        assert picture.size == (192, 144)
        assert getattr(picture, "n_frames", 1) == 8  # 5 there, 3 back without the turning points
        assert picture.info["duration"] == 100
    film = imageio.imread(written[1], plugin="FFMPEG")
    assert film.shape == (8, 144, 192, 3)
    # Lossy, and brightness is kept in 219 steps.
    wanted = np.array([0, 64, 128, 191, 255, 191, 128, 64])
    assert np.abs(film.mean((1, 2, 3)) - wanted).max() < 4
    assert imageio.immeta(written[1], plugin="FFMPEG")["fps"] == 10


def test_large_and_odd_pictures_keep_their_size(tmp_path: Path) -> None:
    gif, film = animation(tmp_path / "path", ramp(201, 203), there_and_back=False)
    with Image.open(gif) as picture:
        assert picture.size == (203, 201)
    assert imageio.imread(film, plugin="FFMPEG").shape == (5, 202, 204, 3)


def test_a_pace_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="frames_per_second = 0"):
        animation(tmp_path / "path", ramp(4, 4), frames_per_second=0)
