"""The model of the app: loaded when it is first asked for, and kept until another is."""

from scoregeo._utils.errors import ConfigError
from scoregeo.pipeline.geodesic import GeodesicPipeline
from scoregeo.score.find_folder import SHIPPED


class Models:
    """Keeps one pipeline.

    Args:
        default: the model where none is named: a shipped one, a folder, a file or a hub id.
        device: where its networks compute.
        others: whether the page may name another model: it can name any file of this machine.
    """

    def __init__(self, default: str = SHIPPED, device: str = "cpu", others: bool = True) -> None:
        self.default, self.device, self.others = default, device, others
        self._kept: tuple[str, GeodesicPipeline] | None = None

    def name(self, wanted: str) -> str:
        """The model's name, the default where none is `wanted`. Raises ConfigError for another one
        where others are not allowed.
        """
        name = wanted.strip() or self.default
        if name != self.default and not self.others:
            raise ConfigError(
                f"model = {name!r} is not allowed: the app is open to other machines, which may"
                f" use {self.default!r} alone."
            )
        return name

    def loaded(self, wanted: str) -> bool:
        """Whether `get` would take no time."""
        return self._kept is not None and self._kept[0] == self.name(wanted)

    def get(self, wanted: str = "") -> GeodesicPipeline:
        """The pipeline of this name. Raises as `name` and `GeodesicPipeline.from_pretrained`."""
        name = self.name(wanted)
        if self._kept is None or self._kept[0] != name:
            self._kept = None  # there may not be room for two
            self._kept = (name, GeodesicPipeline.from_pretrained(name, device=self.device))
        return self._kept[1]
