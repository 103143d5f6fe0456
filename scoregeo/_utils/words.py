"""Words of numbers."""


def count(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it is not one: "1 pair", "2 pairs"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
