"""A small training loop: AdamW, warm-up, constant rate, linear cooldown, EMA, checkpoints that
survive a kill.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import torch
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from scoregeo._utils.errors import ConfigError, DataError, check_number
from scoregeo._utils.files import Absent, load_weights, read_text, save_tensors, write_text
from scoregeo._utils.seed import generator

Model = TypeVar("Model", bound=torch.nn.Module)
LossFunction = Callable[[Model, int, torch.Generator], torch.Tensor]

CHECKPOINT = "checkpoint.safetensors"
LOG = "loss.jsonl"


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one training run.

    Args:
        steps: optimizer steps in all; a resumed run may name another number, which moves the
            cooldown.
        lr: learning rate between warm-up and cooldown.
        warmup: steps of linear warm-up.
        cooldown: fraction of the steps, at the end, in which the rate falls linearly to zero.
        ema: largest decay of the moving average of the weights.
        weight_decay: AdamW's.
        clip: largest norm of the gradient.
        seed: of the weights and of every step's draws.
        checkpoint_every: steps between checkpoints.
        log_every: steps averaged into one line of the loss log.
    """

    steps: int
    lr: float = 1e-3
    warmup: int = 100
    cooldown: float = 0.2
    ema: float = 0.999
    weight_decay: float = 0.0
    clip: float = 1.0
    seed: int = 0
    checkpoint_every: int = 200
    log_every: int = 20

    def __post_init__(self) -> None:
        check_number("training.steps", self.steps, at_least=1, integer=True)
        check_number("training.lr", self.lr, above=0)
        check_number("training.warmup", self.warmup, at_least=0, integer=True)
        check_number("training.cooldown", self.cooldown, at_least=0, at_most=1)
        check_number("training.ema", self.ema, at_least=0, below=1)
        check_number("training.weight_decay", self.weight_decay, at_least=0)
        check_number("training.clip", self.clip, above=0)
        check_number("training.seed", self.seed, integer=True)
        check_number("training.checkpoint_every", self.checkpoint_every, at_least=1, integer=True)
        check_number("training.log_every", self.log_every, at_least=1, integer=True)
        if (
            self.checkpoint_every % self.log_every
        ):  # else a resumed run would write other lines than an uninterrupted one
            raise ConfigError(
                f"training.checkpoint_every = {self.checkpoint_every} is not allowed: "
                f"it must be a multiple of training.log_every = {self.log_every}."
            )

    def rate(self, step: int) -> float:
        """Learning rate of step 0, 1, ...: `lr * min(1, (step + 1) / warmup, (steps - step) /
        (cooldown * steps))`.
        """
        rising = (step + 1) / self.warmup if self.warmup else 1.0
        falling = (self.steps - step) / (self.cooldown * self.steps) if self.cooldown else 1.0
        return self.lr * min(1.0, rising, falling)

    def decay(self, step: int) -> float:
        """Decay of the moving average: `min(ema, (1 + step) / (10 + step))`, so that early weights
        are soon forgotten.
        """
        return min(self.ema, (1 + step) / (10 + step))


