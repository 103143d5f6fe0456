"""The score of nearest neighbours: against the full sum, its bound, kept indexes and bad files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.dataset.sphere import Sphere
from scoregeo.score.empirical import EmpiricalScore
from scoregeo.score.neighbour import NeighbourScore, neighbour_score
from scoregeo.score.neighbours import ExactSearch, IndexSearch, make_search, recall
from scoregeo.score.references import open_references

SIZE, COUNT = 12, 600


@pytest.fixture(scope="module")
def data() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(COUNT, SIZE) + 3


@pytest.fixture(scope="module")
def points(data: torch.Tensor) -> torch.Tensor:
    return torch.cat([data[:20] + 0.3 * torch.randn(20, SIZE), data[20:40]]).double()


def score_of(data: torch.Tensor, neighbours: int, chunk_bytes: int = 2**27) -> NeighbourScore:
    return NeighbourScore(ExactSearch(data.numpy(), chunk_bytes), (SIZE,), neighbours)


@pytest.mark.parametrize("chunk_bytes", [2**27, 4 * SIZE * 37])
def test_the_exact_search_is_brute_force(
    data: torch.Tensor, points: torch.Tensor, chunk_bytes: int
) -> None:
    index, square = ExactSearch(data.numpy(), chunk_bytes).nearest(points.numpy(), 50)
    true = torch.cdist(points, data.double()).square().sort(1)
    assert np.array_equal(index, true.indices[:, :50].numpy())
    assert np.allclose(square, true.values[:, :50].numpy(), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("sigma", [0.2, 0.6, 1.5])
def test_all_points_give_the_full_sum(
    data: torch.Tensor, points: torch.Tensor, sigma: float
) -> None:
    found, full = (
        s.score(points, sigma) for s in (score_of(data, 9999), EmpiricalScore(data.double()))
    )
    assert torch.allclose(found, full, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("neighbours", [1, 10, 100])
@pytest.mark.parametrize("sigma", [0.2, 0.4, 0.8, 1.5, 4.0])
def test_the_bound_holds(
    data: torch.Tensor, points: torch.Tensor, neighbours: int, sigma: float
) -> None:
    found = score_of(data, neighbours).bounded(points, sigma)
    error = (found.score - EmpiricalScore(data.double()).score(points, sigma)).norm(dim=1)
    assert bool((error <= found.bound + 1e-11).all())
    assert torch.equal(found.score, score_of(data, neighbours).score(points, sigma))


def test_the_bound_falls_with_the_neighbours(data: torch.Tensor, points: torch.Tensor) -> None:
    bounds = [score_of(data, k).bounded(points, 0.3).bound for k in (10, 50, 200)]
    assert bool((bounds[0] >= bounds[1]).all()) and bool((bounds[1] >= bounds[2]).all())
    assert (
        float(bounds[2].max()) < 1e-6
        and float(score_of(data, COUNT).bounded(points, 0.3).bound.max()) == 0
    )


@pytest.mark.parametrize("offset", [0, 100])
@pytest.mark.parametrize(("dtype", "apart"), [(np.float32, 1e-6), (np.float64, 1e-9)])
def test_the_slack_is_above_the_rounding_of_float32(
    dtype: type, apart: float, offset: float
) -> None:
    rng = np.random.default_rng(0)
    near = apart * rng.normal(size=(400, 4096))  # of two points, so that rounding decides
    data = (near + np.sign(np.arange(400) - 199.5)[:, None] + offset).astype(dtype)
    x = data[::50].astype(np.float64) + 10 * rng.normal(size=(8, 4096))
    search = ExactSearch(data)
    found = search.candidates(x, 100)
    square = np.square(x[:, None] - data.astype(np.float64)[None]).sum(2)
    inside = np.zeros_like(square, bool)
    np.put_along_axis(inside, found, True, 1)
    nearest_left = np.where(inside, np.inf, square).min(1)
    farther = np.where(inside, square, 0).max(1) - nearest_left
    assert (farther <= search.slack(x)).all() and farther.max() > 0


def test_rounding_does_not_spoil_the_bound_of_noisy_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    size, sigma = 128 * 128, 4.5  # as digits of 128 x 128 pixels: the noise is ten times their size
    data = (50 / size**0.5 * rng.normal(size=(300, size))).astype(np.float32)
    x = torch.from_numpy(data[:4] + sigma * rng.normal(size=(4, size)))
    score = NeighbourScore(ExactSearch(data), (size,), 10)
    with_rounding = score.bounded(x, sigma).bound
    monkeypatch.setattr(ExactSearch, "slack", lambda _, x: np.zeros(len(x)))
    ratio = with_rounding / score.bounded(x, sigma).bound
    # The slack is 4 D u 580 50 + 8 u 630^2 = 113, exp(113 / (2 sigma^2)) = 16.
    assert bool((ratio >= 1).all()) and float(ratio.max()) < 20


def test_derivatives_are_those_of_the_full_sum(data: torch.Tensor, points: torch.Tensor) -> None:
    v, own, full = torch.randn_like(points), score_of(data, 200), EmpiricalScore(data.double())
    for product in ("jvp", "vjp"):
        found, true = (getattr(one, product)(points, v, 0.3)[1] for one in (own, full))
        assert torch.allclose(found, true, rtol=1e-5, atol=1e-5)


def test_a_point_far_from_all_data_has_a_score(data: torch.Tensor) -> None:
    far = torch.full((1, SIZE), 1e4, dtype=torch.float64)
    assert score_of(data, 10).score(far, 0.1).isfinite().all()


@pytest.mark.parametrize("search", ["ivf", "hnsw"])
def test_a_kept_index(
    data: torch.Tensor, points: torch.Tensor, tmp_path: Path, search: str
) -> None:
    pytest.importorskip("faiss")
    path = tmp_path / "kept.faiss"
    made = make_search(data.numpy(), search, 200, path)
    again = make_search(data.numpy(), search, 200, path)
    exact = ExactSearch(data.numpy())
    assert recall(exact, exact, points.numpy(), 20) == 1
    assert recall(made, exact, points.numpy(), 20) > 0.95
    first, second = (one.nearest(points.numpy(), 20) for one in (made, again))
    assert np.array_equal(first[0], second[0])
    few = make_search(data.numpy(), "ivf", 1, tmp_path / "few.faiss")
    assert recall(few, exact, points.numpy(), 20) < 0.95  # one list of several
    with pytest.raises(DataError, match=r"index of other data: its data is"):
        make_search(data.numpy() + 1, search, 200, path)
    with pytest.raises(DataError, match=r"index of other data: its search is"):
        make_search(data.numpy(), "hnsw" if search == "ivf" else "ivf", 200, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"altered \(SHA-256"):
        make_search(data.numpy(), search, 200, path)
    path.with_suffix(".json").write_text("{}")
    with pytest.raises(DataError, match="no record of an index"):
        make_search(data.numpy(), search, 200, path)


@pytest.mark.parametrize("search", ["ivf", "hnsw"])
def test_an_index_that_cannot_be_kept_is_used(
    data: torch.Tensor, tmp_path: Path, search: str, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("faiss")
    (tmp_path / "cache").touch()  # a file where the folder should be
    found = make_search(data.numpy(), search, path=tmp_path / "cache" / "index.faiss")
    assert "the index is not kept" in caplog.text
    assert found.nearest(data[:1].numpy(), 1)[0].tolist() == [[0]]


def test_fewer_found_than_asked_are_no_points(data: torch.Tensor, points: torch.Tensor) -> None:
    class Poor(IndexSearch):
        def candidates(self, x: np.ndarray, count: int) -> np.ndarray:
            found = ExactSearch(self.data).candidates(x, count)
            found[:, 5:] = -1
            return found

    poor = object.__new__(Poor)
    poor.data = data.numpy()
    found = NeighbourScore(poor, (SIZE,), 10).score(points, 0.5)
    assert torch.allclose(found, score_of(data, 5).score(points, 0.5))


def test_references_are_mapped_from_files(data: torch.Tensor, tmp_path: Path) -> None:
    half = data.half()
    save_file({"points": half}, tmp_path / "a.safetensors")
    np.save(tmp_path / "a.npy", half.numpy())
    for name in ("a.safetensors", "a.npy"):
        found = open_references(tmp_path / name)
        assert found.dtype == np.float16 and np.array_equal(found, half.numpy())
        assert not found.flags.owndata


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def two(path: Path) -> None:
    save_file({"a": torch.zeros(3, 2), "b": torch.zeros(3, 2)}, path)


@pytest.mark.parametrize(
    ("suffix", "spoil", "words"),
    [
        (".safetensors", truncated, "length is not what its header says"),
        (".npy", truncated, "is damaged"),
        (".safetensors", two, "holds 2 tensors"),
        (".safetensors", lambda p: p.write_bytes(b"no"), "header does not fit"),
        (".npy", lambda p: p.write_bytes(b""), "is damaged"),
        (".npy", lambda p: np.save(p, np.zeros((3, 2), np.int64)), "floating-point points"),
        (".npy", lambda p: np.save(p, np.zeros(3)), "floating-point points"),
        (".npy", lambda p: np.save(p, np.zeros((0, 2))), "holds no points"),
        (".npy", lambda p: p.unlink(), "does not exist"),
    ],
)
def test_bad_files_are_named(
    tmp_path: Path, suffix: str, spoil: Callable[[Path], None], words: str
) -> None:
    path = tmp_path / f"points{suffix}"
    if suffix == ".npy":
        np.save(path, np.zeros((3, 2)))
    else:
        save_file({"points": torch.zeros(3, 2)}, path)
    spoil(path)
    with pytest.raises(DataError, match=rf"points\{suffix}.*{words}"):
        open_references(path)


def test_points_that_are_not_finite_are_refused(data: torch.Tensor) -> None:
    spoilt = data.clone()
    spoilt[500, 3] = torch.nan
    with pytest.raises(DataError, match="NaN or infinite values, first in row 500"):
        ExactSearch(spoilt.numpy())


def test_in_a_run_s_terms(tmp_path: Path) -> None:
    dataset = Sphere()
    field = neighbour_score(dataset, 0, sigma=0.1, count=2000, num_neighbours=300)
    x = dataset.held_out(5, 0)
    full = EmpiricalScore(dataset.sample(2000, 0)).score(x, 0.1)
    assert torch.allclose(field(x), full, rtol=1e-3, atol=1e-3)
    assert "300 nearest of 2,000 points" in field.note
    np.save(tmp_path / "r.npy", dataset.sample(500, 1).numpy())
    assert "500 points" in neighbour_score(dataset, 0, 0.1, references=str(tmp_path / "r.npy")).note
    np.save(tmp_path / "r.npy", np.zeros((5, 4)))
    with pytest.raises(DataError, match=r"\(4,\), the dataset's are \(3,\)"):
        neighbour_score(dataset, 0, 0.1, references=str(tmp_path / "r.npy"))
    with pytest.raises(ConfigError, match="score.index goes with"):
        neighbour_score(dataset, 0, 0.1, index="a.faiss")
    with pytest.raises(ConfigError, match="score.search"):
        neighbour_score(dataset, 0, 0.1, search="kd")
    with pytest.raises(ConfigError, match="score.num_neighbours"):
        neighbour_score(dataset, 0, 0.1, num_neighbours=0)
