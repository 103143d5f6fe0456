"""diffusers' DDIM scheduler for a model that names any scheduler of the same family."""

from collections.abc import Mapping
from typing import Any

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.score.config_numbers import check_schedule
from scoregeo.score.prediction import PREDICTIONS, check_prediction


def ddim_scheduler(
    config: Mapping[str, Any], where: str, prediction: str | None = None, **changes: Any
) -> Any:
    """A `DDIMScheduler` with the noise schedule and prediction type of a scheduler's `config`.

    `prediction` replaces the prediction type that the file gives, where that is wrong; `changes`:
    other settings replaced. `where`: how errors name the scheduler. Raises DataError for a
    scheduler of another family, an unknown prediction type, thresholding, zero terminal
    signal-to-noise ratio with epsilon prediction, and numbers that are no noise schedule;
    ConfigError for `prediction`.
    """
    from diffusers import DDIMScheduler

    if "beta_schedule" not in config:
        raise DataError(
            f"{where} is a {config.get('_class_name')} without betas: not one of a"
            " variance-preserving model."
        )
    check_schedule(where, config)
    if prediction is not None:
        try:
            check_prediction(prediction)
        except ConfigError as error:
            raise ConfigError(f"score.prediction: {error}") from error
        changes = changes | {"prediction_type": prediction}
    try:
        scheduler = DDIMScheduler.from_config(dict(config), **changes)
    except (NotImplementedError, ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{where} cannot be used: {error}") from error
    found = scheduler.config["prediction_type"]
    if found not in PREDICTIONS:
        raise DataError(
            f"{where}: prediction_type = {found!r} is not one of {', '.join(PREDICTIONS)}."
        )
    if scheduler.config["thresholding"]:
        raise DataError(
            f"{where}: thresholding = True clips what the network says; the score has none."
        )
    if found == "epsilon" and not float(scheduler.alphas_cumprod[-1]) > 0:
        raise DataError(
            f"{where}: at zero terminal signal-to-noise ratio the noise says nothing of the picture"
            " (epsilon)."
        )
    return scheduler
