"""A small folder in the layout of the npm package emoji-datasource-google."""

import json
from pathlib import Path

from PIL import Image

COLOURS = {
    "red": (255, 0, 0, 255),
    "clear": (0, 0, 0, 0),
    "half": (0, 0, 0, 128),
    "blue": (0, 0, 255, 255),
}


def entry(
    name: str, code: str, shorts: list[str], category: str, shown: bool = True, **more: object
) -> dict[str, object]:
    return {
        "name": name,
        "unified": code,
        "image": f"{code.lower()}.png",
        "short_names": shorts,
        "category": category,
        "has_img_google": shown,
        **more,
    }


def variant(code: str, shown: bool = True) -> dict[str, object]:
    return {"unified": code, "image": f"{code.lower()}.png", "has_img_google": shown}


def small_folder(root: Path) -> Path:
    """Three emoji with pictures, one of them in three skin tones, and one without a picture."""
    tones = {
        "1F3FF": variant("AAAA-1F3FF"),
        "1F3FB": variant("AAAA-1F3FB", shown=False),
        "1F3FC-1F3FD": variant("AAAA-1F3FC-1F3FD"),
    }
    listed = [
        entry("RUNNER", "AAAA", ["runner", "on_the-run"], "People & Body", skin_variations=tones),
        entry("BLACK DOT", "BBBB", ["black dot"], "Symbols"),
        entry("NOWHERE", "CCCC", ["nowhere"], "Objects", shown=False),
        entry("HAND POINTING LEFT", "DDDD", ["point_left"], "People & Body"),
    ]
    images = root / "img" / "google" / "64"
    images.mkdir(parents=True)
    (root / "emoji.json").write_text(json.dumps(listed))
    pictures = {
        "aaaa": "red",
        "aaaa-1f3ff": "clear",
        "aaaa-1f3fc-1f3fd": "half",
        "bbbb": "blue",
        "dddd": "red",
    }
    for name, colour in pictures.items():
        Image.new("RGBA", (64, 64), COLOURS[colour]).save(images / f"{name}.png")
    return root
