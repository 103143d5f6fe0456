"""The finished pairs of a method that is not: their outcomes in files."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.cache import content_hash
from scoregeo._utils.errors import DataError
from scoregeo._utils.files import load_tensors, save_tensors
from scoregeo.run.problem.outcome import Outcome
from scoregeo.solver.base import Step

log = logging.getLogger(__name__)

_SAID, _DIGEST = "said", "digest"
_COUNTS = ("iterations", "score_evaluations", "start_evaluations")


def save_outcome(path: Path, outcome: Outcome, more: Mapping[str, Any]) -> None:
    """Write an outcome, and JSON values beside it, as one file. `shared` is not kept."""
    said = {
        "noisy": outcome.noisy,
        "status": outcome.status,
        "seconds": outcome.seconds,
        "start": outcome.start,
        "reason": outcome.reason,
        "steps": [step.iteration for step in outcome.history],
        "more": dict(more),
    }
    tensors = {
        "path": outcome.path,
        _SAID: torch.frombuffer(bytearray(json.dumps(said).encode()), dtype=torch.uint8),
        **{name: getattr(outcome, name) for name in _COUNTS},
        **{f"more.{name}": value for name, value in outcome.more.items()},
    }
    if outcome.stationarity is not None:
        tensors["stationarity"] = outcome.stationarity
    if outcome.history:
        tensors["energies"] = torch.stack([step.energy for step in outcome.history])
        tensors["spent"] = torch.stack([step.score_evaluations for step in outcome.history])
    save_checked(path, {name: value.clone() for name, value in tensors.items()})  # none shared


def load_outcome(path: Path) -> tuple[Outcome, dict[str, Any]]:
    """What `save_outcome` wrote, on the CPU, and the values beside it. Raises DataError where the
    file is missing, damaged or of another version.
    """
    tensors = load_checked(path)
    try:
        said = json.loads(bytes(tensors[_SAID].tolist()))
        series = (said["steps"], tensors.get("energies", ()), tensors.get("spent", ()))
        steps = zip(*series, strict=True)
        outcome = Outcome(
            path=tensors["path"],
            noisy=said["noisy"],
            status=tuple(said["status"]),
            iterations=tensors["iterations"],
            score_evaluations=tensors["score_evaluations"],
            start_evaluations=tensors["start_evaluations"],
            seconds=said["seconds"],
            stationarity=tensors.get("stationarity"),
            history=tuple(Step(*step) for step in steps),
            more={k[5:]: v for k, v in sorted(tensors.items()) if k.startswith("more.")},
            start=tuple(said["start"]),
            reason=tuple(said["reason"]),
        )
        return outcome, said["more"]
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path} is of another version or damaged: {error!r}.") from error


def load_aligned(path: Path) -> dict[str, torch.Tensor]:
    """`load_tensors`, copied: a tensor that lies in a file's memory starts at any address, and
    linear algebra may add up in another order there.
    """
    return {name: value.clone() for name, value in load_tensors(path).items()}


def save_checked(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """`save_tensors`, with a digest of the content, which `load_checked` compares."""
    digest = torch.frombuffer(bytearray(_digest(tensors).encode()), dtype=torch.uint8)
    save_tensors(path, {**tensors, _DIGEST: digest})


def load_checked(path: Path) -> dict[str, torch.Tensor]:
    """What `save_checked` wrote, as `load_aligned` gives it. Raises DataError also where the file
    holds something else by now, as after a fault of the disk.
    """
    tensors = load_aligned(path)
    digest = tensors.pop(_DIGEST, torch.empty(0, dtype=torch.uint8))
    if bytes(digest.tolist()).decode(errors="replace") != _digest(tensors):
        raise DataError(f"{path} is damaged: its content is not what was written.")
    return tensors


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    return content_hash(*(part for item in sorted(tensors.items()) for part in item))


class KeptPairs:
    """The finished pairs of a run's unfinished methods, and the pictures of decoded paths, in a
    folder of their own: a run that is killed in the middle of a method resumes with the next pair.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def outcome(self, method: str, pair: str, device: torch.device) -> Outcome | None:
        """A finished pair's, its path on `device`, or None."""
        try:
            found, _ = load_outcome(self._place(method, pair))
        except DataError:
            return None
        log.info("%s, %s: taken from the interrupted run", method, pair)
        return found.at(device)

    def keep(self, method: str, pair: str, outcome: Outcome) -> None:
        save_outcome(self._place(method, pair), outcome, {})

    def pictures(self, *key: Any) -> torch.Tensor | None:
        """The pictures that `keep_pictures` was given with an equal key, or None."""
        try:
            return load_checked(self._pictures(key))["pictures"]
        except (DataError, KeyError):
            return None

    def keep_pictures(self, pictures: torch.Tensor, *key: Any) -> None:
        save_checked(self._pictures(key), {"pictures": pictures})

    def clear(self) -> None:
        """Remove the folder: its method is finished."""
        for path in sorted(self.folder.glob("**/*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        if self.folder.is_dir():
            self.folder.rmdir()

    def _place(self, method: str, pair: str) -> Path:
        return self.folder / method / f"{pair}.safetensors"

    def _pictures(self, key: Any) -> Path:
        return self.folder / "pictures" / f"{content_hash(*key)}.safetensors"
