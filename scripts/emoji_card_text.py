"""The text of the emoji model's card."""

from typing import Any

from emoji_networks import LENGTH
from model_card_text import table

NAME = "emoji_sd"
STEPS = 50
GUIDANCE = 3.0
EACH = 4  # samples of a prompt
PROMPTS = (
    *(
        "red apple",
        "green apple",
        "banana",
        "strawberry",
        "cat face",
        "dog face",
        "panda face",
        "frog face",
    ),
    *(
        "grinning face",
        "crying face",
        "angry face",
        "blue heart",
        "clock face three oclock",
        "full moon symbol",
    ),
    *("thumbs up sign: dark skin tone", "rocket"),
    *("blue apple", "crying dog face", "purple banana", "green cat face"),  # no emoji is called so
)
LICENCE = (
    "Data: Noto Emoji, by Google, from the npm package emoji-datasource-google 16.0.0, whose README"
    " gives the pictures as under the Apache License 2.0. The weights were trained on them and are"
    " given under the same licence."
)


def further_commands(card: dict[str, Any]) -> str:
    """The commands of the stages after the first, one a line."""
    return "".join(
        f"\n    python scripts/train_emoji.py --emoji package --out outputs/train/emoji_{number}"
        f" --start scoregeo/assets/models/{NAME} --seed {stage['seed']} --steps {stage['steps']}"
        f" --batch {stage['batch']} --lr {stage['lr']:g} --export"
        for number, stage in enumerate(card.get("further", []), 2)
    )


def further_steps(card: dict[str, Any]) -> str:
    """What the stages after the first took, each from the averaged weights of the one before."""
    return "".join(
        f", then {stage['steps']:,} further ones, {stage['seconds'] / 3600:.1f} hours"
        for stage in card.get("further", [])
    )


def card_text(card: dict[str, Any]) -> str:
    """The card in Markdown."""
    count, vae = card["parameters"], card["vae"]
    kept, seen = (card["psnr"][name] for name in ("held-out", "training"))
    rows: list[list[object]] = [
        [
            r["sigma"],
            r["held-out"] ** 0.5,
            r["training"] ** 0.5,
            r["held-out, no prompt"] ** 0.5,
            r["gaussian"] ** 0.5,
        ]
        for r in card["denoising"]
    ]
    parts = [
        f"# {NAME}",
        (
            "A small text-to-image latent diffusion model of emoji, in the folder layout of"
            f" diffusers' `StableDiffusionPipeline`: autoencoder ({count['vae'] / 1e6:.2f} M"
            " parameters; pictures 3 x 64 x 64, latents 4 x 16 x 16), U-Net"
            f" ({count['unet'] / 1e6:.2f} M), CLIP-like text encoder"
            f" ({count['text_encoder'] / 1e6:.2f} M, prompts up to {LENGTH} tokens); Stable"
            " Diffusion's noise schedule, v-prediction. Weights in float16."
        ),
        "## Training",
        (
            "    npm pack emoji-datasource-google@16.0.0 && tar xf"
            " emoji-datasource-google-16.0.0.tgz\n    python scripts/train_emoji.py --emoji"
            f" package --out outputs/train/emoji --seed {card['seed']} --vae-steps {vae['steps']}"
            f" --vae-batch {vae['batch']} --vae-lr {vae['lr']:g} --steps {card['steps']} --batch"
            f" {card['batch']} --lr {card['lr']:g} --compile --export{further_commands(card)}"
        ),
        f"Autoencoder: {vae['steps']:,} steps of {vae['batch']} pictures,"
        f" {vae['seconds'] / 3600:.1f} hours. U-Net and text encoder together: {card['steps']:,}"
        f" steps of {card['batch']} latents, {card['seconds'] / 3600:.1f} hours"
        f"{further_steps(card)}; AdamW, linear cooldown of the learning rate to zero, moving"
        " averages of the weights. The empty prompt"
        " stands for a tenth of the prompts. One base emoji in twenty, with all its skin tones,"
        f" was kept out ({kept['pictures']} of {kept['pictures'] + seen['pictures']:,} pictures)."
        f" {card['note']}".strip(),
        "![loss](loss.png)",
        "## Reconstructions",
        (
            f"PSNR of pictures encoded and decoded: {kept['mean']:.1f} dB held-out (least"
            f" {kept['least']:.1f}), {seen['mean']:.1f} dB training (least {seen['least']:.1f})."
            " Held-out pictures, and under them their reconstructions:"
        ),
        "![reconstructions](reconstructions.png)",
        "## Samples",
        (
            f"DDIM, {STEPS} steps, guidance {GUIDANCE:g}, {EACH} samples of each of {len(PROMPTS)}"
            " prompts from the same noise, not selected. No emoji is called what the last four"
            " say."
        ),
        "![samples](samples.png)",
        card["by_eye"],
        "## Denoising error",
        (
            "Root mean squared error per number of the denoised latents, whose standard deviation"
            " is one, on the noise shell `x0 + sigma z`: held-out pictures under their names, as"
            " many training pictures, and held-out pictures under the empty prompt. Gaussian: what"
            " knowing the variance alone gives, `sigma / sqrt(1 + sigma^2)`."
        ),
        table(["sigma", "held-out", "training", "held-out, no prompt", "Gaussian"], rows),
        "## Terms",
        LICENCE,
        (
            "This card: `python scripts/emoji_card.py --emoji package`; numbers in `card.json`,"
            " training facts in `training.json`."
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
