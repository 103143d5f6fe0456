"""Train the shipped text-to-image model on emoji: autoencoder, then U-Net and text encoder; write
it to scoregeo/assets/models.

    npm pack emoji-datasource-google@16.0.0 && tar xf emoji-datasource-google-16.0.0.tgz
    python scripts/train_emoji.py --emoji package --out outputs/train/emoji --compile --export

Killed and started again with the same folder, it continues where it was; another --steps moves the
cooldown of the U-Net's rate. A finished autoencoder is not trained again: its weights are in
vae.safetensors of the work folder, the latents beside it."""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from emoji_networks import (
    drawing_weights,
    emoji_text_encoder,
    emoji_tokenizer,
    emoji_unet,
    emoji_vae,
    seed_weights,
    tokens_of,
)

from scoregeo._utils.arguments import folder_argument, positive_argument, whole_argument
from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import load_tensors, read_json, save_tensors, write_json
from scoregeo.dataset.emoji_source import EmojiSource, load_emoji_folder
from scoregeo.score.model_folder import MODELS
from scoregeo.score.schedule import NoiseSchedule
from scoregeo.score.training.autoencoder import (
    AutoencoderLoss,
    centre_latents,
    encode_all,
    reconstruction_psnr,
)
from scoregeo.score.training.latent_diffusion import LatentDiffusionLoss, TextToLatent
from scoregeo.score.training.loop import LOG, TrainingSettings, train
from scoregeo.score.training.pipeline_export import (
    check_size,
    ddim_scheduler,
    export_pipeline,
    load_weights,
)

NAME = "emoji_sd"
LIMIT = 32_000_000  # bytes of the exported folder


def read_log(folder: Path) -> list[dict[str, float]]:
    """The lines of a stage's loss log, none where the stage was shorter than one."""
    return [
        json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines() if line
    ]


def seconds_of(log: list[dict[str, float]]) -> int:
    """What a stage took."""
    return round(log[-1]["seconds"]) if log else 0


def train_vae(source: EmojiSource, args: argparse.Namespace) -> None:
    """Train the autoencoder; it leaves vae.safetensors (averaged, centred), latents.safetensors
    and, last, vae.json.
    """
    seed_weights(args.seed, "vae")
    vae = emoji_vae().to(args.device)
    if args.compile:
        vae.encoder.compile(dynamic=False)
        vae.decoder.compile(dynamic=False)
    loss = AutoencoderLoss(
        source.images, drawing_weights(source), args.vae_batch, device=torch.device(args.device)
    )
    settings = TrainingSettings(
        steps=args.vae_steps, lr=args.vae_lr, seed=args.seed, cooldown=0.3, warmup=200
    )
    average: Any = train(vae, loss, settings, args.out / "vae")
    scale = centre_latents(
        average, encode_all(average, source.images[source.indices(held_out=False)])
    )
    psnr = {
        name: float(reconstruction_psnr(average, source.images[source.indices(held_out)]).mean())
        for name, held_out in (("held-out", True), ("training", False))
    }
    latents = {"plain": source.images, "mirrored": source.images.flip(-1)}
    encoded = {name: encode_all(average, images) * scale for name, images in latents.items()}
    save_tensors(args.out / "latents.safetensors", encoded)
    save_tensors(args.out / "vae.safetensors", average.state_dict())
    facts = {
        "scaling_factor": scale,
        "psnr": psnr,
        "steps": args.vae_steps,
        "batch": args.vae_batch,
        "lr": args.vae_lr,
    }
    write_json(
        args.out / "vae.json",
        facts | {"seed": args.seed, "seconds": seconds_of(read_log(args.out / "vae"))},
    )
    print(
        f"autoencoder: scaling factor {scale:.4f}, PSNR held-out {psnr['held-out']:.2f}, training"
        f" {psnr['training']:.2f} dB"
    )


