"""The benchmark's five parts at their two sizes, as units of work that are kept one by one."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from experiments.benchmark.decoding import INVERSIONS, DecodingSettings, decoding
from experiments.benchmark.growth import GrowthSettings, growth
from experiments.benchmark.overhead import OverheadSettings, overhead
from experiments.benchmark.packages import LibrarySettings, library
from experiments.benchmark.race import RaceSettings, race, warm_up
from experiments.benchmark.store import Store

PARTS = ("race", "growth", "library", "overhead", "decoding")
Results = dict[str, dict[str, Any]]

_EXACT = (
    RaceSettings("sphere"),
    RaceSettings("torus", pairs=4),  # its score takes longest
    RaceSettings("sphere_r50"),
)
_DIGITS = RaceSettings(
    "digits",
    2,
    17,
    rates=(1e-2, 3e-2),
    iterations=60,
    max_iterations=60,
    midpoint=False,
    learned=True,
)


@dataclass(frozen=True)
class Suite:
    """Settings of all parts. `quick()` has the same parts, as small as shows that they work."""

    races: tuple[RaceSettings, ...] = (*_EXACT, _DIGITS)
    lams: tuple[float, ...] = (1.0, 30.0, 1000.0)
    growth: GrowthSettings = field(default_factory=GrowthSettings)
    libraries: tuple[LibrarySettings, ...] = tuple(
        LibrarySettings(s, lam) for s, lam in ((0.3, 10.0), (0.2, 30.0), (0.1, 100.0))
    )
    overhead: OverheadSettings = field(default_factory=OverheadSettings)
    decoding: DecodingSettings = field(default_factory=DecodingSettings)
    inversions: tuple[str, ...] = INVERSIONS

    @staticmethod
    def quick() -> "Suite":
        """A minute or two."""
        small = tuple(
            replace(one, pairs=2, points=17, rates=(1e-2,), iterations=40, limit=3.0)
            for one in _EXACT
        )
        sweeps = (
            ("points", (8.0, 32.0)),
            ("dimension", (3.0, 784.0)),
            ("lam", (1.0, 100.0)),
            ("pairs", (1.0, 8.0)),
        )
        return Suite(
            races=(
                *small,
                replace(
                    _DIGITS,
                    pairs=1,
                    points=9,
                    rates=(1e-2,),
                    iterations=3,
                    max_iterations=3,
                    limit=5.0,
                ),
            ),
            lams=(30.0,),
            growth=GrowthSettings(points=16, limit=1.0, sweeps=sweeps),
            libraries=(LibrarySettings(0.3, 10.0, accuracy=(1e-2,), limit=5.0),),
            overhead=OverheadSettings(size=32, iterations=2),
            decoding=DecodingSettings(pairs=1, frames=4, steps=3),
        )

    def run(self, part: str, store: Store, seed: int) -> Results:
        """Every unit of one of `PARTS`, by name; finished ones are taken from `store`."""
        units: list[tuple[str, dict[str, Any], Callable[[], dict[str, Any]]]] = []
        if part == "race":
            warm_up()
            for one in self.races:
                for lam in self.lams:
                    units.append(
                        (
                            f"{one.name}-lam{lam:g}",
                            asdict(one) | {"lam": lam},
                            partial(race, one, lam, seed),
                        )
                    )
        elif part == "growth":
            warm_up()
            for quantity, values in self.growth.sweeps:
                for value in values:
                    asked = {k: v for k, v in asdict(self.growth).items() if k != "sweeps"} | {
                        quantity: value
                    }
                    units.append(
                        (
                            f"{quantity}-{value:g}",
                            asked,
                            partial(growth, self.growth, quantity, value, seed),
                        )
                    )
        elif part == "library":
            for case in self.libraries:
                units.append(
                    (
                        f"sigma{case.sigma:g}-lam{case.lam:g}",
                        asdict(case),
                        partial(library, case, seed),
                    )
                )
        elif part == "overhead":
            units.append(
                ("overhead", asdict(self.overhead), partial(overhead, self.overhead, seed))
            )
        else:
            for inversion in self.inversions:
                asked = asdict(self.decoding) | {"inversion": inversion}
                units.append((inversion, asked, partial(decoding, self.decoding, inversion, seed)))
        return {
            name: store.unit(f"{part}/{name}", asked | {"seed": seed}, compute)
            for name, asked, compute in units
        }
