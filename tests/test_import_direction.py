"""Imports run downward only: each part knows those below it, and no part knows one above."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "scoregeo"
# What uses the package and is no part of it; scripts import one another by name alone.
USERS = {"experiments", "scripts", *(path.stem for path in (ROOT / "scripts").glob("*.py"))}
# From the bottom up; parts on one line do not know each other.
LAYERS = (
    ("_utils",),
    ("path",),
    ("dataset",),
    ("score",),
    ("inversion",),
    ("metric",),
    ("solver",),
    ("initializer",),
    ("geometry",),
    ("baseline", "extrapolation"),
    ("evaluation",),
    ("report", "tracker"),
    ("pipeline",),
    ("app",),
    ("run",),
    ("__main__",),
)
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}


def imports() -> dict[str, set[str]]:
    """Modules of the package that each module imports, wherever in the file."""
    modules = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
    found: dict[str, set[str]] = {}
    for name, path in modules.items():
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name}: relative import"
                candidates = [f"{node.module}.{alias.name}" for alias in node.names]
                found[name] |= {c if c in modules else str(node.module) for c in candidates}
            elif isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names}
        found[name] = {target for target in found[name] if target in modules}
    return found


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part(module: str) -> str | None:
    """The part a module belongs to; None for the package's own `__init__`."""
    return module.split(".")[1] if "." in module else None


def test_every_part_has_its_layer() -> None:
    assert {part(module) for module in imports()} - {None} == set(RANK)


def test_imports_run_downward() -> None:
    wrong = []
    for module, targets in imports().items():
        for target in targets:
            here, there = part(module), part(target)
            if here is None or there is None or here == there:
                continue
            if RANK[there] >= RANK[here]:
                wrong.append(f"{module} imports {target}")
    assert not wrong


def test_the_package_imports_nothing_that_uses_it() -> None:
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            wrong += [
                f"{name_of(path)} imports {name}" for name in names if name.split(".")[0] in USERS
            ]
    assert not wrong


def test_no_cycles() -> None:
    graph, done, under_way = imports(), set[str](), list[str]()

    def visit(module: str) -> None:
        assert module not in under_way, " -> ".join([*under_way, module])
        if module in done:
            return
        under_way.append(module)
        for target in graph[module]:
            visit(target)
        done.add(under_way.pop())

    for module in graph:
        visit(module)


def test_one_module_instantiates() -> None:
    users = [
        name_of(p) for p in PACKAGE.rglob("*.py") if "hydra.utils" in p.read_text(encoding="utf-8")
    ]
    assert users == ["scoregeo.run.instantiate"]
