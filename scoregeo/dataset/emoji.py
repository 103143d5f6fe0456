"""Emoji to morph between: pictures with names, in pairs of two kinds, "same" thing changed and
"different" things.

The kinds are those of MorphBench (Zhang et al. 2024, "DiffMorpher", section 5.1): metamorphosis
between different objects, and one object animated. The pictures are Noto Emoji; source and licence
stand beside them, in assets/emoji.
"""

import csv
import io
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from scoregeo._utils.errors import DataError, check_choice, check_number
from scoregeo._utils.files import path_of, read_text
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset, Pairs
from scoregeo.dataset.emoji_sheet import read_sheet
from scoregeo.dataset.emoji_source import SIZE, EmojiSource, load_emoji_folder, to_points

EMBEDDED = Path(__file__).parent.parent / "assets" / "emoji"
PAIRS, ENDPOINTS, REFERENCE = "pairs.csv", "endpoints", "reference"
KINDS = ("same", "different")


@dataclass(frozen=True)
class ListedPair:
    """A line of pairs.csv: its kind, and both ends by a short name, "wave" or, with a skin tone,
    "wave/dark".
    """

    kind: str
    first: str
    second: str

    @property
    def name(self) -> str:
        """Safe as a file's name, for example "wave_light-wave_dark"."""
        return "-".join(
            re.sub(r"\W+", "_", end.replace("+1", "plus_1").replace("-1", "minus_1"))
            for end in self.ends
        )

    @property
    def ends(self) -> tuple[str, str]:
        """Both ends."""
        return (self.first, self.second)


def read_pairs(path: Path) -> tuple[ListedPair, ...]:
    """The pairs of a CSV file with the columns kind, first, second. Raises DataError, naming it,
    for any other content.
    """
    try:
        lines = list(csv.DictReader(io.StringIO(read_text(path), newline="")))
        pairs = tuple(ListedPair(line["kind"], line["first"], line["second"]) for line in lines)
    except (DataError, KeyError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read as a list of pairs (kind,first,second): {error!r}."
        ) from error
    wrong = [pair for pair in pairs if pair.kind not in KINDS]
    if wrong or not pairs:
        raise DataError(
            f"{path} lists no pairs, or one of a kind that is not in {', '.join(KINDS)}:"
            f" {wrong[:1]}."
        )
    return pairs


def ends_of(pairs: tuple[ListedPair, ...]) -> tuple[str, ...]:
    """Every end once, in the order of the pairs: the order of the sheet of endpoints."""
    return tuple(dict.fromkeys(end for pair in pairs for end in pair.ends))


class Emoji(AbstractDataset):
    """Emoji on white, points [3, 64, 64], pixels in [-1, 1], float32; each pair has its names as
    prompts.

    The pairs are a fixed list, its kinds in turn. `sample` and `held_out` are other emoji than the
    pairs', no emoji in both: of the shipped reference set, or of the whole npm package where `root`
    is given. `held_out` gives those first that the training of the shipped model left out.
    """

    def __init__(self, pairs: int = 20, kind: str = "all", root: str | None = None) -> None:
        """Settings of the group `dataset`; pictures are read when first asked for.

        Args:
            pairs: how many of the list, from its start. kind: "same", "different" or "all".
            root: the unpacked npm package emoji-datasource-google 16.0.0, for `sample` and
                `held_out`; else the shipped set.

        Raises: ConfigError for anything else, and for more pairs than are listed.
        """
        check_choice("dataset.kind", kind, ("all", *KINDS))
        self.kind = kind
        self.root = None if root is None else str(path_of("dataset.root", root))
        check_number("dataset.pairs", pairs, at_least=1, at_most=len(self._listed), integer=True)
        self.count = pairs

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, SIZE, SIZE)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32

    @cached_property
    def _listed(self) -> tuple[ListedPair, ...]:
        """The pairs of this kind."""
        return tuple(
            pair for pair in read_pairs(EMBEDDED / PAIRS) if self.kind in ("all", pair.kind)
        )

    @cached_property
    def _endpoints(self) -> EmojiSource:
        return read_sheet(EMBEDDED, ENDPOINTS)

    @cached_property
    def _reference(self) -> EmojiSource:
        """All pictures of other emoji than any pair's."""
        source = (
            read_sheet(EMBEDDED, REFERENCE) if self.root is None else load_emoji_folder(self.root)
        )
        own = {picture.base for picture in self._endpoints.pictures}
        return source.only(
            [i for i, picture in enumerate(source.pictures) if picture.base not in own]
        )

    def pairs(self, seed: int) -> Pairs:
        """The first pairs of the list, the same for every seed; `groups` says the kind."""
        place = {end: i for i, end in enumerate(ends_of(read_pairs(EMBEDDED / PAIRS)))}
        chosen = self._listed[: self.count]
        index = torch.tensor([[place[end] for end in pair.ends] for pair in chosen])
        names = [picture.name for picture in self._endpoints.pictures]
        return Pairs(
            first=to_points(self._endpoints.images[index[:, 0]]),
            second=to_points(self._endpoints.images[index[:, 1]]),
            names=tuple(pair.name for pair in chosen),
            groups=tuple(pair.kind for pair in chosen),
            prompts=tuple((names[first], names[second]) for first, second in index.tolist()),
        )

    def sample(self, count: int, seed: int) -> torch.Tensor:
        """Emoji that the shipped model may have been trained on, [min(count, all there are), 3, 64,
        64], in random order.
        """
        source = self._reference
        own = torch.tensor([i for i, picture in enumerate(source.pictures) if not picture.reserved])
        order = torch.randperm(len(own), generator=generator(seed, "sample"))
        return to_points(source.images[own[order[:count]]])

    def held_out(self, count: int, seed: int) -> torch.Tensor:
        """Emoji that are never in `sample`, [min(count, all there are), 3, 64, 64]; references for
        FID and KID.

        First, in random order, those that the shipped model's training left out; then, where more
        are asked for, others."""
        source, rng = self._reference, generator(seed, "held out")
        kept = [i for i, picture in enumerate(source.pictures) if picture.reserved]
        chance = torch.rand(len(kept), generator=rng)
        seen = torch.tensor([float(not source.pictures[i].held_out) for i in kept])
        return to_points(source.images[torch.tensor(kept)[(chance + seen).argsort()[:count]]])
