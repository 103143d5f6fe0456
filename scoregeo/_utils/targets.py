"""What the `_target_` of a configuration names."""

import inspect
import pkgutil
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import ConfigError, bad_value


def resolve(target: str, where: str = "") -> Any:
    """The class or function of the `_target_` of the node at `where`. Raises ConfigError, naming
    it, where that cannot be imported, or is no class and no function of Python's.
    """
    key = f"{where}._target_" if where else "_target_"
    if not isinstance(target, str):
        raise bad_value(key, target, "the dotted name of a class or a function")
    try:
        found = pkgutil.resolve_name(target)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{key} = {target!r} cannot be imported: {str(error).splitlines()[0]}"
            f"{_places(error, target)}"
        ) from error
    module = getattr(found, "__module__", None)
    if not callable(found) or inspect.isbuiltin(found) or module in (None, "builtins"):
        raise ConfigError(
            f"{key} = {target!r} is a {type(found).__name__}: it must name a class or a function of"
            " a module, as scoregeo.solver.Adam."
        )
    return found


def _places(error: Exception, target: str) -> str:
    """Where a module that is not found is looked for."""
    name = target.partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or error.name != name:
        return ""
    said = f". Modules are found where they are installed and in the working folder, {Path.cwd()}"
    own = "; this one is of scoregeo's repository: run the command in its root"
    return said + (own if name == "experiments" else "")


def option_of(target: str) -> str:
    """The option that a target belongs to: the module that it is defined in, `adam` for
    `scoregeo.solver.Adam`. Raises as `resolve`.
    """
    return str(resolve(target).__module__).rpartition(".")[2]
