"""Logging of a command that Hydra does not start."""

import logging


def start_logging(*quiet: str) -> None:
    """To standard error, with time and level; from the loggers named `quiet` only errors."""
    form = "[%(asctime)s] %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, datefmt="%H:%M:%S")
    for name in quiet:
        logging.getLogger(name).setLevel(logging.ERROR)
