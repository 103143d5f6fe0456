"""The registry of measures: each declares its columns, what it needs, its function and its note in
one place, under `scoregeo/evaluation/measures/` or in a module of one's own.

Imports no torch, and neither does a module that declares measures: the command line reads titles.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from scoregeo._utils.errors import ConfigError, bad_value, check_choice

if TYPE_CHECKING:
    from scoregeo.evaluation.path_batch import Context, PathBatch, Values
    from scoregeo.evaluation.set_measures import FrameSets, SetMeasures

HIGHER, LOWER, NEARER_ZERO = "higher", "lower", "nearer zero"
_DIRECTIONS = (HIGHER, LOWER, NEARER_ZERO, None)
_BUILT_IN = "scoregeo.evaluation.measures"  # imported by name, for its modules import this one

OfPairs = Callable[["PathBatch"], "Values"]
OfSets = Callable[["FrameSets"], "SetMeasures"]


@dataclass(frozen=True)
class Column:
    """A measure's title, and the direction that is better: `HIGHER`, `LOWER`, `NEARER_ZERO`, or
    None where neither is.

    Only measures with a direction are compared between methods. Costs have none: a formula's is
    nothing, which says nothing. `counts_points`: the value depends on the number of points of a
    path, so that methods with other numbers are not compared by it."""

    title: str
    direction: str | None = None
    counts_points: bool = False


@dataclass(frozen=True)
class Measure:
    """A measure, or several that are computed together.

    Attributes:
        columns: by name, in the order of the tables.
        of_pairs: values of one method's paths, one a pair; None for a measure of sets.
        of_sets: values of all of a method's frames together; None for a measure of pairs.
        needs: fields of `PathBatch` without which the measure is left out: those that are None,
            False or empty.
        note: what a reader of the tables must know, as text or made of the run's `Context` (None:
            nothing). Text is shown in runs that have those of `needs` that are fields of `Context`,
            and of a measure of sets in those with a feature network.
    """

    columns: Mapping[str, Column]
    of_pairs: OfPairs | None = None
    of_sets: OfSets | None = None
    needs: tuple[str, ...] = ()
    note: "str | Callable[[Context], str | None] | None" = None

    @property
    def source(self) -> str:
        """Module and name of its function."""
        function = self.of_pairs or self.of_sets
        return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"


MEASURES: list[Measure] = []
COLUMNS: dict[str, Column] = {}  # of all measures, in the order of the tables
TITLES: dict[str, str] = {}
_declaring: set[str] = set()  # modules of `evaluation.extra` that did when they were imported


def measure(
    columns: Mapping[str, Column],
    *,
    needs: Sequence[str] = (),
    note: "str | Callable[[Context], str | None] | None" = None,
) -> Callable[[OfPairs], OfPairs]:
    """Declare the decorated function, which stays as it is, as a measure of pairs.

    It takes a `PathBatch` and returns values by name, [pairs] each or `NotAvailable`; names it
    leaves out are no columns of that method. Arguments as in `Measure`. In the tables the columns
    come after those declared before.

    Example:
        @measure({"gap": Column("greatest gap", LOWER)}, needs=("frames",))
        def gap(batch):
            return {"gap": batch.frames.diff(dim=1).flatten(2).norm(dim=2).amax(1)}

    Raises: ConfigError for a name that is taken, and for a direction that is none.
    """

    def declare(function: OfPairs) -> OfPairs:
        register(Measure(dict(columns), of_pairs=function, needs=tuple(needs), note=note))
        return function

    return declare


def set_measure(
    columns: Mapping[str, Column],
    *,
    note: "str | Callable[[Context], str | None] | None" = None,
) -> Callable[[OfSets], OfSets]:
    """As `measure`, of all of a method's frames together: a function from `FrameSets` to
    `SetMeasures`. It is called where the run has a feature network (`evaluation.network`).
    """

    def declare(function: OfSets) -> OfSets:
        register(Measure(dict(columns), of_sets=function, note=note))
        return function

    return declare


def register(one: Measure) -> None:
    """Add a measure, after the project's own. One of the same function replaces it, as where a cell
    of a notebook is run again.

    Raises ConfigError for a name that is taken, and for a direction that is none.
    """
    if not one.source.startswith(_BUILT_IN):
        import_module(_BUILT_IN)
    for before in [before for before in MEASURES if before.source == one.source]:
        MEASURES.remove(before)
        for name in before.columns:
            del COLUMNS[name], TITLES[name]
    for name, column in one.columns.items():
        if name in COLUMNS:
            raise ConfigError(
                f"measure {name!r} is declared twice: each name belongs to one measure."
            )
        check_choice(f"direction of measure {name!r}", column.direction, _DIRECTIONS)
    MEASURES.append(one)
    COLUMNS.update(one.columns)
    TITLES.update({name: column.title for name, column in one.columns.items()})


def is_built_in(name: str) -> bool:
    """Whether a measure is the project's own."""
    import_module(_BUILT_IN)
    return any(name in one.columns and one.source.startswith(_BUILT_IN) for one in MEASURES)


def load(modules: Sequence[str]) -> None:
    """Import the modules of `evaluation.extra`, which declare measures of one's own.

    They are found as any module is: installed, or in the working folder. Raises ConfigError, naming
    the key, for one that cannot be imported, and for one that declares none.
    """
    for name in modules:
        import_module(_BUILT_IN)
        before = len(MEASURES)
        try:
            import_module(name)
        except Exception as error:  # a module of one's own may raise anything
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise bad_value(
                "evaluation.extra", name, f"a module that can be imported ({reason})"
            ) from error
        if len(MEASURES) > before:
            _declaring.add(name)
        # One imported before, by whom ever, declares nothing again.
        own = any(one.source.startswith(f"{name}.") for one in MEASURES)
        if name not in _declaring and not own:
            raise bad_value(
                "evaluation.extra",
                name,
                "a module that declares measures (scoregeo.evaluation.measure)",
            )
