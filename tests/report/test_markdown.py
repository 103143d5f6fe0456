"""Markdown pages as blocks: what stands where, alignment, winners, nothing unescaped."""

from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.markdown import first_table, read_markdown
from scoregeo.report.page import Figure, Prose, Table, Text
from scoregeo.report.table import Row, page

TEXT = """# The title

```bash
scoregeo experiment=x
```

Settings: `seed 0`, `pairs = 10`, `races = ({'name': 'a, b'})`.

## One

| lam | method | pairs | PSNR |
| --- | --- | ---: | ---: |
| 1 | le\\|rp | 3 | **1.5** |
| 2 | <b>x</b> | 3 | a **b** |

- n/a (1): <script>.

## Two

Words before.

| method | x |
| --- | ---: |
| a | 1 |

## Figures

![figures/a.png](figures/a.png)

![left out](figures/b.png)

## Alone
"""


def picture(source: str, alt: str) -> Figure | None:
    return None if alt == "left out" else Figure("data:,", alt, source, 10)


def test_blocks_in_order() -> None:
    document = read_markdown(TEXT, picture)
    assert (document.title, document.command) == ("The title", "scoregeo experiment=x")
    assert document.facts == [("seed", "0"), ("pairs", "10"), ("races", "({'name': 'a, b'})")]
    first, notes, above, second, figures, shown, alone = document.blocks
    assert isinstance(first, Table) and (first.caption, first.head, first.labels) == (
        "One",
        ("lam", "method", "pairs", "PSNR"),
        2,
    )
    assert [[cell.winner for cell in row] for row in first.rows] == [
        [False] * 3 + [True],
        [False] * 4,
    ]
    assert first.rows[0][1] == Text("le|rp") and first.rows[1][1] == Text(
        "<b>x</b>"
    )  # the page escapes it
    assert isinstance(notes, Prose) and "&lt;script&gt;" in notes.html
    assert (
        isinstance(above, Prose)
        and above.html.startswith("<h3>Two</h3>")
        and "Words before" in above.html
    )
    assert isinstance(second, Table) and (second.caption, second.labels) == ("Two", 1)
    assert isinstance(figures, Prose) and figures.html == "<h3>Figures</h3>\n"
    assert isinstance(shown, Figure) and shown.caption == "figures/a.png"
    assert isinstance(alone, Prose) and alone.html == "<h3>Alone</h3>\n"


def test_the_project_s_own_pages_are_understood() -> None:
    rows = [Row({"method": "lerp"}, {"psnr": Estimate(15.5, 15, 16, 4)})]
    text = page(
        "T", {"": rows, "60 deg": rows}, command="c", seed=1, settings={"a.b": 2}, notes=["a note"]
    )
    document = read_markdown(text, picture)
    tables = [block for block in document.blocks if isinstance(block, Table)]
    assert [table.caption for table in tables] == [
        "T",
        "60 deg",
    ]  # a table without a heading takes the page's title
    assert tables[0].rows[0][-1].plain == "15.50 [15.00, 16.00]"
    assert document.facts == [("seed", "1"), ("a.b", "2")]


def test_first_table() -> None:
    text = (
        "# E\n\n| folder | question |\n|---|---|\n| [a](a/README.md) | Is it < 3? |\n| b | *so*"
        " |\n\n| x |\n|---|\n| y |\n"
    )
    rows = first_table(text)
    assert [row[0].plain for row in rows] == ["[a](a/README.md)", "b"]
    assert [row[1].html or row[1].plain for row in rows] == ["Is it < 3?", "<em>so</em>"]
    assert first_table("no table") == ()
