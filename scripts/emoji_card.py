"""Measure the shipped emoji model and write its card: README.md, card.json and pictures beside the
weights.

python scripts/emoji_card.py --emoji package
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from emoji_card_text import EACH, GUIDANCE, NAME, PROMPTS, STEPS, card_text
from emoji_networks import LENGTH, drawing_weights, load_pipeline, tokens_of

from scoregeo._utils.arguments import folder_argument
from scoregeo._utils.files import read_json, write_json, write_text
from scoregeo._utils.seed import generator
from scoregeo.dataset.emoji_source import EmojiSource, load_emoji_folder, to_points
from scoregeo.report.style import as_pictures, drawing, new_figure, save_figure
from scoregeo.score.model_folder import MODELS
from scoregeo.score.schedule import NoiseSchedule
from scoregeo.score.training.autoencoder import decode, encode_all, moments, reconstruction_psnr
from scoregeo.score.training.latent_diffusion import TextToLatent, latent_denoising_error

SIGMAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
SEED = 0


def denoising(pipeline: Any, source: EmojiSource) -> list[dict[str, float]]:
    """Errors of the denoised latents by noise level: held-out pictures, with and without prompt,
    and as many training ones.
    """
    schedule = NoiseSchedule(pipeline.scheduler.alphas_cumprod)
    model = TextToLatent(pipeline.unet, pipeline.text_encoder).eval()
    held_out = source.indices(held_out=True)
    weights = drawing_weights(source)
    seen = torch.multinomial(weights, len(held_out), generator=generator(SEED, "card pictures"))
    parts = {}
    for name, index in (("held-out", held_out), ("training", seen)):
        tokens = tokens_of(pipeline.tokenizer, [source.pictures[i].name for i in index.tolist()])
        clean = encode_all(pipeline.vae, source.images[index]) * pipeline.vae.config.scaling_factor
        parts[name] = (clean, tokens)
    empty = tokens_of(pipeline.tokenizer, [""]).expand(len(held_out), LENGTH)
    parts["held-out, no prompt"] = (parts["held-out"][0], empty)
    rows = []
    for sigma in SIGMAS:
        row = {"sigma": sigma}
        for name, (clean, tokens) in parts.items():
            noise = torch.randn(clean.shape, generator=generator(SEED, "card noise"))
            row[name] = latent_denoising_error(model, clean, tokens, noise, sigma, schedule)
        rows.append(row | {"gaussian": sigma**2 / (1 + sigma**2)})
    return rows


def samples(pipeline: Any) -> torch.Tensor:
    """EACH pictures of every prompt in [-1, 1], [prompts, EACH, 3, 64, 64]; all prompts start from
    the same noise.
    """
    size = pipeline.unet.config.sample_size
    noise = torch.randn(EACH, 4, size, size, generator=generator(SEED, "card samples"))
    made = [
        pipeline(
            [prompt] * EACH,
            latents=noise,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            output_type="pt",
        ).images
        for prompt in PROMPTS
    ]
    return torch.stack(made).float() * 2 - 1


def draw_samples(folder: Path, pictures: torch.Tensor) -> None:
    """`samples.png`: a block of pictures under each prompt, [prompts, EACH, 3, 64, 64]."""
    with drawing({"axes.titlesize": 7}):
        figure = new_figure(8, 7.4)
        for number, (prompt, block) in enumerate(zip(PROMPTS, pictures, strict=True)):
            shown = torch.tensor(as_pictures(block, "samples"))
            axes = figure.add_subplot(4, 5, number + 1)
            axes.imshow(
                torch.cat([torch.cat(list(shown[i : i + 2]), 1) for i in (0, 2)], 0).numpy()
            )
            axes.set_title(prompt)
            axes.axis("off")
        save_figure(figure, folder / "samples", ("png",))


def draw_reconstructions(folder: Path, pipeline: Any, source: EmojiSource) -> None:
    """`reconstructions.png`: sixteen held-out pictures and, under them, what the autoencoder makes
    of them.
    """
    held_out = source.indices(held_out=True)
    points = to_points(source.images[held_out[torch.linspace(0, len(held_out) - 1, 16).long()]])
    with torch.no_grad():
        made = decode(pipeline.vae, moments(pipeline.vae, points)[0])
    with drawing():
        figure = new_figure(8, 1.1)
        axes = figure.add_subplot()
        rows = [
            torch.cat(list(torch.tensor(as_pictures(part, "pictures"))), 1)
            for part in (points, made)
        ]
        axes.imshow(torch.cat(rows, 0).numpy())
        axes.axis("off")
        save_figure(figure, folder / "reconstructions", ("png",))


def draw_losses(folder: Path, facts: dict[str, Any]) -> None:
    """`loss.png`: the losses of both stages."""
    with drawing():
        figure = new_figure(7, 2.4)
        for number, (key, title) in enumerate(
            (("vae_loss", "autoencoder"), ("loss", "U-Net and text encoder"))
        ):
            axes = figure.add_subplot(1, 2, number + 1)
            axes.plot(
                [step for step, _ in facts[key]], [loss for _, loss in facts[key]], linewidth=1
            )
            axes.set(xlabel="step", ylabel="loss", yscale="log", title=title)
        save_figure(figure, folder / "loss", ("png",))


def write_card(folder: Path, source: EmojiSource, by_eye: str) -> None:
    """Measure the model in `folder` and write its card; `by_eye`, what a person says, is kept from
    the last card if empty.
    """
    facts: dict[str, Any] = read_json(folder / "training.json")
    pipeline = load_pipeline(folder)
    card: dict[str, Any] = {
        key: value for key, value in facts.items() if key not in ("loss", "vae_loss")
    }
    for name, held_out in (("held-out", True), ("training", False)):
        values = reconstruction_psnr(pipeline.vae, source.images[source.indices(held_out)])
        card.setdefault("psnr", {})[name] = {
            "pictures": len(values),
            "mean": float(values.mean()),
            "least": float(values.min()),
        }
    card["denoising"] = denoising(pipeline, source)
    card |= {"prompts": PROMPTS, "sample_steps": STEPS, "guidance": GUIDANCE}
    draw_samples(folder, samples(pipeline))
    draw_reconstructions(folder, pipeline, source)
    if facts["loss"] and facts["vae_loss"]:
        draw_losses(folder, facts)
        card["last_loss"] = facts["loss"][-1][1]
    old = folder / "card.json"
    card["by_eye"] = by_eye or (read_json(old).get("by_eye", "") if old.exists() else "")
    write_json(old, card)
    write_text(folder / "README.md", card_text(card))


def main() -> None:
    """Write the card."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--emoji",
        type=folder_argument,
        required=True,
        help="unpacked npm package emoji-datasource-google 16.0.0",
    )
    parser.add_argument("--model", type=Path, default=MODELS / NAME, help="the exported folder")
    parser.add_argument(
        "--by-eye", default="", help="what a person says of the samples; else the last card's words"
    )
    args = parser.parse_args()
    write_card(args.model, load_emoji_folder(args.emoji), args.by_eye)


if __name__ == "__main__":
    main()
