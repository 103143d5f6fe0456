"""What a result page says beside its numbers. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from scoregeo._utils.schema import TEXT, TEXTS, Schema, check_fields, nullable


@dataclass
class PageSettings:
    """What the page of an experiment or a study says beside its numbers.

    Attributes:
        title: its heading. question: what the page answers, in a sentence.
        measures: columns of its table that come first.
        key: of a study whose rows are named cases: the heading of the column that holds their
            names.
        case: the name of this job's case; null where the swept values name the rows.
        figure: of a study: whether its measures are drawn as lines against the swept values; else a
            row a case, a dot a method.
        groups: of a study: whether a second table has each case's groups of pairs, such as angles.
        writer: of a study whose jobs have runners of their own, or whose page is more than a row a
            case and method: the function, as `package.module.function`, that is called with the
            study (`scoregeo.report.study.Study`) and the page's folder, draws its figures into
            `figures/` there and gives the page (`scoregeo.report.model.Page`), or None.
    """

    title: str = ""
    question: str = ""
    measures: list[str] = field(default_factory=list)
    key: str | None = None
    case: str | None = None
    figure: bool = True
    groups: bool = False
    writer: str | None = None


_SETTINGS: Schema = {
    **dict.fromkeys(("title", "question"), TEXT.optional),
    **dict.fromkeys(("key", "case", "writer"), nullable(TEXT).optional),
    "measures": TEXTS.optional,
}


def read_settings(content: Any) -> PageSettings:
    """The page settings of a configuration, less what this version does not know. Raises DataError
    for one of another kind.
    """
    known = {item.name for item in fields(PageSettings)}
    given = check_fields(content if isinstance(content, Mapping) else {}, _SETTINGS, "page")
    return PageSettings(**{key: value for key, value in given.items() if key in known})
