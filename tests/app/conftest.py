"""A tiny model and pictures for it, and the browser of the report's tests."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scoregeo.app.events import Order
from scoregeo.app.models import Models
from tests.report.test_browser import chromium as chromium
from tests.score.tiny_sd import IMAGE, save_tiny_sd


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_sd(tmp_path_factory.mktemp("app") / "model", "sd2")


@pytest.fixture(scope="session")
def models(tiny: Path) -> Models:
    return Models(str(tiny))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two files of noise."""
    place, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name in "ab":
        noise = rng.integers(0, 256, (IMAGE, IMAGE, 3), dtype=np.uint8)
        Image.fromarray(noise).save(place / f"{name}.png")
    return str(place / "a.png"), str(place / "b.png")


@pytest.fixture
def order(pictures: tuple[str, str]) -> Order:
    return Order(*pictures, "cat", "dog", timestep=100, num_frames=5, steps=2)
