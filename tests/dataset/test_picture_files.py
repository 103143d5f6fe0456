"""Pictures as cameras, telephones and spreadsheets leave them: each becomes what it shows in sRGB,
or is refused by name.
"""

import io
import logging
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

from scoregeo._utils import flat_picture as flat_module
from scoregeo._utils.errors import DataError
from scoregeo._utils.flat_picture import flat_picture, flattened
from scoregeo._utils.picture_file import MOST_PIXELS
from scoregeo.dataset.image_pairs import ImagePairs
from scoregeo.dataset.picture import check_picture, read_picture
from tests.dataset import icc

LOUD = (230, 60, 50)
COLOURS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def numbers(path: Path, least: int | None = None) -> np.ndarray:
    return np.asarray(flat_picture(path, least)).astype(int)


def saved(path: Path, pixels: np.ndarray, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]
    return path


# Colours


def test_display_p3_is_shown_as_srgb_has_it(tmp_path: Path) -> None:
    p3 = icc.matrix_profile(icc.P3)
    loud = saved(tmp_path / "a.png", np.full((8, 8, 3), LOUD, np.uint8), icc_profile=p3)
    assert np.abs(numbers(loud) - (250, 31, 34)).max() <= 1
    many = saved(tmp_path / "b.png", COLOURS, icc_profile=p3)
    assert np.abs(numbers(many) - icc.p3_in_srgb(COLOURS)).max() <= 1.01
    shown = (read_picture(many, 16).permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(shown - numbers(many)).max() < 1e-3


def test_what_was_used_up_is_not_written_again(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    p3 = icc.matrix_profile(icc.P3)
    path = saved(tmp_path / "a.jpg", COLOURS, icc_profile=p3, exif=exif, quality=95)
    flat = flat_picture(path)
    flat.save(tmp_path / "again.png")
    assert np.array_equal(np.asarray(flat_picture(tmp_path / "again.png")), np.asarray(flat))
    again = flat.copy()
    assert np.array_equal(np.asarray(flattened(again, "again")), np.asarray(flat))


def test_srgb_s_own_profile_changes_no_pixel(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", COLOURS, icc_profile=icc.matrix_profile(icc.SRGB))
    assert np.array_equal(numbers(path), COLOURS)


def test_a_profile_beside_transparency_palettes_and_grey(tmp_path: Path) -> None:
    p3 = icc.matrix_profile(icc.P3)
    pixels = np.full((8, 8, 4), (*LOUD, 0), np.uint8)
    pixels[:4, :, 3] = 255
    clear = numbers(saved(tmp_path / "a.png", pixels, icc_profile=p3))
    assert np.abs(clear[:4] - (250, 31, 34)).max() <= 1 and (clear[4:] == 255).all()
    Image.new("RGB", (8, 8), LOUD).quantize(4).save(tmp_path / "p.png", icc_profile=p3)
    assert np.abs(numbers(tmp_path / "p.png") - (250, 31, 34)).max() <= 1
    # Equal channels of P3 and of sRGB are one grey.
    grey = saved(tmp_path / "g.png", COLOURS[..., 0], icc_profile=p3)
    assert np.abs(numbers(grey) - COLOURS[..., :1]).max() <= 1


def grey_profile(exponent: float) -> bytes:
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(exponent * 256))
    return icc.profile(b"GRAY", b"XYZ ", {b"wtpt": icc._xyz(icc.D50), b"kTRC": curve})


def test_grey_of_another_curve(tmp_path: Path) -> None:
    """Linear grey, encoded by sRGB's curve; of 16 bits the upper 8 are what is encoded."""
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (8, 1))
    wanted = np.where(
        ramp / 255 <= 0.0031308, ramp / 255 * 12.92, 1.055 * (ramp / 255) ** (1 / 2.4) - 0.055
    )
    for name, pixels in (("8.png", ramp), ("16.png", ramp.astype(np.uint16) * 256 + 200)):
        found = numbers(saved(tmp_path / name, pixels, icc_profile=grey_profile(1.0)))
        assert np.abs(found - wanted[..., None] * 255).max() <= 1.5, name


@pytest.mark.parametrize(
    "damaged",
    [
        b"no profile",
        icc.matrix_profile(icc.P3)[:150],
        icc.matrix_profile(icc.P3).replace(b"RGB ", b"CMYK"),
        icc.matrix_profile(icc.P3).replace(b"rXYZ", b"none"),
    ],
    ids=("text", "cut", "other colours", "no red"),
)
def test_a_damaged_profile_is_named_and_ignored(
    damaged: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(tmp_path / "hurt.png", COLOURS, icc_profile=damaged)
    assert np.array_equal(numbers(path), COLOURS)
    assert "hurt.png: its ICC profile cannot be used" in caplog.text


def test_cmyk_without_a_profile(tmp_path: Path) -> None:
    ink = np.zeros((8, 8, 4), np.uint8)
    ink[..., 0] = 255  # cyan
    Image.fromarray(ink, "CMYK").save(tmp_path / "a.tif")
    assert (numbers(tmp_path / "a.tif") == (0, 255, 255)).all()


# Numbers


def png_of_16_bits(pixels: np.ndarray) -> bytes:
    """A PNG by its specification; Pillow writes no colour of 16 bits."""
    height, width = pixels.shape[:2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[pixels.shape[2]]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    found = b"\x89PNG\r\n\x1a\n"
    for name, data in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    ):
        check = zlib.crc32(name + data)
        found += struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)
    return found


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_of_sixteen_bits_the_upper_eight_are_taken(channels: int, tmp_path: Path) -> None:
    """Grey, and colour, with and without transparency: all alike."""
    deep = np.random.default_rng(1).integers(0, 65536, (16, 16, channels), dtype=np.uint16)
    deep[0, :4, 0] = (255, 256, 511, 65535)
    if channels in (2, 4):
        deep[..., -1] = 65535
    path = tmp_path / "deep.png"
    path.write_bytes(png_of_16_bits(deep))
    colours = deep[..., : 1 if channels < 3 else 3]
    assert np.array_equal(numbers(path), np.broadcast_to(colours >> 8, (16, 16, 3)))


def test_a_tiff_of_sixteen_bits(tmp_path: Path) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (16, 16), dtype=np.uint16)
    found = numbers(saved(tmp_path / "deep.tif", deep))
    assert np.array_equal(found, np.broadcast_to(deep[..., None] >> 8, (16, 16, 3)))


