"""Where downloads, and models trained on demand, are kept between runs."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """$SCOREGEO_CACHE, else ~/.cache/scoregeo."""
    return Path(os.environ.get("SCOREGEO_CACHE", Path.home() / ".cache" / "scoregeo"))
