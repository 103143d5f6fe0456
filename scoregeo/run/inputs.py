"""The files that a run reads, trained weights, a user's data and a user's code: what is computed
follows from them and the configuration together.
"""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from sysconfig import get_path
from typing import Any

from scoregeo._utils.cache import content_hash
from scoregeo._utils.errors import ScoregeoError
from scoregeo._utils.files import is_file, is_folder, path_of, quick_digest, sha256
from scoregeo.evaluation.digit_classifier import WEIGHTS
from scoregeo.run.folder_state import CODE, DATA_FILES
from scoregeo.score.model_folder import MODELS, model_digest, model_folder


def inputs_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the files that a resolved configuration names, by its keys.

    Of data: of each file, also of a folder or a list, its name and content (`quick_digest`). Of
    code: of the modules that a `_target_` or `evaluation.extra` names, unless they are installed,
    and not of those that they import.
    The score's model where it ships or is a folder or a file (one of the hub's is what its name
    says), its LoRA and words, and the digits' classifier. Weights that are trained on first use
    follow from the configuration; backbones of measures are fetched by their digest."""
    runner = config.get("runner")
    models = runner.get("models", ()) if isinstance(runner, Mapping) else ()
    found = {f"runner.models.{name}": model_digest(MODELS / name) for name in models}
    score = config.get("score") or {}
    for key in ("model", "config", "lora", "embeddings"):
        value = score.get(key)
        if not isinstance(value, str):
            continue
        folder, file = model_folder(value), path_of(f"score.{key}", value)
        if folder is not None:
            found[f"score.{key}"] = model_digest(folder)
        elif is_file(file):
            found[f"score.{key}"] = sha256(file)[:16]
    if (config.get("evaluation") or {}).get("network") == "digit_classifier" and WEIGHTS.is_file():
        found["evaluation.network"] = sha256(WEIGHTS)[:16]
    for group, names in DATA_FILES.items():
        node = config.get(group) or {}
        for name in names:
            value = node.get(name) if isinstance(node, Mapping) else None
            if isinstance(value, str) and (digest := _data_digest(f"{group}.{name}", value)):
                found[f"{group}.{name}"] = digest
    return found | _code(config)


def _code(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of a user's modules, by "code." and their names."""
    extra = (config.get("evaluation") or {}).get("extra") or ()
    named = {*_targets(config), *(f"{one}." for one in extra if isinstance(one, str))}
    found = {}
    for target in sorted(named):
        module = target.rpartition(".")[0]
        if not module or module.partition(".")[0] == "scoregeo":
            continue
        try:
            spec = find_spec(module)
            if spec and spec.origin and spec.has_location and not _installed(Path(spec.origin)):
                found[f"{CODE}{module}"] = quick_digest(Path(spec.origin))[:16]
        except (ImportError, ValueError, OSError):
            continue  # said where the target is imported
    return found


def _installed(file: Path) -> bool:
    """Whether a module's file is a package's or Python's own."""
    return any(file.is_relative_to(get_path(key)) for key in ("stdlib", "purelib", "platlib"))


def _targets(node: Any) -> Iterator[str]:
    """The values of `_target_` in a configuration, at any depth."""
    if isinstance(node, Mapping):
        target = node.get("_target_")
        if isinstance(target, str):
            yield target
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for inner in node:
            yield from _targets(inner)


def _data_digest(key: str, value: str) -> str | None:
    """Of a file or a folder, as `inputs_of`; None where there is none, or it cannot be read, which
    whoever reads it says.
    """
    try:
        path = path_of(key, value)
        if is_file(path):
            return content_hash(quick_digest(path), *map(quick_digest, _listed(key, path)))
        if is_folder(path):
            files = sorted(one for one in path.rglob("*") if one.is_file())
            return content_hash(
                *((one.relative_to(path).as_posix(), quick_digest(one)) for one in files)
            )
    except (ScoregeoError, OSError):
        pass
    return None


def _listed(key: str, path: Path) -> list[Path]:
    """The files that a list of pairs names."""
    from scoregeo.dataset.pair_files import pairs_in_list

    if key != "dataset.list":
        return []
    pairs = [*pairs_in_list(path)]
    return [one for pair in pairs for one in (pair.first, pair.second) if is_file(one)]
