"""Make the shipped emoji of dataset=emoji, the endpoints of assets/emoji/pairs.csv and a reference
set, from the npm package.

npm pack emoji-datasource-google@16.0.0 && tar xf emoji-datasource-google-16.0.0.tgz
python scripts/make_emoji_assets.py --emoji package
"""

import argparse
from pathlib import Path

import torch

from scoregeo._utils.arguments import folder_argument
from scoregeo._utils.errors import DataError
from scoregeo._utils.files import write_text
from scoregeo._utils.seed import generator
from scoregeo.dataset.emoji import EMBEDDED, ENDPOINTS, PAIRS, REFERENCE, ends_of, read_pairs
from scoregeo.dataset.emoji_sheet import write_sheet
from scoregeo.dataset.emoji_source import EmojiSource, load_emoji_folder

ROOT = Path(__file__).parent.parent
REFERENCES = 600
VARIANTS = 2  # of one base emoji among the references, at most
NOTICE = """# Emoji

endpoints.png and reference.png hold pictures of Noto Emoji, by Google, taken from the npm package
emoji-datasource-google 16.0.0 (its README: Noto Emoji v2.048, Emoji 16.0), 64 x 64 pixels,
put on white. The words in endpoints.json and reference.json are from its emoji.json.

The package's README says of the pictures: "Android/Google/Noto images, are available under the
Apache License 2.0". The licence's text is in LICENSE-pictures.txt. The package's own data are under
the MIT licence, copyright (c) 2013 Cal Henderson; its text is in LICENSE-data.txt.

The pairs, in pairs.csv, are this project's. Made by
`python scripts/make_emoji_assets.py --emoji FOLDER`.
"""


def find_end(source: EmojiSource, end: str) -> int:
    """Index of the picture that `end` names: a short name, with "/" and a skin tone where there is
    one.
    """
    short, _, tone = end.partition("/")
    words = short.replace("_", " ").replace("-", " ").strip()
    wanted = f"{words}: {tone} skin tone" if tone else words
    # Short names come after the name, and are unique; the names are not ("cat" is the name of one
    # cat and short for another's).
    found = [i for i, picture in enumerate(source.pictures) if wanted in picture.prompts[1:]]
    found += [i for i, picture in enumerate(source.pictures) if wanted == picture.name]
    if not found:
        raise DataError(f"{PAIRS} names {end!r}, and no emoji is called {wanted!r}.")
    return found[0]


def references(source: EmojiSource, own: set[str]) -> list[int]:
    """Indices of REFERENCES pictures of other emoji than `own` (bases), no flags; those that
    training leaves out first.
    """
    order = generator(0, "emoji references")
    chance = torch.rand(len(source.pictures), generator=order).tolist()
    count: dict[str, int] = {}
    found: list[int] = []
    for i in sorted(range(len(chance)), key=lambda i: (not source.pictures[i].held_out, chance[i])):
        picture = source.pictures[i]
        count[picture.base] = count.get(picture.base, 0) + 1
        if (
            picture.base not in own
            and picture.category != "Flags"
            and count[picture.base] <= VARIANTS
        ):
            found.append(i)
    return sorted(found[:REFERENCES])


def main() -> None:
    """Read the package, write the sheets and the notice."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--emoji",
        type=folder_argument,
        required=True,
        help="unpacked npm package emoji-datasource-google 16.0.0",
    )
    args = parser.parse_args()
    source = load_emoji_folder(args.emoji)
    endpoints = [find_end(source, end) for end in ends_of(read_pairs(EMBEDDED / PAIRS))]
    own = {source.pictures[i].base for i in endpoints}
    for name, indices in ((ENDPOINTS, endpoints), (REFERENCE, references(source, own))):
        size = write_sheet(EMBEDDED, name, source.only(indices))
        print(f"{name}: {len(indices)} pictures, {size / 1e6:.2f} MB")
    write_text(EMBEDDED / "README.md", NOTICE)
    write_text(
        EMBEDDED / "LICENSE-pictures.txt", (ROOT / "LICENSE").read_text(encoding="utf-8")
    )  # Apache 2.0, as the project's
    write_text(EMBEDDED / "LICENSE-data.txt", (args.emoji / "LICENSE").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
