"""The jobs that a multirun's command stands for."""

from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from scoregeo._utils.configuration import config_dir
from scoregeo.run.command import register
from scoregeo.run.points import expand


def points(*overrides: str) -> list[list[str]]:
    """Each job's overrides, as Hydra's basic sweeper makes them."""
    register()
    hydra = Hydra.create_main_hydra2("scoregeo", create_config_search_path(str(config_dir())))
    try:
        config = hydra.compose_config(
            "config", list(overrides), RunMode.MULTIRUN, with_log_configuration=False
        )
        found = expand(config)
        assert found is not None
        return found
    finally:
        GlobalHydra.instance().clear()
