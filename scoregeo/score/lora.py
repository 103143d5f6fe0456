"""Low-rank changes of weights (LoRA, Hu et al. 2022), added to a pipeline's networks."""

from pathlib import Path

LORA_FILE = "pytorch_lora_weights.safetensors"


def add_lora(path: Path, networks: dict, scale: float = 1.0) -> None:
    raise NotImplementedError
