"""The text of a digit model's card."""

from typing import Any

from train_digits import FOLDER, IDENTITIES, ROTATIONS

POINTS = 500  # held-out digits, and points of each kind for the score's error
DRAWS = 60_000  # rotated training digits behind the empirical denoiser of "all"
STEPS = 50
LICENCE = (
    "Data: MNIST (LeCun, Cortes, Burges), Creative Commons Attribution-Share Alike 3.0. "
    "The weights were trained on it and are given under the same terms."
)


def table(head: list[str], rows: list[list[object]]) -> str:
    """A Markdown table."""
    lines = [
        head,
        ["---"] * len(head),
        *[[f"{v:.3g}" if isinstance(v, float) else str(v) for v in row] for row in rows],
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def unet_text(model: str, card: dict[str, Any]) -> str:
    """The card of a U-Net, in Markdown."""
    what = {
        "all": f"{card['training_digits']:,} MNIST training digits, each draw at a uniform angle",
        "ten": f"ten MNIST digits at {ROTATIONS} angles each ({IDENTITIES * ROTATIONS:,} images)",
    }[model]
    target = {
        "all": "v-prediction, mean squared error, inputs on the noise shell `x0 + sigma z`.",
        "ten": (
            "v-prediction of the exact posterior mean of the finite data set; inputs on the noise"
            " shell (30 %), nearer to the data than their sigma says (10 %), on chords between data"
            " (20 %) and close to the data where geodesics pass (40 %): on the inside of the curve"
            " of rotations, bent and shaded a little, and, where the command has `--geodesics`, 25"
            " % on geodesics of the network's own earlier states (`scripts/digit_geodesics.py`);"
            " error relative to the score's own length, with a floor (`FiniteSampleLoss`)."
        ),
    }[model]
    beside = {
        "all": (
            f"Held-out: {POINTS} MNIST test digits at random angles. Empirical: the posterior mean"
            f" over {DRAWS:,} draws of rotated training digits, which is what a network that had"
            " memorised that sample would give."
        ),
        "ten": (
            f"Held-out: {POINTS} images at angles halfway between the training angles. Empirical:"
            f" the posterior mean over the {IDENTITIES * ROTATIONS:,} training images, the training"
            " target."
        ),
    }[model]
    rows: list[list[object]] = [
        [r["sigma"], r["mse"], r["mse"] ** 0.5, r["empirical_mse"], r["empirical_mse"] ** 0.5]
        for r in card["denoising"]
    ]
    sure = card["classifier"]
    passed = " --geodesics " + " ".join(card["geodesics"]) if card.get("geodesics") else ""
    parts = [
        f"# {FOLDER[model]}",
        (
            f"A U-Net diffusion model of {what}. Pixels in [-1, 1], 1 x 28 x 28; DDPM's linear"
            " schedule, 1,000 steps; diffusers' layout."
        ),
        "## Training",
        f"    python scripts/train_digits.py --model {model} --steps {card['steps']} --lr"
        f" {card['lr']:g} --seed {card['seed']} --batch {card['batch']} --out outputs/train/{model}"
        " --compile --export" + passed,
        f"{card['parameters']:,} parameters; {card['steps']:,} steps of {card['batch']} images in"
        f" {card['seconds']:,} s on one CPU core shared with other work; AdamW, learning rate"
        f" {card['lr']:g}, 100 steps of warm-up, linear cooldown to zero in the last 20 %; moving"
        f" average of the weights, decay {card['ema']:g}, stored in float16. Last loss"
        f" {card['last_loss']:.4f}. {card['note']}".strip(),
        f"Target: {target}",
        "![loss](loss.png)",
        "## Samples",
        (
            f"64 samples by deterministic DDIM in {STEPS} steps from the largest noise level, not"
            " selected."
        ),
        "![samples](samples.png)",
        f"The shipped classifier is at least 90 % sure of {sure['samples']['above 0.9']:.0%} of"
        f" them, and of {sure['held-out digits']['above 0.9']:.0%} of held-out digits."
        f" {card['by_eye']}".strip(),
    ]
    if model == "ten":
        apart = card["nearest_rotation_rmse"]
        parts.append(
            "Distance of a sample to the nearest training image: RMSE per pixel"
            f" {apart['median']:.3f} (median), {apart['largest']:.3f} (largest)."
        )
    parts += [
        "## Denoising error",
        f"Mean squared error per pixel, and its root, of the denoised image. {beside}",
        table(["sigma", "MSE", "RMSE", "empirical MSE", "empirical RMSE"], rows),
    ]
    if model == "ten":
        keys = ("place", "sigma", "relative_error", "cosine", "length", "exact_length")
        parts += [
            "## Error of the score",
            (
                f"Against the exact score s* of the finite data set, {POINTS} points a row: on the"
                " noise shell `x0 + sigma z`, at the data themselves, on straight chords between"
                " two data, half-way between two rotations of one digit, and there bent and shaded"
                " a little. Medians of `|s - s*| / |s*|` and of the cosine; mean lengths."
            ),
            table(
                [
                    "points",
                    "sigma",
                    "relative error",
                    "cosine",
                    "mean length of s",
                    "mean length of s*",
                ],
                [[row[k] for k in keys] for row in card["score_error"]],
            ),
        ]
    parts += [
        "## Terms",
        LICENCE,
        (
            f"This card: `python scripts/model_card.py --model {model}`; numbers in `card.json`,"
            " training facts in `training.json`."
        ),
    ]
    return "\n\n".join(parts) + "\n"
