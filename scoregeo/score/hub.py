"""A model's files from a model hub, or a prompt answer where there is none."""

import logging
from collections.abc import Callable, Sequence
from glob import escape
from pathlib import Path

from scoregeo._utils.errors import DataError

log = logging.getLogger(__name__)

TIMEOUT = 5.0  # seconds without an answer


def snapshot(
    model: str, wanted: Callable[[Sequence[str]], Sequence[str]], key: str = "score.model"
) -> Path:
    """Folder with those files of `model` ("owner/name") that `wanted` picks from a list of all,
    downloaded on first use and then kept in the cache. `key`: how errors call the model.

    Asks the hub once and for TIMEOUT seconds at most. Where it does not answer, or no longer has
    the model, files in the cache are used. Raises DataError, naming what works offline, where there
    are none either.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        found = HfApi().model_info(model, timeout=TIMEOUT).siblings or ()
    except Exception as error:
        # No network, no name server, a proxy, offline mode, a server's error, a repository that is
        # gone: one answer to all
        cached = _cached(model)
        if cached is not None:
            log.warning("%s: the hub does not answer for it; the copy in the cache is used.", model)
            return cached
        if isinstance(error, RepositoryNotFoundError):
            raise DataError(
                f"{key} = {model!r}: the hub has no such model, or it is not public, and it"
                f" is not in the cache. {_OFFLINE}"
            ) from error
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise DataError(
            f"{key} = {model!r}: there is no folder of this name, the hub cannot be reached"
            f" ({why}), and the model is not in the cache. {_OFFLINE}"
        ) from error
    files = wanted([file.rfilename for file in found])
    try:
        patterns = [escape(file) for file in files]
        return Path(snapshot_download(model, allow_patterns=patterns, etag_timeout=TIMEOUT))
    except Exception as error:
        raise DataError(f"{key} = {model!r} could not be downloaded: {error}") from error


def _cached(model: str) -> Path | None:
    """Folder of what the cache has of a model; whether that is all of it, its reader finds out."""
    from huggingface_hub import try_to_load_from_cache

    index = try_to_load_from_cache(model, "model_index.json")
    return Path(index).parent if isinstance(index, str) else None


_OFFLINE = (
    "Without a hub take score=emoji_sd (--model emoji_sd), the model that ships with the project,"
    " or a folder of your own."
)
