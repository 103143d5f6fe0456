"""What the settings of rotated digits may be."""

from collections.abc import Sequence

from scoregeo._utils.errors import bad_value, check_choice, check_distinct, check_number
from scoregeo._utils.memory import check_count
from scoregeo.dataset.digits import EMBEDDED_COUNT, check_source

IDENTITIES = (1, 10, 100, "all")
SPLITS = ("train", "test")
REFERENCE_DIGITS = ("same", "other")


def check_settings(
    identities: int | str,
    angles: Sequence[float],
    pairs_per_angle: int,
    sample_angles: int,
    split: str,
    reference_step: float | None,
    reference_digits: str,
    source: str,
    root: str | None,
) -> None:
    """Raise ConfigError, naming the key, for settings that `RotatedMNIST` does not take."""
    check_choice("dataset.identities", identities, IDENTITIES)
    if isinstance(identities, (bool, float)):  # equal to 1 or 10, yet not what is allowed
        raise bad_value("dataset.identities", identities, "one of 1, 10, 100, 'all'")
    if isinstance(angles, str) or not isinstance(angles, Sequence) or len(angles) == 0:
        raise bad_value("dataset.angles", angles, "a list of one or more numbers of degrees")
    for i, angle in enumerate(angles):
        check_number(f"dataset.angles[{i}]", angle, above=0, at_most=180)
    check_distinct("dataset.angles", angles)
    check_count(
        "dataset.pairs_per_angle", pairs_per_angle, 2 * 28**2 * len(angles), "so many pairs"
    )
    if identities == "all":
        check_number(
            "dataset.pairs_per_angle",
            pairs_per_angle,
            at_most=EMBEDDED_COUNT["test"] // len(angles),
            integer=True,
        )
    check_number("dataset.sample_angles", sample_angles, at_least=2, integer=True)
    if isinstance(identities, int) and pairs_per_angle > (most := identities * sample_angles):
        allowed = f"at most {most}, dataset.identities times dataset.sample_angles"
        raise bad_value("dataset.pairs_per_angle", pairs_per_angle, allowed)
    check_choice("dataset.split", split, SPLITS)
    check_choice("dataset.reference_digits", reference_digits, REFERENCE_DIGITS)
    _check_references(identities, sample_angles, split, reference_step, reference_digits)
    check_source(source, root)


def _check_references(
    identities: int | str, sample_angles: int, split: str, step: float | None, digits: str
) -> None:
    """Raise ConfigError for references that these data do not have."""
    for key, value, default in (
        ("split", split, "train"),
        ("reference_step", step, None),
        ("reference_digits", digits, "same"),
    ):
        if identities == "all" and value != default:
            raise bad_value(f"dataset.{key}", value, f"{default} for dataset.identities='all'")
    if step is None:
        if digits != "same":
            allowed = "'same' where dataset.reference_step is null"
            raise bad_value("dataset.reference_digits", digits, allowed)
        return
    check_number("dataset.reference_step", step, above=0, at_most=180)
    steps, turns = step * sample_angles / 360, 360 / step
    if steps != round(steps) or turns != round(turns):
        allowed = f"a multiple of {360 / sample_angles:g} degrees that divides a full turn"
        raise bad_value("dataset.reference_step", step, allowed)