def test_floating_point_is_taken_from_0_to_1_alone(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    found = numbers(saved(tmp_path / "a.tif", ramp))
    assert np.array_equal(found[..., 0], np.round(ramp * 255))
    for name, pixels in (("b.tif", ramp * 255), ("c.tif", ramp - 0.1), ("d.tif", ramp * np.nan)):
        with pytest.raises(DataError, match=rf"{name} holds floating-point numbers from .*0 to 1"):
            numbers(saved(tmp_path / name, pixels))
    saved(tmp_path / "e.tif", np.arange(64, dtype=np.int32).reshape(8, 8))
    with pytest.raises(DataError, match=r"e\.tif holds 32-bit integers from 0 to 63"):
        numbers(tmp_path / "e.tif")


# Files


def test_every_ending_in_a_folder(tmp_path: Path) -> None:
    """Upper case as well; HEIC by its content, whatever its name."""
    import pillow_heif

    pixels = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    missing = [kind for kind in ("avif", "jpg_2000", "webp") if not features.check(kind)]
    assert not missing
    for name in ("a.avif", "b.jfif", "c.jp2", "d.webp", "E.JPG", "F.TIFF"):
        kind = {"b.jfif": "JPEG", "F.TIFF": "TIFF"}.get(name)
        saved(tmp_path / name, pixels, format=kind)
    heif = pillow_heif.from_pillow(Image.fromarray(pixels))
    for name in ("G.HEIC", "h.jpg"):
        heif.save(tmp_path / name, format="HEIF", quality=95)
    names = sorted(path.name for path in tmp_path.iterdir())
    for number, name in enumerate(names):
        place = tmp_path / f"pair{number // 2}"
        place.mkdir(exist_ok=True)
        (tmp_path / name).rename(place / name)
    pairs = ImagePairs(root=str(tmp_path), size=16).pairs(0)
    assert len(pairs) == 4
    wanted = torch.tensor((200, 100, 50)) / 127.5 - 1
    assert float((pairs.ends.mean((-2, -1)) - wanted).abs().max()) < 4 / 127.5


def test_heic_without_its_reader_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.heic").write_bytes(struct.pack(">I", 24) + b"ftypheic" + b"\0" * 40)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(DataError, match=r'a\.heic is a HEIC.*pip install "scoregeo\[heif\]"'):
        check_picture(tmp_path / "a.heic")


def test_files_that_are_no_pictures_are_counted_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("pair/a.png", "pair/b.png", "pair/c.psd", "d.mov", ".hidden"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch() if path.suffix != ".png" else saved(path, COLOURS)
    (tmp_path / "pair" / "prompts.txt").write_text("a cat")
    with caplog.at_level(logging.WARNING):
        ImagePairs(root=str(tmp_path))
    assert "2 files of" in caplog.text and "d.mov, pair/c.psd" in caplog.text


def test_an_animation_gives_its_first_picture_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, *others = (Image.new("RGB", (8, 8), (value, 0, 0)) for value in (200, 100, 0))
    first.save(tmp_path / "a.gif", save_all=True, append_images=others)
    assert (numbers(tmp_path / "a.gif") == (200, 0, 0)).all()
    assert "a.gif holds 3 pictures: the first is taken" in caplog.text


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "webp", "avif", "gif"])
def test_a_file_cut_short_is_refused(kind: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = saved(tmp_path / f"whole.{kind}", noise)
    cut = tmp_path / f"cut.{kind}"
    content = whole.read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=rf"cut\.{kind} cannot be read as a picture"):
        flat_picture(cut)