def train_unet(source: EmojiSource, args: argparse.Namespace) -> tuple[TextToLatent, Any]:
    """Train U-Net and text encoder on the latents; returns their averaged weights and the
    tokenizer.
    """
    tokenizer = emoji_tokenizer(source)
    latents = load_tensors(args.out / "latents.safetensors")
    if len(latents["plain"]) != len(source.pictures):
        raise DataError(
            f"{args.out}/latents.safetensors is of other pictures than {args.emoji}: run --stage"
            " vae again."
        )
    prompts = [prompt for picture in source.pictures for prompt in picture.prompts]
    count = torch.tensor([len(picture.prompts) for picture in source.pictures])
    loss = LatentDiffusionLoss(
        latents=latents["plain"],
        mirrored=latents["mirrored"],
        mirrors=torch.tensor([picture.mirrors for picture in source.pictures]),
        tokens=tokens_of(tokenizer, [*prompts, ""]),
        first=torch.cat([torch.zeros(1, dtype=torch.int64), count.cumsum(0)]),
        weights=drawing_weights(source),
        schedule=NoiseSchedule(ddim_scheduler().alphas_cumprod),
        batch=args.batch,
        device=torch.device(args.device),
    )
    seed_weights(args.seed, "unet")
    model = TextToLatent(emoji_unet(), emoji_text_encoder(tokenizer)).to(args.device)
    if args.compile:
        model.unet.compile(dynamic=False)
    settings = TrainingSettings(
        steps=args.steps, lr=args.lr, seed=args.seed, ema=0.9995, warmup=500
    )
    return train(model, loss, settings, args.out / "unet"), tokenizer


def export(model: TextToLatent, tokenizer: Any, args: argparse.Namespace, folder: Path) -> int:
    """Write the trained parts and the facts of both stages as a pipeline's folder; returns its
    bytes.
    """
    first = read_json(args.out / "vae.json")
    vae = emoji_vae()
    load_weights(vae, load_tensors(args.out / "vae.safetensors"), args.out / "vae.safetensors")
    vae.register_to_config(scaling_factor=first["scaling_factor"])
    log, vae_log = read_log(args.out / "unet"), read_log(args.out / "vae")
    parts = {"vae": vae, "unet": model.unet, "text_encoder": model.text_encoder}
    facts = {
        "model": NAME,
        "seed": args.seed,
        "steps": int(log[-1]["step"]) if log else args.steps,
        "batch": args.batch,
        "lr": args.lr,
        "seconds": seconds_of(log),
        "vae": first,
        "parameters": {
            name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()
        },
        "note": args.note,
        "loss": [[line["step"], round(line["loss"], 5)] for line in log[4::5]],
        "vae_loss": [[line["step"], round(line["loss"], 5)] for line in vae_log[4::5]],
    }
    size = export_pipeline(
        folder, tokenizer=tokenizer, scheduler=ddim_scheduler(), facts=facts, **parts
    )
    check_size(folder, size, LIMIT)
    return size


def main() -> None:
    """Parse the command line and run the stages asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--emoji",
        type=folder_argument,
        required=True,
        help="unpacked npm package emoji-datasource-google 16.0.0",
    )
    parser.add_argument("--stage", choices=("vae", "unet", "all"), default="all")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="work folder: checkpoints, loss logs, cached latents",
    )
    parser.add_argument("--seed", type=whole_argument(0), default=0)
    parser.add_argument("--vae-steps", type=whole_argument(), default=12_000)
    parser.add_argument("--vae-batch", type=whole_argument(), default=8)
    parser.add_argument("--vae-lr", type=positive_argument, default=1e-3)
    parser.add_argument(
        "--steps", type=whole_argument(), default=20_000, help="of the U-Net and text encoder"
    )
    parser.add_argument("--batch", type=whole_argument(), default=32)
    parser.add_argument("--lr", type=positive_argument, default=6e-4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile the networks; needs a C++ compiler"
    )
    parser.add_argument(
        "--export", action="store_true", help="write the averaged weights as a pipeline's folder"
    )
    parser.add_argument("--model", type=Path, default=MODELS / NAME, help="that folder")
    parser.add_argument("--note", default="", help="what the model card should add about this run")
    args = parser.parse_args()
    source = load_emoji_folder(args.emoji)
    done = (args.out / "vae.json").exists()
    if args.stage == "vae" or (args.stage == "all" and not done):
        train_vae(source, args)
    elif not done:
        raise ConfigError(
            f"--stage unet needs a trained autoencoder, and {args.out} holds no vae.json: run"
            " --stage vae first."
        )
    if args.stage == "vae":
        return
    model, tokenizer = train_unet(source, args)
    if args.export:
        print(f"{args.model}: {export(model, tokenizer, args, args.model) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
