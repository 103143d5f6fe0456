"""How many steps a sampler may take."""

from scoregeo._utils.errors import check_number

MOST_STEPS = 10_000  # each has its noise level in memory, and no network is better for more


def check_steps(key: str, steps: object, at_least: int = 1) -> None:
    """Raise ConfigError unless `steps` is a number of steps that a sampler can take."""
    check_number(key, steps, at_least=at_least, at_most=MOST_STEPS, integer=True)
