# SPDX-License-Identifier: GPL-2.0
"""The page: its sections in their order, in a frame that loads nothing.

The Content-Security-Policy allows this style and this script by their hashes, and
pictures that stand in the page itself.  So even if something slipped through
markup.py, a browser would neither run it nor ask anybody for anything.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from . import (completeness, connections, cwnd_plots, how_made, listener_queues, resets, sent_again,
               summary, synack_backoff, top_talkers, verdicts, zero_windows)
from .completeness import Proof
from .markup import Html, join, raw, tag
from .parts import Section, section
from .resets import Resets
from .told import Told

HERE = Path(__file__).resolve().parent

# By this a page is known again.
MADE_BY = tag("meta", name="generator", content="renoscope report")


def _own(name: str) -> str:
    """A file of this program's, without the line on its licence."""
    whole = (HERE / name).read_text(encoding="utf-8")
    return whole.partition("\n")[2].strip()


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _policy(style: str, script: str) -> str:
    return ("default-src 'none'; img-src data:; "
            f"style-src {_hash(style)}; script-src {_hash(script)}; "
            "base-uri 'none'; form-action 'none'")


def _head(title: str, style: str, script: str) -> Html:
    return tag("head", tag("meta", charset="utf-8"),
               tag("meta", http_equiv="Content-Security-Policy",
                   content=_policy(style, script)),
               tag("meta", name="viewport",
                   content="width=device-width, initial-scale=1"),
               tag("meta", name="color-scheme", content="light dark"),
               tag("meta", name="referrer", content="no-referrer"),
               MADE_BY,
               tag("title", f"{title} – renoscope"), tag("style", raw(style)))


def _contents(sections: list[Section]) -> Html:
    return tag("nav", tag("ul", [
        tag("li", tag("a", one.title, href=f"#{one.anchor}")) for one in sections]),
        aria_label="Contents")


def _nothing_of(sections: list[Section]) -> Section:
    """Those that have nothing to tell, together."""
    return section("none", "Nothing to tell of", tag("ul", [
        tag("li", tag("b", f"{one.title}: "), one.content, id=one.anchor)
        for one in sections]))


def _sections(told: Told, proof: Proof, found: Resets) -> list[Section]:
    """In their order; the quiet ones last."""
    every = [verdicts.show(told, verdicts.verdicts_of(told)),
             completeness.show(told, proof), connections.show(told),
             cwnd_plots.show(told), synack_backoff.show(told), sent_again.show(told),
             zero_windows.show(told), listener_queues.show(told),
             top_talkers.show(told), resets.show(told, found)]
    quiet = [one for one in every if one.is_quiet]
    shown = [one for one in every if not one.is_quiet]
    return [*shown, *([_nothing_of(quiet)] if quiet else []), how_made.show(told)]


def html(told: Told) -> str:
    """The whole page."""
    style, script = _own("style.css"), _own("sort.js")
    proof = completeness.prove(told)
    found = resets.resets_of(told)
    sections = _sections(told, proof, found)
    body = tag("body", summary.head(told),
               tag("main", summary.show(told, found, proof), _contents(sections),
                   (one.html() for one in sections)),
               tag("script", raw(script)))
    return join(raw("<!DOCTYPE html>\n"), tag(
        "html", _head(told.title, style, script), "\n", body, lang="en"), "\n")
