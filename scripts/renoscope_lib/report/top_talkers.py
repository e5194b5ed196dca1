# SPDX-License-Identifier: GPL-2.0
"""Top talkers: who sent most, by peer and by connection."""

from __future__ import annotations

from ..words import connection
from .markup import Child
from .parts import Cell, Column, Section, and_more, bar, most, number, quiet, section, table
from .talkers import PeerTalk, Talk
from .told import Told
from .values import amount, code, count, ends, some

# Who comes behind these is no top talker.
TOP = 10

AMOUNTS = (number("sent", "bytes acknowledged"), number("received", "bytes"),
           Column("both"), number("segments out"), number("with data", "of those out"),
           number("segments in"), number("again", "segments sent again"))


def _amounts(one: Talk | PeerTalk, largest: int) -> tuple[Child | Cell, ...]:
    return (Cell(amount(one.sent), one.sent), Cell(amount(one.received), one.received),
            bar(one.bytes, largest), count(one.segs_out or None),
            count(one.data_segs_out or None), count(one.segs_in or None), some(one.sent_again))


def show(told: Told) -> Section:
    """The section."""
    talkers = told.views.talkers
    title = "Top talkers"
    limit = min(TOP, told.limit) if told.limit else TOP
    talks, more_talks = most(talkers.kept, limit, lambda talk: talk.bytes)
    if not talks:
        return quiet("talkers", title, "Nobody was seen to send data.")
    peers, more_peers = most(talkers.peers(), limit, lambda peer: peer.bytes)
    return section(
        "talkers", title,
        table("Bytes by peer", (Column("peer"), number("connections"), *AMOUNTS),
              [(code(peer.address), count(peer.connections),
                *_amounts(peer, peers[0].bytes)) for peer in peers], None,
              and_more(more_peers, told.other("states"), "peer")),
        table("Bytes by connection", (Column("connection"), Column("local – peer"), *AMOUNTS),
              [(code(connection(talk.cookie)),
                ends(talk.local, talk.remote),
                *_amounts(talk, talks[0].bytes)) for talk in talks],
              "The kernel's own counts, told when a socket goes, without SYN and FIN, "
              "which it counts as a byte each. Where no state was recorded a FIN is "
              "still in them. Of those still open "
              "bytes are counted by sequence numbers, from when they were first seen, "
              "and segments are not known: –.",
              and_more(more_talks, told.other("states"), "connection")))
