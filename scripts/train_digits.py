"""Train a shipped digit model and write it to scoregeo/assets/models: the two U-Nets, or the
classifier.

    python scripts/train_digits.py --model all --steps 5000 --out outputs/train/all --export

Killed and started again with the same folder, it continues where it was; another --steps moves the
cooldown.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DModel

from scoregeo._utils.arguments import folder_argument, positive_argument, whole_argument
from scoregeo._utils.errors import DataError
from scoregeo._utils.files import load_tensors, save_tensors, write_json
from scoregeo._utils.seed import generator
from scoregeo.dataset.digits import SOURCES, load_digits
from scoregeo.dataset.identities import identities, pixels, rotation_sample
from scoregeo.dataset.rotation import rotate
from scoregeo.evaluation.digit_classifier import DigitClassifier
from scoregeo.score.model_folder import MODELS
from scoregeo.score.training.denoising import FiniteSampleLoss, RotatedDigitsLoss
from scoregeo.score.training.loop import LOG, LossFunction, TrainingSettings, train

ROTATIONS = 720
IDENTITIES = 10
FOLDER = {"ten": "digits_unet_ten", "all": "digits_unet_all", "classifier": "digit_classifier"}


def digit_unet() -> UNet2DModel:
    """A U-Net of 1.7 M parameters for 28 x 28 digits, attention at 7 x 7 only."""
    return UNet2DModel(
        sample_size=28,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(32, 64, 96),
        down_block_types=("DownBlock2D",) * 3,
        up_block_types=("UpBlock2D",) * 3,
        norm_num_groups=8,
    )


def classifier_loss(
    images: torch.Tensor, labels: torch.Tensor, batch: int
) -> LossFunction[DigitClassifier]:
    """Cross-entropy on training digits at uniform angles. `images` [count, 1, 28,
    28] in [-1, 1].
    """

    def loss(model: DigitClassifier, step: int, rng: torch.Generator) -> torch.Tensor:
        index = torch.randint(len(images), (batch,), generator=rng)
        return F.cross_entropy(
            model(rotate(images[index], 360 * torch.rand(batch, generator=rng))), labels[index]
        )

    return loss


def geodesic_points(files: Sequence[Path]) -> torch.Tensor:
    """Points [count, 1, 28, 28] of files of digit_geodesics.py. Raises DataError that names a file
    that is none.
    """
    found = []
    for path in files:
        points = load_tensors(path).get("points")
        if points is None or points.shape[1:] != (1, 28, 28):
            raise DataError(
                f"--geodesics {path} is not a file of digit_geodesics.py: it must hold points"
                " [count, 1, 28, 28]."
            )
        found.append(points.float())
    return torch.cat(found)


def compiled(loss: LossFunction[Any], model: torch.nn.Module) -> LossFunction[Any]:
    """The same loss through a compiled copy of `model` that shares its weights."""
    fast = torch.compile(model, dynamic=False)
    return lambda _, step, rng: loss(fast, step, rng)


def export(model: torch.nn.Module, folder: Path, facts: dict[str, object]) -> None:
    """Write the averaged weights in float16, a U-Net in diffusers' layout, with `training.json`
    beside.
    """
    weights = {name: value.half() for name, value in model.state_dict().items()}
    if isinstance(model, UNet2DModel):
        save_tensors(
            folder / "unet" / "diffusion_pytorch_model.safetensors", weights, {"format": "pt"}
        )
        write_json(folder / "unet" / "config.json", json.loads(model.to_json_string()))
        scheduler = DDIMScheduler(
            num_train_timesteps=1000,
            beta_start=1e-4,
            beta_end=0.02,
            beta_schedule="linear",
            prediction_type="v_prediction",
            clip_sample=False,
            set_alpha_to_one=False,
        )
        write_json(
            folder / "scheduler" / "scheduler_config.json", json.loads(scheduler.to_json_string())
        )
    else:
        save_tensors(folder / "model.safetensors", weights, {"format": "pt"})
    write_json(folder / "training.json", facts)


def main() -> None:
    """Parse the command line, train, and export where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=sorted(FOLDER), required=True)
    parser.add_argument("--steps", type=whole_argument(), required=True)
    parser.add_argument("--seed", type=whole_argument(0), default=0)
    parser.add_argument("--batch", type=whole_argument(), default=64)
    parser.add_argument("--lr", type=positive_argument, default=1e-3)
    parser.add_argument("--source", choices=SOURCES, default="auto")
    parser.add_argument(
        "--root",
        type=folder_argument,
        help="folder of MNIST's idx files, for --source folder or auto",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="work folder: checkpoint.safetensors and loss.jsonl"
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="torch.compile the network: twice as fast, needs a C++ compiler",
    )
    parser.add_argument(
        "--export", action="store_true", help=f"write the averaged weights to {MODELS.name}/"
    )
    parser.add_argument(
        "--geodesics",
        type=Path,
        nargs="+",
        default=[],
        help="files of digit_geodesics.py, for --model ten",
    )
    parser.add_argument("--note", default="", help="what the model card should add about this run")
    args = parser.parse_args()
    if args.geodesics and args.model != "ten":
        parser.error(f"argument --geodesics: not allowed with --model {args.model}, only with ten")

    digits = load_digits("train", args.source, args.root)
    torch.manual_seed(int(torch.randint(2**62, (1,), generator=generator(args.seed, "weights"))))
    model: Any
    loss: LossFunction[Any]
    if args.model == "classifier":
        model, loss = (
            DigitClassifier(),
            classifier_loss(pixels(digits.images), digits.labels, args.batch),
        )
    elif args.model == "all":
        model, loss = digit_unet(), RotatedDigitsLoss(pixels(digits.images), args.batch)
    else:
        sample = rotation_sample(pixels(digits.images[identities(digits, IDENTITIES)]), ROTATIONS)
        passed = geodesic_points(args.geodesics) if args.geodesics else None
        model, loss = digit_unet(), FiniteSampleLoss(sample, ROTATIONS, args.batch, passed)
    settings = TrainingSettings(steps=args.steps, lr=args.lr, seed=args.seed)
    average = train(model, compiled(loss, model) if args.compile else loss, settings, args.out)
    if args.export:
        log = [
            json.loads(line) for line in (args.out / LOG).read_text(encoding="utf-8").splitlines()
        ]
        facts = {
            "model": args.model,
            "steps": log[-1]["step"],  # more than --steps where an earlier command went further
            "seed": args.seed,
            "batch": args.batch,
            "lr": args.lr,
            "ema": settings.ema,
            "parameters": sum(p.numel() for p in average.parameters()),
            "training_digits": IDENTITIES if args.model == "ten" else len(digits.images),
            "geodesics": [path.name for path in args.geodesics],
            "note": args.note,
            "seconds": round(log[-1]["seconds"]),
            "loss": [[line["step"], round(line["loss"], 5)] for line in log],
        }
        export(average, MODELS / FOLDER[args.model], facts)


if __name__ == "__main__":
    main()
