"""What a run's folder remembers of its run in Weights & Biases, so that a killed one resumes in it
and repeats nothing.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scoregeo._utils.configuration import config_hash
from scoregeo._utils.errors import DataError
from scoregeo._utils.files import read_json, write_json

_NAME = "wandb.json"


@dataclass(frozen=True)
class Memory:
    """The run's `id`, and the names of the curves logged, by method; kept as `wandb.json` in
    `folder`, which `overwrite` removes.

    The id is the configuration's hash and a random ending: the same configuration in another
    folder, or anew after `overwrite`, is another run. `went_on`: whether an earlier process began
    the run.
    """

    folder: Path
    id: str
    curves: Mapping[str, Sequence[str]] = field(default_factory=dict)
    went_on: bool = field(default=False, compare=False)

    @classmethod
    def of(cls, folder: Path, config: Mapping[str, Any]) -> "Memory":
        """What `folder` remembers; a new run where it remembers nothing that can be read."""
        try:
            return cls.read(folder)
        except DataError:
            memory = cls(folder, f"{config_hash(config)}-{secrets.token_hex(3)}")
            memory._write()
            return memory

    @classmethod
    def read(cls, folder: Path) -> "Memory":
        """What `folder` remembers. Raises DataError where that is nothing that can be read."""
        kept = read_json(folder / _NAME)
        try:
            curves = {
                str(method): tuple(map(str, names)) for method, names in kept["curves"].items()
            }
            return cls(folder, str(kept["id"]), curves, went_on=True)
        except (AttributeError, KeyError, TypeError):
            raise DataError(f"{folder / _NAME} is not what a run writes there.") from None

    def with_curves(self, method: str, names: Sequence[str]) -> "Memory":
        """The same with one more method's curves logged, in the folder too."""
        memory = replace(self, curves={**self.curves, method: tuple(names)})
        memory._write()
        return memory

    def _write(self) -> None:
        write_json(self.folder / _NAME, {"id": self.id, "curves": dict(self.curves)})
