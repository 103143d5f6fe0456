"""Measure the shipped digit models and write their cards: README.md, card.json and figures beside
the weights.

    python scripts/model_card.py                     # every model
    python scripts/model_card.py --model classifier
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from model_card_text import DRAWS, LICENCE, POINTS, STEPS, table, unet_text
from train_digits import FOLDER, IDENTITIES, ROTATIONS

from scoregeo._utils.arguments import folder_argument
from scoregeo._utils.files import read_json, write_json, write_text
from scoregeo._utils.seed import generator
from scoregeo.dataset.digits import SOURCES, Digits, load_digits
from scoregeo.dataset.identities import identities, pixels, rotation_sample
from scoregeo.dataset.rotation import rotate
from scoregeo.evaluation.digit_classifier import load_digit_classifier
from scoregeo.report.style import as_pictures, drawing, new_figure, save_figure
from scoregeo.score.diffusers_unet import load_unet_score
from scoregeo.score.empirical import EmpiricalScore
from scoregeo.score.model_folder import MODELS
from scoregeo.score.sampling import ddim_sample
from scoregeo.score.training.quality import PLACES, denoising_error, probe_points, score_error

SIGMAS = (0.2, 0.5, 1.0, 2.0)
SEED = 0


def turned(images: torch.Tensor, purpose: str) -> torch.Tensor:
    """Images [count, 1, 28, 28] at one uniform angle each."""
    return rotate(images, 360 * torch.rand(len(images), generator=generator(SEED, purpose)))


def held_out(model: str, train: Digits, test: Digits, count: int = POINTS) -> torch.Tensor:
    """Clean images [count, 1, 28, 28] the model has not seen: rotated test digits, or the ten at
    angles between its own.
    """
    rng = generator(SEED, "held out")
    if model == "ten":
        digits = pixels(train.images[identities(train, IDENTITIES)])[
            torch.randint(IDENTITIES, (count,), generator=rng)
        ]
        return rotate(
            digits, (torch.randint(ROTATIONS, (count,), generator=rng) + 0.5) * (360 / ROTATIONS)
        )
    return turned(pixels(test.images[:count]), "held-out angles")


def training_sample(model: str, train: Digits) -> torch.Tensor:
    """The finite sample of "ten", or DRAWS rotated training digits for "all"."""
    if model == "ten":
        return rotation_sample(pixels(train.images[identities(train, IDENTITIES)]), ROTATIONS)
    index = torch.arange(DRAWS) % len(train.images)
    return torch.cat(
        [
            turned(pixels(train.images[part]), f"draws {n}")
            for n, part in enumerate(index.split(2000))
        ]
    )


def figures(folder: Path, losses: list[list[float]], samples: torch.Tensor | None) -> None:
    """`loss.png`, and a grid of samples [64, 1, 28, 28] as `samples.png`."""
    with drawing():
        figure = new_figure(5, 2.6)
        axes = figure.add_subplot()
        axes.plot([step for step, _ in losses], [loss for _, loss in losses], linewidth=1)
        axes.set(xlabel="step", ylabel="loss", yscale="log")
        save_figure(figure, folder / "loss", ("png",))
        if samples is None:
            return
        rows = [torch.from_numpy(as_pictures(row, "samples")) for row in samples.split(16)]
        grid = torch.cat([torch.cat(list(row), 1) for row in rows], 0)
        figure = Figure(
            figsize=(8, 8 * grid.shape[0] / grid.shape[1])
        )  # no margins, so no layout engine
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow(grid.numpy(), interpolation="nearest")
        axes.axis("off")
        save_figure(figure, folder / "samples", ("png",))


def confidence(images: torch.Tensor) -> dict[str, float]:
    """How surely the shipped classifier reads the images: median largest probability, and the share
    above 0.9.
    """
    with torch.no_grad():
        top = load_digit_classifier()(images.clamp(-1, 1)).softmax(1).amax(1)
    return {"median": float(top.median()), "above 0.9": float((top > 0.9).float().mean())}


def unet_card(model: str, train: Digits, test: Digits, by_eye: str) -> None:
    """Measure one U-Net and write its card; `by_eye`, what a person says of the samples, is kept
    from the last card if empty.
    """
    folder = MODELS / FOLDER[model]
    facts: dict[str, Any] = read_json(folder / "training.json")
    score, sample, clean = (
        load_unet_score(FOLDER[model], 64),
        training_sample(model, train),
        held_out(model, train, test),
    )
    exact = EmpiricalScore(sample)
    noise = torch.randn(clean.shape, generator=generator(SEED, "held-out noise"))
    denoising = []
    for sigma in SIGMAS:
        learned, empirical = (denoising_error(s, clean, noise, sigma) for s in (score, exact))
        denoising.append({"sigma": sigma, "mse": learned, "empirical_mse": empirical})
    samples = ddim_sample(score, 64, STEPS, generator(SEED, "samples"))
    figures(folder, facts["loss"], samples)
    card: dict[str, Any] = {key: value for key, value in facts.items() if key != "loss"}
    card |= {"last_loss": facts["loss"][-1][1], "denoising": denoising}
    card["classifier"] = {"samples": confidence(samples), "held-out digits": confidence(clean)}
    if model == "ten":
        apart = torch.cdist(samples.flatten(1), sample.flatten(1)).amin(1) / 28
        card["nearest_rotation_rmse"] = {
            "median": float(apart.median()),
            "largest": float(apart.max()),
        }
        rng = generator(SEED, "probes")
        card["score_error"] = []
        for place in PLACES:
            for sigma in SIGMAS:
                x = probe_points(sample, ROTATIONS, place, POINTS, sigma, rng)
                card["score_error"].append(
                    {"place": place, "sigma": sigma} | score_error(score, exact, x, sigma).as_dict()
                )
    old = folder / "card.json"
    card["by_eye"] = by_eye or (read_json(old).get("by_eye", "") if old.exists() else "")
    write_json(old, card)
    write_text(folder / "README.md", unet_text(model, card))


def classifier_card(test: Digits) -> None:
    """Measure the classifier and write its card."""
    folder = MODELS / FOLDER["classifier"]
    facts: dict[str, Any] = read_json(folder / "training.json")
    with torch.no_grad():
        model = load_digit_classifier()
        images = turned(pixels(test.images), "classifier test angles")
        guess = torch.cat([model(part).argmax(1) for part in images.split(500)])
    right = guess == test.labels
    classes = {str(label): float(right[test.labels == label].float().mean()) for label in range(10)}
    card = {key: value for key, value in facts.items() if key != "loss"}
    card |= {
        "test_digits": len(guess),
        "accuracy": float(right.float().mean()),
        "class_accuracy": classes,
    }
    figures(folder, facts["loss"], None)
    write_json(folder / "card.json", card)
    parts = [
        f"# {FOLDER['classifier']}",
        (
            "A small convolutional classifier of MNIST digits at any angle. Its 128 features stand"
            " in for Inception's where sets of digits are compared. Images 1 x 28 x 28, pixels in"
            " [-1, 1]."
        ),
        "## Training",
        (
            f"    python scripts/train_digits.py --model classifier --steps {card['steps']} --seed"
            f" {card['seed']} --batch {card['batch']} --out outputs/train/classifier --export"
        ),
        (
            f"{card['parameters']:,} parameters; {card['training_digits']:,} training digits at"
            f" uniform angles; {card['steps']:,} steps in {card['seconds']:,} s on one CPU core"
            " shared with other work."
        ),
        "![loss](loss.png)",
        "## Accuracy",
        f"{card['accuracy']:.2%} on {card['test_digits']:,} test digits, each at one random angle.",
        table(["digit", *classes], [["accuracy", *[f"{value:.1%}" for value in classes.values()]]]),
        "## Terms",
        LICENCE,
        "This card: `python scripts/model_card.py --model classifier`.",
    ]
    write_text(folder / "README.md", "\n\n".join(parts) + "\n")


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, checked: `models` lists what to measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        dest="models",
        nargs="+",
        choices=sorted(FOLDER),
        default=sorted(FOLDER),
        help="which models; else every one",
    )
    parser.add_argument("--source", choices=SOURCES, default="auto")
    parser.add_argument(
        "--root",
        type=folder_argument,
        help="folder of MNIST's idx files, for --source folder or auto",
    )
    parser.add_argument(
        "--by-eye",
        default="",
        help="what a person says of one model's samples; else the last card's words",
    )
    found = parser.parse_args(given)
    if found.by_eye and len(found.models) != 1:
        parser.error("--by-eye is about the samples of one model: give it with one --model.")
    return found


def main() -> None:
    """Write the cards named on the command line."""
    args = arguments()
    test = load_digits("test", args.source, args.root)
    for model in args.models:
        if model == "classifier":
            classifier_card(test)
        else:
            train = load_digits("train", args.source, args.root)
            unet_card(model, train, test, args.by_eye)


if __name__ == "__main__":
    main()