def test_a_photograph_of_200_megapixels_is_reduced_while_it_is_read(tmp_path: Path) -> None:
    """A JPEG that says so in its header, by the size of its decoded pixels: Pillow alone refuses
    it, or takes 800 MB.
    """
    wide = Image.new("L", (16384, 12288), 90)
    wide.paste(200, (0, 0, 8192, 12288))
    buffer = io.BytesIO()
    wide.save(buffer, "JPEG", quality=30)
    del wide
    path = tmp_path / "large.jpg"
    path.write_bytes(buffer.getvalue())
    assert check_picture(path) == (16384, 12288)
    flat = flat_picture(path, 1024)
    assert min(flat.size) >= 1024 and flat.width * flat.height < 2e6 * 2
    assert abs(flat.width / flat.height - 4 / 3) < 0.01
    shown = read_picture(path, 64)
    assert abs(float(shown[:, :, :24].mean()) - (200 / 127.5 - 1)) < 0.02
    assert abs(float(shown[:, :, 40:].mean()) - (90 / 127.5 - 1)) < 0.02


def test_reduced_pictures_of_every_kind_show_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Palette, transparency, 16 bits, turned: reduced by the mean of blocks, after what each
    needs.
    """
    monkeypatch.setattr(flat_module, "LARGE", 1000)
    exif = Image.Exif()
    exif[0x0112] = 6
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:32] = LOUD
    clear = np.dstack([halves, np.where(halves[..., 0] > 0, 255, 0).astype(np.uint8)])
    saved(tmp_path / "rgb.png", halves, exif=exif)
    saved(tmp_path / "clear.png", clear, exif=exif)
    Image.fromarray(halves).quantize(2).save(tmp_path / "palette.png", exif=exif)
    saved(tmp_path / "deep.tif", halves[..., 0].astype(np.uint16) * 256)
    for name in ("rgb.png", "clear.png", "palette.png"):
        found = numbers(tmp_path / name, 16)
        assert found.shape == (16, 16, 3), name
        assert (found[:, 8:] == LOUD).all(), name
        assert (found[:, :8] == (255 if name == "clear.png" else 0)).all(), name
    assert (numbers(tmp_path / "deep.tif", 16)[:8] == LOUD[0]).all()


def test_more_pixels_than_are_read_are_refused_by_the_header(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 40_000, MOST_PIXELS // 40_000 + 1, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        check = zlib.crc32(name + data)
        content += struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)
    (tmp_path / "bomb.png").write_bytes(content)
    with pytest.raises(DataError, match=r"bomb\.png has 40000 x .* at most 500 megapixels"):
        check_picture(tmp_path / "bomb.png")
    assert Image.MAX_IMAGE_PIXELS is not None  # Pillow's own limit is as it was


def test_damaged_exif_tags_are_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = saved(tmp_path / "a.png", COLOURS, exif=b"Exif\0\0no tags at all")
    assert np.array_equal(numbers(path), COLOURS)
