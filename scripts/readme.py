"""Write README.md from docs/templates/README.md.j2 and the results, or check that it is up to date.

python scripts/readme.py            # write it
python scripts/readme.py --check    # exit status 1 where it differs
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, StrictUndefined

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
TEMPLATE = ROOT / "docs" / "templates" / "README.md.j2"
RESULTS = ROOT / "results"
_SIGNIFICANT = 2  # digits of a number without another format

Key = tuple[str, ...]  # the labels of a row, and the measure


class MissingNumber(LookupError):
    """The results have no such number."""


def numbers(page: str) -> dict[Key, float]:
    """The means of a page, `sphere` or `full/sphere`, by the row's labels and the measure.

    The one place that knows how results are kept: `results/PAGE/summary.json`, or, in the older
    layout, `results/PAGE.csv`. Group "all" is no label.
    """
    summary = RESULTS / page / "summary.json"
    if summary.exists():
        tables = json.loads(summary.read_text(encoding="utf-8"))["tables"]
        return {
            (*_labels(row["labels"].values()), measure): float(cell["mean"])
            for table in tables
            for row in table.get("numbers") or table["rows"]
            for measure, cell in row["cells"].items()
            if "mean" in cell
        }
    found = {}
    with (RESULTS / f"{page}.csv").open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        columns = list(reader.fieldnames or [])
        labels = columns[: columns.index("measure")]
        for row in reader:
            if row["mean"]:
                key = (*_labels(row[name] for name in labels), row["measure"])
                found[key] = float(row["mean"])
    return found


def _labels(values: Iterable[str]) -> Key:
    return tuple(sorted(value for value in values if value != "all"))


def number(page: str, *labels: str) -> float:
    """The mean of the measure, which is the last label, in the row with exactly the others."""
    known = numbers(page)
    key = (*sorted(labels[:-1]), labels[-1])
    if key not in known:
        near = sorted(one for one in known if one[-1] == labels[-1])[:8]
        raise MissingNumber(f"results of {page} have no {key}; they have, for example, {near}.")
    return known[key]


def link(page: str) -> str:
    """The page's file, relative to the repository's root."""
    for path in (RESULTS / page / "table.md", RESULTS / f"{page}.md"):
        if path.exists():
            return path.relative_to(ROOT).as_posix()
    raise MissingNumber(f"results has no page {page}.")


def percent(value: float, digits: int = _SIGNIFICANT) -> str:
    """A share in percent with its sign: -0.19 %."""
    return f"{significant(100 * value, digits, sign=True)} %"


def significant(value: float, digits: int = _SIGNIFICANT, sign: bool = False) -> str:
    """Rounded to significant digits, never in exponential form below a million."""
    if value == 0:
        return "0"
    if abs(value) >= 1e6:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    places = max(digits - 1 - int(f"{abs(value):e}".split("e")[1]), 0)
    return f"{value:{'+' if sign else ''},.{places}f}".replace("-", "−")


def render() -> str:
    """README.md as the results would have it."""
    environment = Environment(
        undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"percent": percent, "significant": significant}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(number=number, link=link)


def main() -> int:
    """Write or check; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    text = render()
    if not parser.parse_args().check:
        README.write_text(text, encoding="utf-8")
        return 0
    if README.read_text(encoding="utf-8") == text:
        return 0
    print("README.md is not what its template and results/ give: run `make readme`.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
