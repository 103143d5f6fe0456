"""Overrides as a shell hands them over: values that Hydra's grammar refuses are taken as text."""

import re
import shlex
from collections.abc import Iterable

_OVERRIDE = re.compile(r"(?P<key>[+~]*[A-Za-z_][\w./@:-]*)=(?P<value>.*)", re.DOTALL)
_OPENED = re.compile(r"(?P<open>\[|[a-z]+\()(?P<inner>.*)(?P<close>[\])])", re.DOTALL)
# Of a value: a text in quotes, where one may stand, or a character.
_PIECE = re.compile(
    r"(?<![^\s,(\[{:])(?P<quote>['\"])(?:\\.|(?!(?P=quote)).)*(?P=quote)(?=\s*(?:[,)\]}]|$))|.",
    re.DOTALL,
)
_LITERAL = re.compile(r"[\"$`\\!]")  # what a shell reads within double quotes


def as_overrides(arguments: Iterable[str]) -> list[str]:
    """`key=value` arguments with the value quoted where Hydra cannot read it: `cat's`, `café`,
    `photo (1).png`, `IMG=1.png`; of values with commas between, each that it cannot read. Whatever
    it can read, flags, and what no quotes would mend are left as they are.
    """
    return [_as_override(argument) for argument in arguments]


def as_typed(value: str) -> str:
    """A value without the quotes that `as_overrides` put around texts in it."""
    return re.sub(r"'(?:\\.|[^'\\])*'", lambda found: _unquoted(found[0]), value)


def text(key: str, value: object) -> str:
    """The override that sets `key` to a text, whatever its characters, `${` included."""
    return f"{key}={quoted(escaped(str(value)))}"


def escaped(value: str) -> str:
    """A text that OmegaConf, resolving it once, makes `value`: `${` in it is no interpolation."""
    return re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + r"\${", value)


def quoted(value: str) -> str:
    """A text in Hydra's single quotes."""
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(text=value, quote=Quote.single).with_quotes()


def in_a_shell(key: str, value: str) -> str:
    """How a text is set on a shell's command line: both layers of quotes."""
    override = f"{key}={quoted(value)}"
    return shlex.quote(override) if _LITERAL.search(override) else f'"{override}"'


def _as_override(argument: str) -> str:
    found = _OVERRIDE.fullmatch(argument)
    if found is None or _reads(argument) or not _reads(f"{found['key']}=1"):
        return argument
    return f"{found['key']}={_readable(found['value'])}"


def _reads(argument: str) -> bool:
    """Whether an argument is an override to Hydra."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True


def _readable(value: str) -> str:
    """A value that Hydra cannot read, with quotes where they let it."""
    if _reads(f"x={value}"):
        return value
    parts = _parts(value)
    if len(parts) > 1:
        return ",".join(_readable(part.strip()) for part in parts)
    opened = _OPENED.fullmatch(value)
    if opened:
        inner = f"{opened['open']}{_readable(opened['inner'])}{opened['close']}"
        if _reads(f"x={inner}"):
            return inner
    return quoted(value)


def _parts(value: str) -> list[str]:
    """What stands between the commas of a value that are in no brackets and no quotes; the whole
    where its brackets do not match.
    """
    parts, depth = [""], 0
    for found in _PIECE.finditer(value):
        piece = found[0]
        depth += (piece in "([{") - (piece in ")]}")
        if depth < 0:
            return [value]
        if piece == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
    return parts if depth == 0 else [value]


def _unquoted(text: str) -> str:
    found = re.sub(r"\\(.)", r"\1", text[1:-1])
    return found if quoted(found) == text and not _reads(f"x={found}") else text
