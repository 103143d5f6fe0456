"""What a run is made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default

from scoregeo.baseline.base import AbstractBaseline
from scoregeo.dataset.base import AbstractDataset
from scoregeo.extrapolation.base import AbstractExtrapolation
from scoregeo.initializer.several import Initializer
from scoregeo.inversion.base import AbstractInversion
from scoregeo.metric.base import AbstractMetric
from scoregeo.run.settings import RunSettings
from scoregeo.run.sweep_work import SweepWork
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.score.text_to_image import TextModel
from scoregeo.solver.base import AbstractSolver
from scoregeo.tracker.base import AbstractTracker


@dataclass(frozen=True)
class Experiment:
    """Built objects. `solvers` and `baselines` by method name; the first solver gives the number of
    points of the others' paths.

    `field.score` counts its evaluations; the metric is made of the same field. Where there are
    `extrapolations`, by method name, they are the run's methods: they continue the first solver's
    geodesics, and baselines have no row.

    Where there is a `text_model`, the pairs are pictures and each is interpolated in its latent
    space, in a field of its own, that of its prompts; `metric_of` makes the same metric of it, and
    `field`, `metric` are those of the empty prompt. `work`: what the run has in common with the
    other jobs of its sweep.
    """

    settings: RunSettings
    dataset: AbstractDataset
    field: ScoreField
    inversion: AbstractInversion
    initializer: Initializer
    initializer_name: str
    metric: AbstractMetric
    solvers: Mapping[str, AbstractSolver]
    baselines: Mapping[str, AbstractBaseline] = default(default_factory=dict)
    extrapolations: Mapping[str, AbstractExtrapolation] = default(default_factory=dict)
    trackers: Sequence[AbstractTracker] = ()
    metric_of: Callable[[ScoreField], AbstractMetric] | None = None
    text_model: TextModel | None = None
    work: SweepWork = default(default_factory=SweepWork)

    @property
    def num_points(self) -> int:
        return next(iter(self.solvers.values())).num_points

    def evaluations(self) -> int:
        """Score evaluations so far."""
        assert isinstance(self.field.score, CountingScore)
        return self.field.score.count
