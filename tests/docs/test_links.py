"""Links of README.md, docs/ and the experiments' pages lead to a file, and to a heading in it."""

import inspect
import re
from pathlib import Path

import pytest

import scoregeo
from tests.docs import CODE, PAGES, ROOT, named

LINK = re.compile(r"\]\(([^()\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(
        r"^#+ +(.+)$", CODE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_every_public_name_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^::: scoregeo\.(\w+)$", text, re.MULTILINE)) == {
        name for name in scoregeo.__all__ if not inspect.ismodule(getattr(scoregeo, name))
    }
