"""The files that a run reads, trained weights and a user's data: what is computed follows from them
and the configuration together.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scoregeo._utils.cache import content_hash
from scoregeo._utils.errors import ScoregeoError
from scoregeo._utils.files import is_file, is_folder, path_of, quick_digest, sha256
from scoregeo.evaluation.digit_classifier import WEIGHTS
from scoregeo.run.folder_state import DATA_FILES
from scoregeo.score.model_folder import MODELS, model_digest, model_folder


def inputs_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the files that a resolved configuration names, by its keys.

    Of data: of each file, also of a folder or a list, its name, its size and 64 KiB at either end.
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
    return found


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
