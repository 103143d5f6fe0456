"""A sweep over lam and numbers of points in which the job of lam = 100 and 9 points fails."""

import csv
from dataclasses import dataclass
from pathlib import Path

from scoregeo._utils.jobs import DONE, FAILED, read_jobs
from tests.commands import PLAIN

REASON = "the score is not finite at point 3 of 9"


@dataclass(frozen=True)
class FailingSweep:
    """What to ask for, and what must come of it."""

    lams: tuple[int, ...]
    points: tuple[int, ...]

    @property
    def line(self) -> tuple[str, ...]:
        return (
            "-m",
            "experiment=sphere",
            f"metric.lam={','.join(map(str, self.lams))}",
            f"solver.num_points={','.join(map(str, self.points))}",
            "~rivals.adam",
            "~rivals.gauss_newton_adaptive",
            "+rivals.fails._target_=tests.broken.FailsAt",
            "+rivals.fails.num_points=${solver.num_points}",
            "+rivals.fails.lam=100",
            "+rivals.fails.points=9",
            "dataset.num_pairs=2",
            *PLAIN,
        )

    @property
    def bad(self) -> int:
        """The number of the job that fails."""
        return [(lam, points) for lam in self.lams for points in self.points].index((100, 9))

    @property
    def states(self) -> list[str]:
        count = len(self.lams) * len(self.points)
        return [FAILED if number == self.bad else DONE for number in range(count)]

    @property
    def name(self) -> str:
        """What the job that fails is called: its number and what is swept."""
        more = ", solver.num_points = 9" if len(self.points) > 1 else ""
        return f"job {self.bad} (metric.lam = 100{more})"

    def check(self, said: object, output: Path, basic: Path) -> None:
        """All but one in the table, as in the one made without a launcher, and that one named."""
        assert isinstance(said, str) and said.startswith("scoregeo: 1 job failed:")
        assert f"{self.name}: {REASON}" in said
        jobs = read_jobs(sweep_folder(output))
        assert [job.status for job in jobs] == self.states
        assert sweep_folder(output).name == sweep_folder(basic).name
        assert table(sweep_folder(output)) == table(sweep_folder(basic)) != []


def sweep_folder(output: Path) -> Path:
    (folder,) = output.glob("*/sweep_*")
    return folder


def table(folder: Path) -> list[dict[str, str]]:
    """Every number of the sweep's table, seconds aside."""
    with (folder / "table.csv").open(encoding="utf-8") as handle:
        return [row for row in csv.DictReader(handle) if row["measure"] != "seconds"]
