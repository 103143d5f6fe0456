"""The autoencoder, against diffusers used by hand."""

import pytest
import torch

from scoregeo._utils.errors import DataError, ScoreError
from scoregeo._utils.seed import generator
from scoregeo.score.latent_codec import LatentCodec

diffusers = pytest.importorskip("diffusers")


def vae(**changes: float) -> "diffusers.AutoencoderKL":
    torch.manual_seed(0)
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=4,
        **({"scaling_factor": 0.25} | changes),
    ).eval()


def images(*shape: int) -> torch.Tensor:
    return 2 * torch.rand(*shape, generator=generator(0, "images")) - 1


@pytest.mark.parametrize("shift", [None, 0.3])
def test_scale_and_shift(shift: float | None) -> None:
    network = vae() if shift is None else vae(shift_factor=shift)
    codec, x = LatentCodec(network), images(3, 3, 16, 24)
    z = codec.encode(x)
    with torch.no_grad():
        mean = network.encode(x).latent_dist.mean
        picture = network.decode(mean).sample
    assert codec.factor == 4 and z.shape == (3, *codec.latent_shape(16, 24)) == (3, 4, 4, 6)
    torch.testing.assert_close(z, 0.25 * (mean - (shift or 0.0)))
    assert picture.abs().max() > 0  # a picture, not zeros
    torch.testing.assert_close(codec.decode(z), picture.clamp(-1, 1), rtol=1e-5, atol=1e-5)


def test_pictures_are_clamped() -> None:
    codec = LatentCodec(vae())
    z = 50 * torch.randn(2, 4, 4, 4, generator=generator(0, "z"))
    with torch.no_grad():
        assert codec.vae.decode(z / 0.25).sample.abs().max() > 1
    assert codec.decode(z).abs().max() <= 1


def test_batches_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    network, x = vae(), images(5, 3, 8, 8)
    whole, split = LatentCodec(network, chunk=5), LatentCodec(network, chunk=2)
    z = whole.encode(x)
    torch.testing.assert_close(split.encode(x), z, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(split.decode(z), whole.decode(z), rtol=1e-5, atol=1e-5)


def test_types() -> None:
    codec = LatentCodec(vae().to(torch.bfloat16))
    x = images(2, 3, 8, 8).double()
    assert codec.encode(x).dtype == codec.decode(codec.encode(x)).dtype == torch.float64


def test_bad_input() -> None:
    codec = LatentCodec(vae())
    for shape in ((1, 3, 10, 8), (1, 3, 8, 10), (1, 3, 1, 1)):
        with pytest.raises(DataError, match=rf"{shape[2]} x {shape[3]} pixels.*multiples of 4"):
            codec.encode(images(*shape))
    for shape in ((3, 8, 8), (1, 4, 8, 8), (1, 1, 8, 8)):
        with pytest.raises(DataError, match=r"\[batch, 3, height, width\]"):
            codec.encode(images(*shape))
    for x in (3 * images(1, 3, 8, 8), torch.full((1, 3, 8, 8), float("nan"))):
        with pytest.raises(DataError, match=r"\[-1, 1\]"):
            codec.encode(x)
    with pytest.raises(DataError, match=r"\[batch, 4, height, width\]"):
        codec.decode(torch.zeros(1, 3, 8, 8))


def test_out_of_memory_names_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    codec = LatentCodec(vae(), chunk=3)
    monkeypatch.setattr(codec.vae, "decode", greedy)
    monkeypatch.setattr(codec.vae, "encode", greedy)
    for call, x in ((codec.decode, torch.zeros(1, 4, 2, 2)), (codec.encode, images(1, 3, 8, 8))):
        with pytest.raises(ScoreError, match=r"score\.chunk at 1"):
            call(x)
