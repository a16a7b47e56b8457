"""How the tests read a page: as a person or a reader's aid would, with every mistake in its HTML an error."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

import pytest

VOID = {"meta", "link", "br", "hr", "img", "input"}
ATTRIBUTES_THAT_LOAD = {"src", "href", "xlink:href", "action", "data", "poster", "srcset", "background", "formaction"}


class Page(HTMLParser):
    """A page as a reader meets it: text, tables, attributes, and whether every tag is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.pieces: list[str] = []
        self.rows: list[list[str]] = []
        self.drawings: list[list[str]] = []  # per SVG: the tags in it
        self.hidden: list[bool] = []  # per SVG: whether it is hidden from readers' aids
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note a tag, its attributes, and where rows, cells and drawings begin."""
        self.tags[tag] += 1
        self.attributes += attrs
        assert tag != "th" or dict(attrs).get("scope") in ("col", "row", "rowgroup"), self.rows[-1:]
        assert tag != "html" or ("lang", "en") in attrs
        self.ids += [value for name, value in attrs if name == "id"]
        if "svg" in self.open:
            self.drawings[-1].append(tag)
        if tag == "svg":
            self.drawings.append([])
            self.hidden.append(("aria-hidden", "true") in attrs)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Note a tag that closes itself."""
        assert "svg" in self.open, f"<{tag}/> closes itself in SVG only"
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        """Close the tag that was opened last, and no other."""
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Collect what people read."""
        if "style" in self.open:
            return
        self.pieces.append(data)
        if self.rows and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    @property
    def text(self):
        """All text, spaces made one."""
        return re.sub(r"\s+", " ", " ".join(self.pieces))

    def rows_of(self, start):
        """Find the table rows whose first cell starts so."""
        return [[" ".join(cell.split()) for cell in row] for row in self.rows if row[0].startswith(start)]


def _read(page):
    """Parse a page and check what must hold for every page."""
    found = Page(page)
    assert not found.open, f"not closed: {found.open}"
    assert len(found.ids) == len(set(found.ids)), "an id stands twice"
    assert not re.search("https?://|url\\(|@import", re.sub("<pre>.*?</pre>", "", page, flags=re.DOTALL))
    for name, value in found.attributes:
        if name in ATTRIBUTES_THAT_LOAD:
            assert value == "data:," or value.removeprefix("#") in found.ids, (name, value)
        assert not name.startswith("on")
    assert found.tags["table"] == found.tags["caption"]
    assert not found.tags.keys() & {"script", "img", "iframe", "object", "embed", "form", "base"}
    for tags, hidden in zip(found.drawings, found.hidden, strict=True):
        assert hidden or tags[:2] == ["title", "desc"]
    assert "nan" not in re.findall(r"[a-z]+", found.text)
    return found


@pytest.fixture(scope="session")
def read():
    """A function that parses a page and checks what must hold for every page."""
    return _read
