"""A bad value is refused in the same words on the command line and in Python."""

from collections.abc import Callable
from typing import Any

import pytest

import scoregeo
from scoregeo._utils.errors import ConfigError
from scoregeo.baseline.data_geodesic import DataGeodesic
from scoregeo.baseline.geodesic import MetricGeodesic
from scoregeo.evaluation.settings import EvaluationSettings
from scoregeo.initializer.modes import ModesInitializer
from scoregeo.initializer.perturbed import PerturbedInitializer
from scoregeo.metric.rbf import RbfMetric
from scoregeo.run.settings import RunSettings
from tests.commands import command


def run_settings(**given: Any) -> RunSettings:
    plain: dict[str, Any] = {"name": "x", "seed": 0, "device": "cpu", "threads": 0}
    return RunSettings(**plain | {"evaluation": EvaluationSettings()} | given)


CASES: tuple[tuple[str, str, Callable[[], object]], ...] = (
    ("seed=abc", "", lambda: run_settings(seed="abc")),
    ("seed=-1", "", lambda: run_settings(seed=-1)),
    ("seed=''", "", lambda: run_settings(seed="")),
    ("seed=null", "", lambda: run_settings(seed=None)),
    (f"seed={10**30}", "", lambda: run_settings(seed=10**30)),
    ("threads=[1,2]", "", lambda: run_settings(threads=[1, 2])),
    ("memory_gib=abc", "", lambda: scoregeo.memory_limit("abc").__enter__()),  # type: ignore[arg-type]
    ("shards=1.5", "", lambda: run_settings(shards=1.5)),
    ("reach=5", "", lambda: run_settings(reach=5)),
    (
        "evaluation.kid_subsets=abc",
        "",
        lambda: EvaluationSettings(kid_subsets="abc").check(),  # type: ignore[arg-type]
    ),
    ("solver.num_points=abc", "", lambda: scoregeo.GaussNewton("abc")),  # type: ignore[arg-type]
    (f"solver.num_points={10**30}", "", lambda: scoregeo.GaussNewton(10**30)),
    ("metric.lam=-1", "", lambda: scoregeo.SteinMetric(None, -1)),  # type: ignore[arg-type]
    (
        "metric=conformal metric.nodes=1000000 solver=lbfgs rivals=null",
        "",
        lambda: scoregeo.ConformalMetric(None, nodes=1_000_000),  # type: ignore[arg-type]
    ),
    (
        "initializer=perturbed initializer.amplitude=1e300",
        "",
        lambda: PerturbedInitializer(amplitude=1e300),
    ),
    (f"initializer=modes initializer.lines={10**9}", "", lambda: ModesInitializer(lines=10**9)),
    (
        "baseline=[conformal] baseline.conformal.metric=5",
        " (at baseline.conformal)",
        lambda: MetricGeodesic(5, scoregeo.LBFGS(9)),  # type: ignore[arg-type]
    ),
    (
        "baseline=[conformal] baseline.conformal.solver=abc",
        " (at baseline.conformal)",
        lambda: MetricGeodesic(scoregeo.ConformalMetric, "abc"),  # type: ignore[arg-type]
    ),
    (
        "baseline=[rbf] baseline.rbf.solver=null",
        " (at baseline.rbf)",
        lambda: DataGeodesic(RbfMetric, None),  # type: ignore[arg-type]
    ),
)


@pytest.mark.parametrize(("given", "place", "in_python"), CASES, ids=[one[0] for one in CASES])
def test_the_same_words(
    given: str,
    place: str,
    in_python: Callable[[], object],
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as refused:
        in_python()
    said = command("experiment=sphere", *given.split())
    assert said == f"scoregeo: error: {refused.value}{place}"
    assert not list(tmp_path.glob("outputs/*/*"))
