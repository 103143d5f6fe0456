"""Many commands as one multirun."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from scoregeo._utils.configuration import config_dir, digest
from scoregeo.run.multirun import Gather
from scoregeo.run.overrides import as_overrides
from scoregeo.run.points import at_home, expand, sharded

if TYPE_CHECKING:
    from omegaconf import DictConfig


def launch(
    commands: Sequence[Sequence[str]], overrides: Sequence[str], job: Callable[["DictConfig"], Any]
) -> None:
    """Run commands as one multirun, with a page for each experiment and each study among them.

    A command is a list of overrides: one with `study=NAME` stands for all of the study's jobs. They
    are handed to Hydra's launcher together, so that no core waits between studies. `overrides`: of
    the multirun as a whole (`hydra/launcher`, `output`, `results`); those that say what is computed
    belong into the commands. `job` does the work of one. Raises what composing raises; exits with
    status 1, naming them, where jobs failed.
    """
    from hydra._internal.callbacks import Callbacks
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext, RunMode

    search = create_config_search_path(str(config_dir()))
    hydra = Hydra.create_main_hydra2(task_name="scoregeo", config_search_path=search)
    try:
        overrides = as_overrides(at_home(overrides))
        where = [one for one in overrides if one.startswith("output=")]
        jobs = []
        for command in commands:
            master = hydra.compose_config(
                "config",
                as_overrides(sharded(command)),
                run_mode=RunMode.MULTIRUN,
                with_log_configuration=False,
            )
            points = expand(master)
            assert points is not None
            jobs += [[*point, *where] for point in points]
        name = digest(jobs)
        own = [
            f"hydra.sweep.dir=${{output}}/multirun_{name}",
            "hydra.callbacks.gather.pages=true",
            "hydra.mode=MULTIRUN",
        ]
        config = hydra.compose_config("config", [*overrides, *own], run_mode=RunMode.MULTIRUN)
        callbacks = Callbacks(config)
        Gather.planned = jobs
        callbacks.on_multirun_start(config=config, config_name="config")
        context = HydraContext(config_loader=hydra.config_loader, callbacks=callbacks)
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=context, task_function=job, config=config
        )
        launcher.launch(jobs, initial_job_idx=0)
        callbacks.on_multirun_end(config=config, config_name="config")
    finally:
        GlobalHydra.instance().clear()
