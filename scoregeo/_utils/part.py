"""A contiguous part of a run's pairs: what one shard computes."""

from dataclasses import dataclass

from scoregeo._utils.errors import bad_value


@dataclass(frozen=True)
class Part:
    """Rows `first` to `last` (not counted) of `total`."""

    first: int
    last: int
    total: int

    def __len__(self) -> int:
        return self.last - self.first

    @property
    def rows(self) -> slice:
        return slice(self.first, self.last)


def part_of(total: int, shard: int | None, shards: int) -> Part:
    """The rows of `shard` (0 to shards - 1), or all where it is None.

    Sizes differ by at most one, and the larger parts come first.
    Raises ConfigError, naming `shards`, where there are fewer rows than shards.
    """
    if shard is None:
        return Part(0, total, total)
    if shards > total:
        raise bad_value("shards", shards, f"at most the number of pairs of the run, {total}")
    size, larger = divmod(total, shards)
    first = shard * size + min(shard, larger)
    return Part(first, first + size + (shard < larger), total)
