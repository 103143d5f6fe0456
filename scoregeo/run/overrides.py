"""Overrides as a shell hands them over: values that Hydra's grammar refuses are taken as text."""

import re
import shlex
from collections.abc import Iterable

_OVERRIDE = re.compile(r"(?P<key>[+~]*[A-Za-z_][\w./@:-]*)=(?P<value>.*)", re.DOTALL)
_LITERAL = re.compile(r"[\"$`\\!]")  # what a shell reads within double quotes


def as_overrides(arguments: Iterable[str]) -> list[str]:
    """`key=value` arguments with the value quoted where Hydra cannot read it: `cat's`, `café`,
    `photo (1).png`, `IMG=1.png`. Whatever it can read, and flags, are left as they are.
    """
    return [_as_override(argument) for argument in arguments]


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
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    found = _OVERRIDE.fullmatch(argument)
    if found is None:
        return argument
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return f"{found['key']}={quoted(found['value'])}"
    return argument
