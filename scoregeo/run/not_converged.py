"""What the command line says of paths that no solver converged to, of one run and of a sweep."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scoregeo._utils.words import count
from scoregeo.report.names import method_name
from scoregeo.report.run import CLOSED_FORM
from scoregeo.solver.base import BUDGET, CONVERGED, STALLED, UNRESOLVED
from scoregeo.solver.certificate import ADVICE

Lines = Sequence[Mapping[str, Any]]  # of results.jsonl

_TUNNEL = "energy on a finer quadrature is larger than on the solver's own"
_SPENT = f"Where it is {BUDGET}, more iterations or evaluations may help."
_STUCK = f"Where it is {STALLED}, another solver or initializer may end at a lower energy."


def ended(lines: Lines) -> str:
    """How paths ended, such as "2 converged, 1 stalled"; "" for closed forms."""
    found = Counter(str(line["status"]) for line in lines)
    del found[CLOSED_FORM]
    return ", ".join(f"{number} {status}" for status, number in found.items())


def warnings_of(lines: Lines, where: str = "") -> list[str]:
    """A warning for each method some of whose paths did not converge, or tunnel: how many, how
    they ended and what helps. `where`: the file with each path's reason.
    """
    return [
        f"{name}: {text}" + (f" Each path's reason: {where}" if where else "")
        for name, text in _by_method({"": lines})
    ]


def sweep_warnings(jobs: Mapping[str, Lines]) -> list[str]:
    """As `warnings_of`, for all jobs of a sweep, by name, together: they are named."""
    return [f"{name}: {text}" for name, text in _by_method(jobs)]


def _by_method(jobs: Mapping[str, Lines]) -> Iterable[tuple[str, str]]:
    methods = dict.fromkeys(str(line["method"]) for lines in jobs.values() for line in lines)
    for method in methods:
        own = {
            job: [line for line in lines if line["method"] == method] for job, lines in jobs.items()
        }
        bad = {job: list(filter(_is_bad, lines)) for job, lines in own.items()}
        found = [line for lines in bad.values() for line in lines]
        if found:
            named = [job for job, lines in bad.items() if job and lines]
            total = sum(map(len, own.values()))
            yield method_name(method), _sentence(found, total, named)


def _is_bad(line: Mapping[str, Any]) -> bool:
    return line["status"] not in (CONVERGED, CLOSED_FORM) or _tunnels(line)


def _tunnels(line: Mapping[str, Any]) -> bool:
    return bool(line.get("measures", {}).get("tunnelled"))


def _sentence(found: Lines, total: int, jobs: Sequence[str]) -> str:
    where = f" (job{'s' if len(jobs) > 1 else ''} {', '.join(jobs)})" if jobs else ""
    open_ = [line for line in found if line["status"] != CONVERGED]
    said = []
    if open_:
        of = count(total, "path")
        said.append(f"{len(open_)} of {of}{where} did not converge: {ended(open_)}.")
    states = " ".join(str(line["status"]) for line in found)
    tunnels = sum(map(_tunnels, found))
    if tunnels:
        which = "" if open_ else f" of {count(total, 'path')}{where}"
        verb, whose = ("tunnels", "its") if tunnels == 1 else ("tunnel", "their")
        many = f"{tunnels}{which}" if which else count(tunnels, "path")
        said.append(f"{many} {verb}: {whose} {_TUNNEL}.")
    if tunnels or UNRESOLVED in states:
        said.append(f"{ADVICE[0].upper()}{ADVICE[1:]}.")
    if BUDGET in states:
        said.append(_SPENT)
    if STALLED in states:
        said.append(_STUCK)
    return " ".join(said)
