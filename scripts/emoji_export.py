"""Write the trained emoji model as a pipeline's folder, with the facts of its training."""

import argparse
import json
from pathlib import Path
from typing import Any

from emoji_card_text import NAME

from scoregeo._utils.files import read_json
from scoregeo.score.training.latent_diffusion import TextToLatent
from scoregeo.score.training.loop import LOG
from scoregeo.score.training.pipeline_export import check_size, ddim_scheduler, export_pipeline

LIMIT = 32_000_000  # bytes of the exported folder


def read_log(folder: Path) -> list[dict[str, float]]:
    """The lines of a stage's loss log, none where the stage was shorter than one."""
    return [
        json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines() if line
    ]


def seconds_of(log: list[dict[str, float]]) -> int:
    """What a stage took."""
    return round(log[-1]["seconds"]) if log else 0


def facts_of(model: TextToLatent, vae: Any, args: argparse.Namespace) -> dict[str, Any]:
    """What `training.json` says; of a model trained further, what it said and a stage in
    `further`.
    """
    log = read_log(args.out / "unet")
    stage = {
        "seed": args.seed,
        "steps": int(log[-1]["step"]) if log else args.steps,
        "batch": args.batch,
        "lr": args.lr,
        "seconds": seconds_of(log),
    }
    loss = [[line["step"], round(line["loss"], 5)] for line in log[4::5]]
    if args.start:
        old = read_json(args.start / "training.json")
        further = old.get("further", [])
        done = old["steps"] + sum(earlier["steps"] for earlier in further)
        moved = [[done + step, value] for step, value in loss]
        note = args.note or old["note"]
        return old | {"further": [*further, stage], "loss": old["loss"] + moved, "note": note}
    parts = {"vae": vae, "unet": model.unet, "text_encoder": model.text_encoder}
    vae_log = read_log(args.out / "vae")
    return {
        "model": NAME,
        **stage,
        "vae": read_json(args.out / "vae.json"),
        "parameters": {
            name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()
        },
        "note": args.note,
        "loss": loss,
        "vae_loss": [[line["step"], round(line["loss"], 5)] for line in vae_log[4::5]],
    }


def export(model: TextToLatent, tokenizer: Any, vae: Any, args: argparse.Namespace) -> int:
    """Write the trained parts and the facts of their stages as a pipeline's folder; returns its
    bytes.
    """
    facts = facts_of(model, vae, args)
    parts = {"vae": vae, "unet": model.unet, "text_encoder": model.text_encoder}
    size = export_pipeline(
        args.model, tokenizer=tokenizer, scheduler=ddim_scheduler(), facts=facts, **parts
    )
    check_size(args.model, size, LIMIT)
    return size
