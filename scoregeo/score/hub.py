"""A model's files from a model hub, or a prompt answer where there is none."""

import logging
from collections.abc import Callable, Sequence
from glob import escape
from pathlib import Path

from scoregeo._utils.errors import DataError

log = logging.getLogger(__name__)

TIMEOUT = 5.0  # seconds without an answer


def snapshot(model: str, wanted: Callable[[Sequence[str]], Sequence[str]]) -> Path:
    """Folder with those files of `model` ("owner/name") that `wanted` picks from a list of all,
    downloaded on first use and then kept in the cache.

    Asks the hub once and for TIMEOUT seconds at most. Where it does not answer, or no longer has
    the model, files in the cache are used. Raises DataError, naming what works offline, where there
    are none either.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    files: list[str] = []
    reason: Exception | None = None
    try:
        files = [
            file.rfilename for file in HfApi().model_info(model, timeout=TIMEOUT).siblings or ()
        ]
    # No network, no name server, a proxy, offline mode, a server's error: one answer to all
    except Exception as error:
        reason = error
    try:
        folder = snapshot_download(
            model,
            allow_patterns=None if reason is not None else [escape(file) for file in wanted(files)],
            etag_timeout=TIMEOUT,
            local_files_only=reason is not None,
        )
    except Exception as error:
        if reason is None:
            raise DataError(f"score.model = {model!r} could not be downloaded: {error}") from error
        if isinstance(reason, RepositoryNotFoundError):
            raise DataError(
                f"score.model = {model!r}: the hub has no such model, or it is not public, and it"
                f" is not in the cache. {_OFFLINE}"
            ) from reason
        why = f"{type(reason).__name__}: {reason}".splitlines()[0]
        raise DataError(
            f"score.model = {model!r}: there is no folder of this name, the hub cannot be reached"
            f" ({why}), and the model is not in the cache. {_OFFLINE}"
        ) from reason
    if reason is not None:
        log.warning("%s: the hub does not answer for it; the copy in the cache is used.", model)
    return Path(folder)


_OFFLINE = (
    "Without a hub take score=emoji_sd, the model that ships with the project, or a folder of your"
    " own."
)
