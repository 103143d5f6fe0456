"""Train the shipped text-to-image model on emoji: autoencoder, then U-Net and text encoder; write
it to scoregeo/assets/models.

    npm pack emoji-datasource-google@16.0.0 && tar xf emoji-datasource-google-16.0.0.tgz
    python scripts/train_emoji.py --emoji package --out outputs/train/emoji --compile --export

Killed and started again with the same folder, it continues where it was; another --steps moves the
cooldown of the U-Net's rate. A finished autoencoder is not trained again: its weights are in
vae.safetensors of the work folder, the latents beside it.

--start FOLDER trains an exported model's U-Net and text encoder further, in a work folder of its
own:

    python scripts/train_emoji.py --emoji package --out outputs/train/emoji_further \\
        --start scoregeo/assets/models/emoji_sd --seed 1 --steps 4000 --export"""

import argparse
from pathlib import Path
from typing import Any

import torch
from emoji_card_text import NAME
from emoji_export import export, read_log, seconds_of
from emoji_networks import (
    drawing_weights,
    emoji_text_encoder,
    emoji_tokenizer,
    emoji_unet,
    emoji_vae,
    load_pipeline,
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
from scoregeo.score.training.loop import TrainingSettings, train
from scoregeo.score.training.pipeline_export import (
    ddim_scheduler,
    load_weights,
)

LATENTS = "latents.safetensors"
FURTHER = {"ema": 0.998, "warmup": 100, "cooldown": 0.4}  # of --start, whose runs are shorter


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
    save_latents(average, scale, source, args.out)
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


def save_latents(vae: Any, scale: float, source: EmojiSource, folder: Path) -> None:
    """`latents.safetensors`: the scaled latents of all pictures, as they are and mirrored."""
    latents = {"plain": source.images, "mirrored": source.images.flip(-1)}
    encoded = {name: encode_all(vae, images) * scale for name, images in latents.items()}
    save_tensors(folder / LATENTS, encoded)


def new_model(source: EmojiSource, args: argparse.Namespace) -> tuple[TextToLatent, Any, Any]:
    """An untrained U-Net and text encoder, the tokenizer and the autoencoder of the work folder."""
    first = read_json(args.out / "vae.json")
    vae = emoji_vae()
    load_weights(vae, load_tensors(args.out / "vae.safetensors"), args.out / "vae.safetensors")
    vae.register_to_config(scaling_factor=first["scaling_factor"])
    tokenizer = emoji_tokenizer(source)
    seed_weights(args.seed, "unet")
    return TextToLatent(emoji_unet(), emoji_text_encoder(tokenizer)), tokenizer, vae


def started_model(source: EmojiSource, args: argparse.Namespace) -> tuple[TextToLatent, Any, Any]:
    """The same with the weights of the exported model `--start`; its latents go to the work
    folder.
    """
    pipeline = load_pipeline(args.start)
    vae, tokenizer = emoji_vae(), pipeline.tokenizer
    vae.register_to_config(scaling_factor=pipeline.vae.config.scaling_factor)
    model = TextToLatent(emoji_unet(), emoji_text_encoder(tokenizer))
    for new, old in (
        (vae, pipeline.vae),
        (model.unet, pipeline.unet),
        (model.text_encoder, pipeline.text_encoder),
    ):
        load_weights(new, old.state_dict(), args.start)
    if not (args.out / LATENTS).exists():
        save_latents(vae, vae.config.scaling_factor, source, args.out)
    return model, tokenizer, vae


def train_unet(
    model: TextToLatent, tokenizer: Any, source: EmojiSource, args: argparse.Namespace
) -> TextToLatent:
    """Train U-Net and text encoder on the latents; returns their averaged weights."""
    latents = load_tensors(args.out / LATENTS)
    if len(latents["plain"]) != len(source.pictures):
        raise DataError(
            f"{args.out}/{LATENTS} is of other pictures than {args.emoji}: delete it (with"
            " --start), or run --stage vae again."
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
    model = model.to(args.device)
    if args.compile:
        model.unet.compile(dynamic=False)
    schedule: dict[str, Any] = FURTHER if args.start else {"ema": 0.9995, "warmup": 500}
    settings = TrainingSettings(steps=args.steps, lr=args.lr, seed=args.seed, **schedule)
    return train(model, loss, settings, args.out / "unet")


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
    parser.add_argument(
        "--start", type=folder_argument, help="an exported model, whose autoencoder is kept"
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
    if args.start:
        if args.stage == "vae":
            raise ConfigError("--stage vae does not go with --start, which keeps its autoencoder.")
        if done:
            raise ConfigError(
                f"--out: {args.out} holds the training of an autoencoder (vae.json): --start needs"
                " a work folder of its own."
            )
    elif args.stage == "vae" or (args.stage == "all" and not done):
        train_vae(source, args)
    elif not done:
        raise ConfigError(
            f"--stage unet needs a trained autoencoder, and {args.out} holds no vae.json: run"
            " --stage vae first."
        )
    if args.stage == "vae":
        return
    prepare = started_model if args.start else new_model
    model, tokenizer, vae = prepare(source, args)
    model = train_unet(model, tokenizer, source, args)
    if args.export:
        print(f"{args.model}: {export(model, tokenizer, vae, args) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
