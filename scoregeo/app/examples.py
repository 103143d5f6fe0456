"""Pairs of the shipped emoji as files, for the page's examples."""

from pathlib import Path

from scoregeo.dataset.emoji import Emoji
from scoregeo.pipeline.output import as_output

COUNT = 4

Example = tuple[str, str, str, str]  # both pictures' files, both prompts


def write_examples(folder: Path, count: int = COUNT) -> list[Example]:
    """Write the first pairs' pictures into `folder`; gives their files and prompts."""
    pairs = Emoji(pairs=count).pairs(seed=0)
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name, prompts, ends in zip(pairs.names, pairs.prompts or (), pairs.ends, strict=True):
        files = [str(folder / f"{name}_{end}.png") for end in "ab"]
        for file, picture in zip(files, as_output(ends, "pil"), strict=True):
            picture.save(file)
        found.append((files[0], files[1], prompts[0], prompts[1]))
    return found
