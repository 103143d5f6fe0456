"""A model's files from a model hub, or a prompt answer where there is none."""

from collections.abc import Sequence
from pathlib import Path

from scoregeo._utils.errors import DataError

TIMEOUT = 5.0  # seconds without an answer


def snapshot(model: str, patterns: Sequence[str]) -> Path:
    """Folder with the files of `model` ("owner/name") that fit `patterns`, downloaded on first use
    and then kept in the cache.

    Asks the hub once and for TIMEOUT seconds at most; where it does not answer, files in the cache
    are used. Raises DataError, naming what works offline, where there are none either, or where the
    hub has no such model.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    reason: Exception | None = None
    try:
        HfApi().model_info(model, timeout=TIMEOUT)
    except RepositoryNotFoundError as error:
        raise DataError(
            f"score.model = {model!r}: the hub has no such model, or it is not public. {_OFFLINE}"
        ) from error
    # No network, no name server, a proxy, offline mode, a server's error: one answer to all
    except Exception as error:
        reason = error
    try:
        return Path(
            snapshot_download(
                model,
                allow_patterns=list(patterns),
                etag_timeout=TIMEOUT,
                local_files_only=reason is not None,
            )
        )
    except Exception as error:
        if reason is None:
            raise DataError(f"score.model = {model!r} could not be downloaded: {error}") from error
        why = f"{type(reason).__name__}: {reason}".splitlines()[0]
        raise DataError(
            f"score.model = {model!r}: there is no folder of this name, the hub cannot be reached"
            f" ({why}), and the model is not in the cache. {_OFFLINE}"
        ) from reason


_OFFLINE = (
    "Without a hub take score=emoji_sd, the model that ships with the project, or a folder of your"
    " own."
)
