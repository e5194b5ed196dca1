# SPDX-License-Identifier: GPL-2.0
"""HTML that nobody can inject anything into.

A page is made of tag() alone, but for this program's own style and script (raw()).
What is not Html already becomes text: its markup is escaped, control characters and
those that turn the direction of writing are shown as U+FFFD, and none is longer than
a paragraph, whatever a recording from elsewhere says.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Union

# No sentence here is nearly as long.
LONGEST_TEXT = 2000

UNSEEMLY = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f"
                      "\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\uffff]")

# Elements without an end tag, and those of SVG that have nothing in them.
VOID = frozenset(("meta", "br", "img", "source"))
CHILDLESS = frozenset(("rect", "circle", "line"))


class Html(str):
    """Markup, safe as it is."""

    __slots__ = ()


Child = Union[str, int, None, Iterable["Child"]]


def seemly(value: object) -> str:
    """A value as plain text without anything that a page could stumble over."""
    plain = str(value)
    if len(plain) > LONGEST_TEXT:
        plain = plain[:LONGEST_TEXT] + "…"
    return UNSEEMLY.sub("\ufffd", plain)


def text(value: object) -> Html:
    """Text, as it would be read."""
    return Html(html.escape(seemly(value)))


def join(*children: Child) -> Html:
    """One after the other; None is nothing."""
    return Html("".join(_flat(children)))


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            yield child
        elif isinstance(child, (str, int)):
            yield text(child)
        else:
            yield from _flat(child)


def _attribute(name: str, value: object) -> str:
    plain = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {plain}"
    return f' {plain}="{value if isinstance(value, Html) else text(value)}"'


def tag(name: str, /, *children: Child, **attributes: object) -> Html:
    """An element; class_ is class, and an attribute of None or False is left out."""
    begin = f"<{name}" + "".join(
        _attribute(key, value) for key, value in attributes.items()
        if value is not None and value is not False)
    if name in VOID:
        return Html(f"{begin}>")
    if name in CHILDLESS:
        return Html(f"{begin}/>")
    return Html(f"{begin}>{join(*children)}</{name}>")


def raw(markup: str) -> Html:
    """Markup of this program's own, such as its style."""
    return Html(markup)
