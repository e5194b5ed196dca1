# SPDX-License-Identifier: GPL-2.0
"""Who reset connections, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..tcp.life import PEER, US, Life
from ..views.endings import IMPLIED
from ..words import connection
from .markup import Html, join, tag
from .parts import Column, Section, and_more, number, prose, quiet, section, table
from .told import Told
from .values import code, count, counted

WHO = {US: "we", PEER: "the peer", None: "not seen"}
EXAMPLES = 3  # connections named of each reason

# Reasons told apart; a recording from elsewhere may name any number.
MOST_REASONS = 1000
OTHER = "another reason"

Key = tuple[str | None, str, str, bool]


@dataclass
class Resets:
    """How often each, and the first connections as examples."""

    counts: Counter[Key] = field(default_factory=Counter)
    examples: dict[Key, list[int]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Connections that a RST ended."""
        return self.counts.total()

    def add(self, key: Key, life: Life) -> None:
        """One more."""
        if key not in self.counts and len(self.counts) >= MOST_REASONS:
            key = (None, "", OTHER, False)
        self.counts[key] += 1
        examples = self.examples.setdefault(key, [])
        if len(examples) < EXAMPLES:
            examples.append(life.cookie)


def resets_of(told: Told) -> Resets:
    """All that ended by a RST."""
    found = Resets()
    for life in told.views.states.lives():
        ending = told.views.states.ending(life)
        if ending is not None and ending.how == "reset":
            found.add((ending.by, life.ended_in, ending.reason, ending.implied), life)
    return found


def _examples(cookies: Iterable[int], total: int) -> Html:
    listed = [join(" " if n else None, code(connection(cookie)))
              for n, cookie in enumerate(cookies)]
    return join(listed, " …" if total > len(listed) else None)


def _reason(reason: str, implied: bool) -> str:
    return (reason or "it does not say") + (IMPLIED if implied else "")


def show(told: Told, resets: Resets) -> Section:
    """The section."""
    title = "Resets"
    without = told.views.states.resets_without_connection
    stray = (f"{counted(without, 'RST')} answered segments of no connection: a port "
             "where nobody listens, or a connection long gone." if without else None)
    if not resets.total:
        unknown = told.views.states.gaps.not_recorded("reset_sent", "reset_received")
        return quiet("resets", title, (
            "Resets were not recorded all the time; none was seen." if unknown
            else "No connection was reset."), " " if stray else None, stray)
    ranked = resets.counts.most_common()
    shown = ranked[:told.limit or None]
    return section(
        "resets", title,
        table("Connections ended by a RST",
              (Column("sent by"), Column("in state"), prose("reason"),
               number("connections"), Column("such as")),
              [(WHO.get(by, "not seen"), state, _reason(reason, implied), count(n),
                _examples(resets.examples[by, state, reason, implied], n))
               for (by, state, reason, implied), n in shown],
              "The state is ours when the RST came or went. (implied) is worked out "
              "from what happened around it; the kernel says why only from 6.10 on.",
              and_more(len(ranked) - len(shown), told.other("states"),
                       "reason")),
        tag("p", stray) if stray else None)
