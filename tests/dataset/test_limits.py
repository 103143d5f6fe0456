"""Numbers that cannot be computed with, and counts that fit into no memory: refused at once, with
the setting to change.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from scoregeo._utils.errors import ConfigError
from scoregeo._utils.memory import memory_limit
from scoregeo.dataset.closed_curve import ClosedCurve
from scoregeo.dataset.ellipsoid import Ellipsoid
from scoregeo.dataset.flat_torus import FlatTorus
from scoregeo.dataset.picture_size import check_frames, sides_of
from scoregeo.dataset.prompts import Prompts
from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.dataset.rotation_group import RotationGroup
from scoregeo.dataset.sphere import Sphere
from scoregeo.dataset.torus import Torus
from scoregeo.dataset.wiggly_sphere import WigglySphere
from scoregeo.score.base import check_noise_level
from scoregeo.score.empirical import empirical_score
from scoregeo.score.manifold import manifold_score
from scoregeo.score.mlp import mlp_score
from scoregeo.score.sphere import SphereScore
from scoregeo.score.torus import TorusScore

BAD = (1e-320, 1e-200, 1e200, 1e300)
LENGTHS: dict[str, Callable[[float], Any]] = {
    "dataset.radius = ": lambda r: Sphere(radius=r),
    "dataset.radius =": lambda r: FlatTorus(radius=r),
    "dataset.radius": lambda r: WigglySphere(radius=r),
    "^dataset.radius": lambda r: ClosedCurve(radius=r),
    "^dataset.radius = ": lambda r: SphereScore(2, 3, radius=r),
    "dataset.major = ": lambda r: Torus(major=r),
    "dataset.major": lambda r: TorusScore(major=r, minor=0.4),
    "dataset.axes = ": lambda r: Ellipsoid(axes=[r, r, r]),
    "score.sigma = ": check_noise_level,
    "^score.sigma = ": lambda r: empirical_score(Sphere(), 0, sigma=r),
}
COUNTS: dict[str, Callable[[int], Any]] = {
    "dataset.num_pairs": lambda n: Sphere(num_pairs=n),
    "^dataset.num_pairs": lambda n: FlatTorus(num_pairs=n),
    "^dataset.num_pairs =": lambda n: RotationGroup(num_pairs=n),
    "^dataset.num_pairs = ": lambda n: ClosedCurve(num_pairs=n),
    "dataset.num_pairs =": lambda n: Ellipsoid(num_pairs=n),
    "dataset.num_pairs = ": lambda n: Torus(num_pairs=n),
    "dataset.pairs_per_angle": lambda n: RotatedMNIST(identities=10, pairs_per_angle=n),
    "dataset.size": lambda n: sides_of(n, "dataset.size"),
    "dataset.count": lambda n: Prompts("a", "b", count=n, size=64),
    "solver.num_points": lambda n: check_frames("solver.num_points", n, (64, 64)),
    "score.count": lambda n: empirical_score(Sphere(), 0, sigma=0.1, count=n),
    "score.width": lambda n: mlp_score(Sphere(), 0, sigma=0.1, width=n),
}


@pytest.fixture(autouse=True)
def usual_limit() -> Iterator[None]:
    """Whatever limit a run in this process has set."""
    with memory_limit(8.0):
        yield


@pytest.mark.parametrize("key", LENGTHS)
def test_a_length_whose_powers_cannot_be_held(key: str) -> None:
    for value in BAD:
        with pytest.raises(ConfigError, match=f"{key}.*from 1e-30 to 1e\\+30"):
            LENGTHS[key](value)


@pytest.mark.parametrize("count", [10**6, 10**12, 10**300], ids=["1e6", "1e12", "1e300"])
@pytest.mark.parametrize("key", COUNTS)
def test_a_count_that_does_not_fit_is_refused_with_what_does(key: str, count: int) -> None:
    """In a limit of 8 MiB, of which the largest that is offered is allowed."""
    with memory_limit(2**-7):
        with pytest.raises(ConfigError, match=f"{key}.* = |{key}") as raised:
            COUNTS[key](count)
        said = str(raised.value)
        assert "GiB, above the limit of 0.0078" in said or "at most 1048576" in said
        if "at most 1048576" in said:
            return
        fits = int(said.rsplit("at most ", 1)[1].split(" ")[0].strip(".,").replace(",", ""))
        assert 0 < fits < count
        if key.startswith("score."):
            return  # it would be computed
        COUNTS[key](fits)
        with pytest.raises(ConfigError, match="GiB, above the limit"):
            COUNTS[key](fits + 1)


@pytest.mark.parametrize("make", [Ellipsoid, WigglySphere, ClosedCurve])
def test_nodes_too_close_name_the_noise_level(make: Any) -> None:
    with pytest.raises(ConfigError, match=r"quadrature nodes need .* raise score\.sigma"):
        manifold_score(make(), 0, sigma=1e-12)


def test_a_noise_level_below_the_torus_s_nodes() -> None:
    with pytest.raises(ConfigError, match=r"score\.sigma = 1e-12 is outside the range"):
        TorusScore(major=1.0, minor=0.4).check_sigma(1e-12)


@pytest.mark.parametrize("make", [partial(Torus, num_pairs=1), partial(Ellipsoid, num_pairs=1)])
def test_drawing_pairs_ends(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("torus", "surface"):
        monkeypatch.setattr(f"scoregeo.dataset.{module}.draws", few)
    with pytest.raises(ConfigError, match=r"dataset\.max_angle = .*further above dataset\.min"):
        make(min_angle=1.0, max_angle=1.0 + 1e-9).pairs(0)


def few(refusal: Exception, most: int) -> Any:
    assert most >= 10_000
    yield from range(20)
    raise refusal
