"""Words of numbers."""


def count(number: int, noun: str, one: str = "", many: str = "") -> str:
    """A number with its noun, in the plural where it is not one, and with the verb that agrees with
    it: "1 pair", "2 pairs"; with `one="is"`, `many="are"` "1 pair is", "2 pairs are".
    """
    words = f"{number:,} {noun}" + ("" if number == 1 else "s")
    return f"{words} {one if number == 1 else many}".rstrip()
