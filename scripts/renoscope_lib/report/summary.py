# SPDX-License-Identifier: GPL-2.0
"""The page's head: what this is of, and three sentences with the numbers that count."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from ..tcp.life import PEER, US
from ..tcp.tcp_states import LISTEN
from ..views.losses import Sums
from . import zero_windows
from .completeness import Proof, sentence
from .markup import Child, Html, join, tag
from .resets import Resets
from .told import Told
from .values import big, count, counted, span

# Without these nobody can say that nothing went wrong.
TROUBLE_KINDS = ("retransmit", "synack_retransmit", "rto", "reset_sent",
                 "reset_received", "zero_window")

# Words of META that a title has room for.
LONGEST_WORD = 100


def _word(told: Told, name: str) -> str:
    """Something that META says of the machine, if it says it."""
    value = told.meta.get(name)
    return value[:LONGEST_WORD] if isinstance(value, str) else ""


def _machine(told: Told) -> str:
    kernel, machine = _word(told, "kernel"), _word(told, "machine")
    return ", ".join(word for word in (f"Linux {kernel}" if kernel else "", machine)
                     if word)


def _facts(told: Told) -> Iterator[str]:
    machine = _machine(told)
    if machine:
        yield machine
    first_ns = told.first_ns
    if first_ns is None:
        return
    began = told.clock(first_ns)
    if began:
        yield began
    yield f"{span((told.end_ns - first_ns) // 1000)} recorded"


def head(told: Told) -> Html:
    """Title, host and time."""
    facts = list(_facts(told))
    return tag("header", tag("p", "renoscope report", class_="kicker"),
               tag("h1", told.title),
               tag("p", " · ".join(facts), class_="facts") if facts else None)


# ---- three sentences

def _openings(told: Told) -> Child:
    """How connections began."""
    rows = told.views.handshakes.openings(told.end_ns)
    if not rows:
        seen = sum(1 for life in told.views.states.lives()
                   if life.stays[0].state != LISTEN)
        if not seen:
            return "No connection was seen."
        return [big(counted(seen, "connection")), " went on; none of them began or "
                "was tried while this was recorded."]
    sides = Counter(row.opened_by for row in rows)
    results = Counter(row.result for row in rows)
    slowest_us = max((row.took_us or 0 for row in rows if row.result == "established"),
                     default=0)
    both = told.views.handshakes.both_ends()
    twice = f" (both ends of {counted(both, 'connection')} are in it)" if both else None
    return [_sides(sides), twice, "; ", _results(results, slowest_us), "."]


def _sides(sides: Counter[str]) -> Child:
    us, peer, whole = sides[US], sides[PEER], sides.total()
    were = " was opened" if (us or whole) == 1 else " were opened"
    if us and peer:
        return [big(counted(us, "connection")), f"{were} by us and ",
                big(count(peer)), " by the peer"]
    return [big(counted(whole, "connection")), were,
            " by us" if us else " by the peer" if peer else None]


def _results(results: Counter[str], slowest_us: int) -> Child:
    good, failed, whole = results["established"], results["failed"], results.total()
    after = " after " if good == 1 else ", the slowest after "
    took = [after, big(span(slowest_us))] if slowest_us else None
    if good == whole:
        return ["it was established" if whole == 1 else "all were established", took]
    said: list[Child] = [big(count(good)), " of these ",
                         "was" if good == 1 else "were", " established", took]
    if failed:
        said += ["; ", tag("strong", f"{count(failed)} failed", class_="bad")]
    if results["not seen"]:
        said.append(f"; {count(results['not seen'])} undecided at the end")
    return said


def _again(sums: Sums) -> Html:
    """What went out again: data, SYNs and SYN-ACKs, each if there were any."""
    opening = {"SYN": sums.segments["syn"], "SYN-ACK": sums.segments["synack"]}
    counts = {"segment": sums.segments.total() - sum(opening.values()), **opening}
    return _listed([big(counted(number, noun)) for noun, number in counts.items()
                    if number])


def _listed(said: list[Html]) -> Html:
    """`a`, `a and b`, `a, b and c`."""
    between = [", "] * (len(said) - 2) + [" and "]
    return join(said[0], [join(*pair) for pair in zip(between, said[1:])])


def _troubles(told: Told, resets: Resets) -> Child:
    """What went wrong, in numbers."""
    sums = Sums.of(told.views.losses.flows())
    said: list[Html] = []
    if sums.segments.total():
        said.append(join(_again(sums), " went out again"))
    if sums.timeouts:
        said.append(join("the retransmission timer fired ",
                         big(counted(sums.timeouts, "time"))))
    if resets.total:
        said.append(join(big(counted(resets.total, "connection")),
                         " ended by a RST"))
    still_us = zero_windows.total_us(told)
    if still_us:
        said.append(join("senders stood still for ", big(span(still_us)),
                         " in front of a zero window"))
    whole = _listed(said) if said else Html(
        "nothing was sent again, no connection was reset and no window closed")
    unknown = told.views.whole.not_recorded(*TROUBLE_KINDS)
    if not said and (unknown or told.views.whole.lost_events):
        whole = join("as far as it was recorded, ", whole)
    return [_capital(whole), "."]


def _capital(sentence_: Html) -> Html:
    """Begun with a capital, behind its tags."""
    return Html(re.sub("^((?:<[^>]*>)*)(.)", lambda m: m[1] + m[2].upper(), sentence_,
                       count=1))


def show(told: Told, resets: Resets, proof: Proof) -> Html:
    """The section; it needs no heading, as it stands right below the title."""
    if told.views.whole.frozen_throughout:
        return tag("p", "Recording was frozen all the time: nothing was seen.",
                   class_="lede")
    return tag("p", _openings(told), " ", _troubles(told, resets), " ",
               sentence(told, proof), class_="lede")
