# SPDX-License-Identifier: GPL-2.0
"""An HTML page taken apart as strictly as a test wants it."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = frozenset(("meta", "br", "img", "source", "rect", "circle", "line"))


class Page(HTMLParser):
    """Its elements, text and tables; `wrong` is what is wrong with its structure."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.wrong: list[str] = []
        self._open: list[str] = []
        self._pieces: list[str] = []
        self._of: dict[str, list[str]] = {}
        self._caption = ""
        self.feed(html)
        self.close()
        self.wrong += [f"<{name}> is not closed" for name in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)
        self._of.setdefault(tag, []).append("")
        if tag == "tr":
            self.tables.setdefault(self._caption, []).append([])
        elif tag in ("td", "th"):
            self.tables[self._caption][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"</{tag}> closes another element")
        if tag == "caption":
            self._caption = self.of("caption")[-1]

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self._of[tag][-1] += data
        if {"style", "script"}.isdisjoint(self._open):
            self._pieces.append(data)
        if not {"td", "th"}.isdisjoint(self._open):
            self.tables[self._caption][-1][-1] += data

    @property
    def text(self) -> str:
        """All that a person reads, in one line."""
        return " ".join("".join(self._pieces).split())

    def of(self, tag: str) -> list[str]:
        """The text of each such element; of one within another the inner's."""
        return self._of.get(tag, [])

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of each such element."""
        return [attributes for name, attributes in self.elements if name == tag]

    def row(self, caption: str, first: str) -> dict[str, str]:
        """A table's row by its first cell, each cell by its column's name."""
        head, *rows = self.tables[caption]
        found, = (row for row in rows if row[0] == first)
        return dict(zip(head, found))