def moving_average(model: torch.nn.Module, settings: TrainingSettings) -> AveragedModel:
    """The average of `model`'s weights, theirs at first; `update_parameters` after step 0, 1, ...
    makes it `decay(step) * average + (1 - decay(step)) * model`. Buffers are copied.
    """

    def blend(mean: torch.Tensor, value: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        return mean.lerp(value, 1 - settings.decay(int(count) - 1))

    average = AveragedModel(model, avg_fn=blend).requires_grad_(False)
    average.n_averaged.fill_(1)  # the model as it is; else the first update would copy it
    return average


def train(
    model: Model,
    loss_fn: LossFunction[Model],
    settings: TrainingSettings,
    folder: Path,
    progress: bool = True,
    remedy: str | None = None,
) -> Model:
    """Train `model` in place and return the moving average of its weights, in eval mode.

    `loss_fn(model, step, generator)` gives a scalar loss. The generator is seeded by (seed, step):
    a loss that draws from it alone makes a run that was killed and resumed equal to an
    uninterrupted one, bit for bit.

    `folder` gets `checkpoint.safetensors` and `loss.jsonl` (one object per `log_every` steps: step,
    loss, lr, seconds); where it holds a checkpoint of this model and seed, training continues from
    there. Raises DataError where the checkpoint does not fit, or where the loss stops being finite;
    `remedy`: what to change then, by the keys of whoever trains.
    """
    moving = moving_average(model, settings)
    average = cast(Model, moving.module)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay
    )
    first, seconds = load_checkpoint(folder, model, average, optimizer, settings.seed)
    moving.n_averaged += first
    lines = _read_log(folder, first)
    start, losses = time.monotonic() - seconds, 0.0
    model.train()
    with tqdm(
        total=settings.steps,
        initial=first,
        disable=None if progress else True,
        mininterval=10,
        desc=folder.name,
    ) as bar:
        for step in range(first, settings.steps):
            for group in optimizer.param_groups:
                group["lr"] = settings.rate(step)
            loss = loss_fn(model, step, generator(settings.seed, f"training step {step}"))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
            if not loss.isfinite():
                advice = remedy or f"lower the learning rate, {settings.lr}"
                raise DataError(
                    f"the loss at step {step} is {loss.item()}: {advice}, or look at the data."
                )
            optimizer.step()
            moving.update_parameters(model)
            losses += loss.item()
            done = step + 1
            bar.update()
            if done % settings.log_every == 0:
                mean, losses = losses / settings.log_every, 0.0
                bar.set_postfix(loss=f"{mean:.4f}", refresh=False)
                line = {
                    "step": done,
                    "loss": mean,
                    "lr": settings.rate(step),
                    "seconds": time.monotonic() - start,
                }
                lines.append(json.dumps(line))
            if done % settings.checkpoint_every == 0 or done == settings.steps:
                save_checkpoint(
                    folder, model, average, optimizer, done, settings.seed, time.monotonic() - start
                )
                write_text(folder / LOG, "\n".join(lines) + "\n")
    return average.eval()


def save_checkpoint(
    folder: Path,
    model: torch.nn.Module,
    average: torch.nn.Module,
    optimizer: torch.optim.AdamW,
    step: int,
    seed: int,
    seconds: float,
) -> None:
    """Write weights, their average and the optimizer's state as one file, so that no kill can
    separate them.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    for name, parameter in model.named_parameters():
        tensors |= {
            f"optimizer.{name}.{key}": value for key, value in optimizer.state[parameter].items()
        }
    metadata = {"step": str(step), "seed": str(seed), "seconds": f"{seconds:.3f}"}
    # safetensors refuses tensors that share memory; clones never do.
    save_tensors(
        folder / CHECKPOINT, {name: value.clone() for name, value in tensors.items()}, metadata
    )


def load_checkpoint(
    folder: Path,
    model: torch.nn.Module,
    average: torch.nn.Module,
    optimizer: torch.optim.AdamW,
    seed: int,
) -> tuple[int, float]:
    """Fill model, average and optimizer from a checkpoint in `folder`; returns (steps done, seconds
    spent), or (0, 0.0).
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return 0, 0.0
    tensors, metadata = load_weights(path)
    if metadata.get("seed") != str(seed):
        raise DataError(
            f"{path} was made with seed {metadata.get('seed')}, this run has {seed}: use another"
            " folder."
        )
    try:
        for prefix, module in (("model.", model), ("average.", average)):
            module.load_state_dict(
                {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
            )
        for name, parameter in model.named_parameters() if optimizer else ():
            prefix = f"optimizer.{name}."
            state = {
                # Moments lie where the weights do; the count of steps stays on the CPU.
                n.removeprefix(prefix): v.to(parameter.device) if v.ndim else v
                for n, v in tensors.items()
                if n.startswith(prefix) and "." not in n[len(prefix) :]
            }
            optimizer.state[parameter] = state  # type: ignore[union-attr]
        return int(metadata["step"]), float(metadata["seconds"])
    except (RuntimeError, KeyError, ValueError) as error:
        raise DataError(f"{path} is not a checkpoint of this model: {error}") from error


def _read_log(folder: Path, step: int) -> list[str]:
    """Lines of the loss log up to `step`; later ones belong to a part of the run that was lost."""
    path = folder / LOG
    try:
        lines = read_text(path).splitlines()
        return [line for line in lines if json.loads(line)["step"] <= step]
    except Absent:
        return []
    except (DataError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is no log of losses; without it training resumes: {error}"
        ) from error
