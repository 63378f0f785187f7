"""A reader of pages: fails for what a browser, or one who hears a page, would stumble over."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

VOID = ("meta", "br", "link", "img", "input", "hr")
RAW = ("script", "style")


class Page(HTMLParser):
    """A page that was read: its elements, ids, links and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {}
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert text.startswith("<!DOCTYPE html>\n") and not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in RAW:
            self.raw[self.open[-1]] = self.raw.get(self.open[-1], "") + data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        """What is to be read."""
        return " ".join("".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def read(text: str) -> Page:
    """Return a page. Raises AssertionError for what is wrong with it."""
    page = Page(text)
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names)), "two elements have one id"
    for tag, attributes in page.elements:
        for name in ("href", "src", "action", "data"):
            assert (attributes.get(name) or "#").startswith("#"), f"<{tag} {name}> leads out of the page"
        assert not [name for name in attributes if name.startswith("on") or name == "style"], f"<{tag}>: code in it"
    for link in page.all("a"):
        assert (link["href"] or "").removeprefix("#") in names, f"{link['href']} leads nowhere"
    assert all(head.get("scope") for head in page.all("th")), "a heading of a table that heads nothing"
    assert len(page.all("table")) == len(page.all("caption")) and 1 == len(page.all("h1"))
    scroll = [text for text in page.all("pre") if text.get("class") != "command"]
    assert all("tabindex" in text for text in scroll), "what scrolls cannot be reached with the keyboard"
    assert all(picture.get("role") == "img" for picture in page.all("svg"))
    (policy,) = [meta["content"] or "" for meta in page.all("meta") if "http-equiv" in meta]
    for tag in RAW:
        digest = base64.b64encode(hashlib.sha256(page.raw[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy, f"the policy does not let the {tag} be used"
    assert "default-src 'none'" in policy and not re.search(r"url\(|@import|https?://", page.raw["style"])
    return page
