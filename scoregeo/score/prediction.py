"""What a diffusion network's output says of the score."""

import torch

from scoregeo._utils.errors import ConfigError

PREDICTIONS = ("epsilon", "v_prediction", "sample")


def check_prediction(prediction: str) -> None:
    """Raise ConfigError unless `prediction` is one of the parametrisations that are understood."""
    if prediction not in PREDICTIONS:
        raise ConfigError(
            f"prediction_type = {prediction!r} is not one of {', '.join(PREDICTIONS)}."
        )


def score_of_output(
    output: torch.Tensor, x: torch.Tensor, sigma: float, prediction: str
) -> torch.Tensor:
    """The score at `x` from the network's `output` there, both [batch, *shape], in
    variance-exploding coordinates.

    With `x_vp = x / sqrt(1 + sigma^2)`: epsilon `s = -eps / sigma`; sample
    `s = (x0 - x) / sigma^2`; v (Salimans & Ho 2022, appendix D)
    `x0 = (x_vp - sigma v) / sqrt(1 + sigma^2)`. Affine in the output with factors that hang on
    sigma alone, so guidance on the output is guidance on eps and on the score.
    """
    if prediction == "epsilon":
        return -output / sigma
    root = (1 + sigma**2) ** 0.5
    clean = output if prediction == "sample" else (x / root - sigma * output) / root
    return (clean - x) / sigma**2
