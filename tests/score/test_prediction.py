"""The three parametrisations of one and the same denoiser."""

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo._utils.seed import generator
from scoregeo.score.prediction import PREDICTIONS, check_prediction, score_of_output


@pytest.mark.parametrize("sigma", [0.03, 0.5, 14.0])
def test_outputs_of_one_denoiser_give_one_score(sigma: float) -> None:
    clean, noise = torch.randn(2, 4, 3, 5, 5, generator=generator(0, "x"), dtype=torch.float64)
    x = clean + sigma * noise
    signal, spread = 1 / (1 + sigma**2) ** 0.5, sigma / (1 + sigma**2) ** 0.5
    outputs = {"epsilon": noise, "sample": clean, "v_prediction": signal * noise - spread * clean}
    for prediction in PREDICTIONS:
        score = score_of_output(outputs[prediction], x, sigma, prediction)
        torch.testing.assert_close(score, -noise / sigma, rtol=1e-10, atol=1e-10)


def test_an_unknown_parametrisation() -> None:
    with pytest.raises(ConfigError, match=r"'flow'.*epsilon, v_prediction, sample"):
        check_prediction("flow")
