"""Make the README's animation, docs/assets/rotation.gif, from a frame sheet of results/.

python scripts/readme_animation.py
"""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from scoregeo._utils.arguments import no_arguments
from scoregeo._utils.flat_picture import flat_picture

ROOT = Path(__file__).resolve().parent.parent
SHEETS = (  # in either layout of results/
    ROOT / "results" / "rotated_mnist_unet_ten" / "figures" / "frames_120deg_000.webp",
    ROOT / "results" / "figures" / "rotated_mnist_unet_ten-frames-120deg_000.webp",
)
OUT = ROOT / "docs" / "assets" / "rotation.gif"
ROWS = 5  # truth, lerp, slerp, start_graph, stein_gauss_newton
COLUMNS = 21
SHOWN = {"True rotation": 0, "LERP": 1, "Geodesic": 4}
SCALE, GAP, CAPTION = 6, 12, 30  # pixels
GREYS = 16
HOLD, STEP = 700, 90  # milliseconds: at both ends, and a frame


def frame(sheet: Image.Image, column: int) -> Image.Image:
    """The shown methods side by side at one point of the path, a caption under each."""
    side = sheet.width // COLUMNS
    size = side * SCALE
    width = len(SHOWN) * size + (len(SHOWN) - 1) * GAP
    picture = Image.new("L", (width, size + CAPTION), 255)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(18)
    for place, (name, row) in enumerate(SHOWN.items()):
        left = place * (size + GAP)
        corner = (column * side, row * side)
        cell = sheet.crop((*corner, corner[0] + side, corner[1] + side)).convert("L")
        picture.paste(cell.resize((size, size), Image.Resampling.NEAREST), (left, 0))
        draw.text((left + size / 2, size + CAPTION / 2), name, fill=40, font=font, anchor="mm")
    return picture.quantize(GREYS)


def main() -> None:
    """Write the animation: there and back, a pause at each end."""
    sheet = flat_picture(next(path for path in SHEETS if path.exists()))
    assert sheet.height // ROWS == sheet.width // COLUMNS, "cells are squares"
    there = [frame(sheet, column) for column in range(COLUMNS)]
    frames = [*there, *there[-2:0:-1]]
    times = [HOLD if i in (0, COLUMNS - 1) else STEP for i in range(len(frames))]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(
        OUT, save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=True
    )
    print(f"{OUT.relative_to(ROOT)}: {OUT.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    no_arguments(__doc__)
    main()
