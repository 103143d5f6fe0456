"""Checks of a configuration that import no torch: a bad value is reported before the slow imports,
and before a folder is made.

A constructor's own checks, such as `check_number("metric.lam", lam, above=0.0)`, are read from its
source and evaluated on the configuration's values. Those that depend on more than literals and
settings are left to the constructor.
"""

import ast
import math
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import ConfigError, bad_value, check_choice, check_number
from scoregeo.run.groups import GROUPS, MAPPINGS, check_root, is_option
from scoregeo.run.settings import settings_of

Node = Mapping[str, Any]
_Definition = ast.ClassDef | ast.FunctionDef

_CHECKS = {"check_number": check_number, "check_choice": check_choice}


class _Unknown(Exception):
    """An expression whose value only the constructor knows."""


def check_early(config: Node) -> None:
    """Raise ConfigError, worded as building the experiment would, for what can be known of a
    resolved configuration without importing its parts.
    """
    check_root(config)
    settings_of(config)
    runner = config["runner"]
    if runner is not None:
        if not is_option(runner):
            raise bad_value("runner", runner, "null, or a function by its _target_")
        return
    for group in GROUPS:
        _check_option(config[group], group, nested=False)
    for group in MAPPINGS:
        for name, node in config[group].items():
            _check_option(node, f"{group}.{name}", nested=True)


def _check_option(node: Node, where: str, nested: bool) -> None:
    """Check a node and those within it; `nested`: errors name its place, as its key does not."""
    try:
        check_values(node)
    except ConfigError as error:
        raise ConfigError(f"{error} (at {where})" if nested else str(error)) from error
    for key, value in node.items():
        if is_option(value):
            _check_option(value, f"{where}.{key}", nested=True)


def check_values(node: Node) -> None:
    """Evaluate the checks that the target of a node begins with, as far as its source shows.

    Raises ConfigError as they do.
    """
    target = str(node["_target_"])
    found = _definition(target)
    if found is None:
        return
    body = _body(found)
    changed: set[str] = set()
    for statement in body:
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            check = _CHECKS.get(call.func.id)
            if check is not None:
                _evaluate(check, call, {k: v for k, v in node.items() if k not in changed})
        if any(isinstance(part, ast.Return) for part in ast.walk(statement)):
            return  # what follows need not apply
        changed |= set(_assigned(statement))


def _evaluate(check: Any, call: ast.Call, values: Node) -> None:
    try:
        arguments = [_value(one, values) for one in call.args]
        named = {str(one.arg): _value(one.value, values) for one in call.keywords}
    except _Unknown:
        return
    try:
        check(*arguments, **named)
    except TypeError:  # a bound that is no number: the check of that bound says so
        return


def _value(expression: ast.expr, values: Node) -> Any:
    """A literal, a setting by its name or as an attribute of `self`, or a constant of `math`."""
    name = _setting(expression)
    if name is not None:
        if name not in values:
            raise _Unknown
        return values[name]
    if isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
        if expression.value.id == "math" and hasattr(math, expression.attr):
            return getattr(math, expression.attr)
        raise _Unknown
    try:
        return ast.literal_eval(expression)
    except (ValueError, TypeError) as error:
        raise _Unknown from error


def _setting(expression: ast.AST) -> str | None:
    if isinstance(expression, ast.Name):
        return expression.id
    if (
        isinstance(expression, ast.Attribute)
        and isinstance(expression.value, ast.Name)
        and expression.value.id == "self"
    ):
        return expression.attr
    return None


def _assigned(statement: ast.stmt) -> Iterator[str]:
    """Names of settings that a statement gives another value."""
    for part in ast.walk(statement):
        if isinstance(part, (ast.Name, ast.Attribute)) and isinstance(part.ctx, ast.Store):
            name = _setting(part)
            if name is not None:
                yield name


def _body(found: _Definition) -> list[ast.stmt]:
    """The statements that are run when a target is called."""
    if isinstance(found, ast.FunctionDef):
        return found.body
    methods = {part.name: part for part in found.body if isinstance(part, ast.FunctionDef)}
    made = methods.get("__post_init__") or methods.get("__init__")
    return made.body if made is not None else []


def _definition(target: str) -> _Definition | None:
    """The source of a class or function, by its module or by the stub of a package that imports its
    names lazily; None where it cannot be read.
    """
    module, _, name = target.rpartition(".")
    try:
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            return None
        stub = Path(spec.origin).with_suffix(".pyi")
        path = stub if stub.is_file() else Path(spec.origin)
        statements = ast.parse(path.read_text(encoding="utf-8")).body
    except (ImportError, ValueError, OSError, SyntaxError):
        return None
    for statement in statements:
        if isinstance(statement, (ast.ClassDef, ast.FunctionDef)) and statement.name == name:
            return statement
        if (
            isinstance(statement, ast.ImportFrom)
            and statement.level == 1
            and any(one.name == name for one in statement.names)
        ):
            return _definition(f"{module}.{statement.module}.{name}")
    return None
