"""The trained weights that a run reads from files: what is computed follows from them and the
configuration together.
"""

from collections.abc import Mapping
from typing import Any

from scoregeo._utils.files import is_file, path_of, sha256
from scoregeo.evaluation.digit_classifier import WEIGHTS
from scoregeo.score.model_folder import MODELS, model_digest, model_folder


def inputs_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the weights in files that a resolved configuration names, by its keys.

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
    return found
