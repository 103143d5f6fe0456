"""A SLURM and a Ray cluster on this machine, each started by the first test that asks for it."""

from collections.abc import Iterator
from typing import TypeVar

import pytest

from scripts.cluster import Cluster, ClusterError, Ray, Slurm

C = TypeVar("C", bound=Cluster)


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """SLURM with one node; with accounting where its database is installed."""
    with_accounting = Slurm(accounting=True)
    yield from _running(Slurm() if with_accounting.missing() else with_accounting)


@pytest.fixture(scope="session")
def ray() -> Iterator[Ray]:
    """Ray with two nodes."""
    yield from _running(Ray())


def _running(cluster: C) -> Iterator[C]:
    """The cluster, stopped at the end unless it ran before."""
    missing = cluster.missing()
    if missing:
        pytest.skip(missing)
    before = cluster.ready()
    try:
        cluster.start()
    except ClusterError as error:
        pytest.fail(str(error), pytrace=False)
    yield cluster
    if not before:
        cluster.stop()
