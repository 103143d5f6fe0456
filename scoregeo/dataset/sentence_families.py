"""Families of sentences with an order: the time on a clock, numbers, temperatures, ages."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SentenceFamily:
    """Sentences in their order.

    `closed`: whether the first follows the last. `unit`: of a step from one to the next, for names
    of groups.
    """

    sentences: tuple[str, ...]
    closed: bool = False
    unit: str = "steps"

    def __len__(self) -> int:
        return len(self.sentences)


def _clock() -> tuple[str, ...]:
    return tuple(f"It is {(minute // 60) or 12}:{minute % 60:02d}." for minute in range(720))


FAMILIES: dict[str, SentenceFamily] = {
    "clock": SentenceFamily(_clock(), closed=True, unit="min"),
    "numbers": SentenceFamily(tuple(f"The number is {n}." for n in range(500))),
    "temperatures": SentenceFamily(
        tuple(f"The temperature is {n} degrees Celsius." for n in range(-50, 101)), unit="degrees"
    ),
    "ages": SentenceFamily(tuple(f"She is {n} years old." for n in range(1, 101)), unit="years"),
}
