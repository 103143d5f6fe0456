"""The flags of a command line that say where its configs are, to be kept beside its overrides."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scoregeo._utils.configuration import config_dir

if TYPE_CHECKING:
    from hydra.conf import HydraConf

_NAME = "config"  # of the root config, where no flag names another


def typed_flags(arguments: Sequence[str]) -> list[str]:
    """`--config-path`, `--config-name` and `--config-dir` of a command line by their long names,
    values as typed; quoted where a shell needs it.
    """
    from hydra._internal.utils import get_args_parser

    given, _ = get_args_parser().parse_known_args(list(arguments))
    return _flags(given.config_path, given.config_name, given.config_dir)


def overrides_first(arguments: Sequence[str]) -> list[str]:
    """A command line with its overrides before its flags, where a flag stands between them: Hydra
    takes those on one side of it alone.
    """
    from hydra._internal.utils import get_args_parser

    given, beyond = get_args_parser().parse_known_args(list(arguments))
    if not beyond or any(one.startswith("-") for one in beyond):
        return list(arguments)
    known = {*given.overrides, *beyond}
    overrides = [one for one in arguments if one in known]
    return overrides + [one for one in arguments if one not in known]


def job_flags(hydra: "HydraConf") -> list[str]:
    """The same of a job in another process than its command's, from its `hydra` configuration:
    paths relative to the working folder where they lie inside.
    """
    found = {one.provider: Path(one.path) for one in hydra.runtime.config_sources if one.path}
    root, extra, name = found.get("main"), found.get("command-line"), hydra.job.config_name
    return _flags(
        None if root is None or root == config_dir() else _shown(root),
        None if name == _NAME else name,
        None if extra is None else _shown(extra),
    )


def _flags(path: str | None, name: str | None, folder: str | None) -> list[str]:
    named = {"--config-path": path, "--config-name": name, "--config-dir": folder}
    return [
        word
        for flag, value in named.items()
        if value is not None
        for word in (flag, shlex.quote(value))
    ]


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
