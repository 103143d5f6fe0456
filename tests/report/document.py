"""A strict reader of the report's HTML: it fails on tags that do not match, and gathers what the
tests ask about.
"""

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "input", "wbr", "br", "hr"}
ADDRESSES = {"src", "href", "srcset", "action", "poster", "data", "xlink:href"}


class Document(HTMLParser):
    """A parsed page. Raises AssertionError where tags are not nested or an attribute or id comes
    twice.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.elements: list[tuple[str, dict[str, str], tuple[str, ...]]] = []
        self.words: list[tuple[str, str]] = []
        self.ids: set[str] = set()
        self.text = text
        assert text.startswith("<!DOCTYPE html>\n")
        self.feed(text)
        self.close()
        assert not self.stack, f"left open: {self.stack}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            assert given["id"] and given["id"] not in self.ids, f"id {given['id']!r} comes twice"
            self.ids.add(given["id"])
        assert not (tag == "p" and "p" in self.stack), "a paragraph in a paragraph"
        self.elements.append((tag, given, tuple(self.stack)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack and self.stack[-1] == tag, (
            f"</{tag}> closes <{self.stack[-1] if self.stack else None}>"
        )
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append((self.stack[-1] if self.stack else "", data.strip()))

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every such element."""
        return [attributes for name, attributes, _ in self.elements if name == tag]

    def plain(self) -> str:
        """All the words that a reader sees."""
        return " ".join(word for tag, word in self.words if tag not in ("style", "script"))


def check_page(text: str) -> Document:
    """What every page of the report must be: whole, self-contained, and readable by everyone."""
    page = Document(text)
    for _, attributes, _ in page.elements:
        for name in ADDRESSES & set(attributes):
            address = attributes[name]
            if address.startswith("#"):
                assert address[1:] in page.ids, f"{address} leads nowhere"
            assert (
                address.startswith(("data:", "#"))
                or "://" not in address
                and not address.startswith(("/", "javascript:"))
            ), address
        for name in ("for", "aria-labelledby"):
            assert attributes.get(name, "") == "" or attributes[name] in page.ids, attributes
        assert not any(name.startswith("on") for name in attributes), "scripts belong to the script"
    assert (
        not [a for a in page.all("link") if a.get("rel") != "icon"]
        and "@import" not in text
        and "url(http" not in text
    )
    assert all(
        image.get("alt") and image["src"].startswith("data:image/") for image in page.all("img")
    )
    captions = [inside for tag, _, inside in page.elements if tag == "caption"]
    assert len(captions) == len(page.all("table")) and all(
        inside[-1] == "table" for inside in captions
    )
    assert all(cell.get("scope") in ("row", "col") for cell in page.all("th"))
    labelled = {label["for"] for label in page.all("label")}
    assert all(slider["id"] in labelled for slider in page.all("input"))
    levels = [int(tag[1]) for tag, _, _ in page.elements if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False)), (
        f"a heading skips a level: {levels}"
    )
    assert page.all("html")[0]["lang"] == "en" and any(
        meta.get("name") == "viewport" for meta in page.all("meta")
    )
    return page
