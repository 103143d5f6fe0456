"""What a result page says beside its numbers. Imports no torch."""

from dataclasses import dataclass, field


@dataclass
class PageSettings:
    """What the page of an experiment or a study says beside its numbers.

    Attributes:
        title: its heading. question: what the page answers, in a sentence.
        measures: columns of its table that come first; of a study's table the few others are those
            that every page has.
        key: of a study whose rows are named cases: the heading of the column that holds their
            names.
        case: the name of this job's case; null where the swept values name the rows.
        figure: of a study: whether its measures are drawn against the swept values.
        writer: of a study whose jobs have runners of their own: the function, as
            `package.module.function`, that is called with the study
            (`scoregeo.report.result_page.Study`) and the folder that it writes `NAME.md` and
            `NAME.csv` to.
    """

    title: str = ""
    question: str = ""
    measures: list[str] = field(default_factory=list)
    key: str | None = None
    case: str | None = None
    figure: bool = True
    writer: str | None = None
