# SPDX-License-Identifier: GPL-2.0
"""Who sent how much: bytes, segments and retransmissions of each connection.

When a socket goes, the kernel tells its own counts.  Until then bytes are counted
by how far the sequence numbers went, so a byte sent twice is one; segments are
not known then.  Both count from a connection's beginning, where its ISN is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..gaps import Gaps
from ..kept import Kept, Packable
from ..schema import Event, Schema
from ..sequence import relative
from ..words import local_endpoint, remote_endpoint

NEEDED_KINDS = ("destroy", "ack", "retransmit")

# A socket stands behind these, with numbers of its own.
TALKING = frozenset(("ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
                     "CLOSING", "LAST-ACK"))


@dataclass(slots=True)
class Talk(Packable):
    """One connection's amounts; segments are None until the kernel tells them."""

    cookie: int
    local: str
    remote: str
    sent: int = 0
    received: int = 0
    una: int | None = None
    rcv: int | None = None
    segs_out: int | None = None
    segs_in: int | None = None
    sent_again: int = 0
    over: bool = False

    @property
    def bytes(self) -> int:
        """Both ways."""
        return self.sent + self.received


@dataclass
class PeerTalk:
    """All connections with one address."""

    address: str
    connections: int = 0
    sent: int = 0
    received: int = 0
    segs_out: int = 0
    segs_in: int = 0
    sent_again: int = 0

    @property
    def bytes(self) -> int:
        """Both ways."""
        return self.sent + self.received

    def add(self, talk: Talk) -> None:
        """One connection more."""
        self.connections += 1
        self.sent += talk.sent
        self.received += talk.received
        self.segs_out += talk.segs_out or 0
        self.segs_in += talk.segs_in or 0
        self.sent_again += talk.sent_again


def _advance(before: int | None, now: int, isn: int) -> int:
    """How many bytes a number tells of that the one before did not."""
    if before is None:
        return max(relative(now, isn) - 1, 0) if isn else 0
    step = relative(now, before)
    return step if step < 1 << 31 else 0


class Talkers:
    """Feed it joined events, then ask who talked most."""

    def __init__(self, schema: Schema) -> None:
        self.gaps = Gaps(schema, NEEDED_KINDS)
        self.kept: Kept[Talk] = Kept(lambda talk: talk.over)
        self._talking = frozenset(
            number for number, name in schema.values.get("state", {}).items()
            if name in TALKING)

    def feed(self, event: Event) -> None:
        """The next event."""
        if self.gaps.takes(event) or not event["cookie"]:
            return
        if event.kind == "destroy":
            self._ends(event)
        elif event["state"] in self._talking and event["snd_una"]:
            self._goes_on(event)

    def _talk(self, event: Event) -> Talk:
        talk = self.kept.get(event["cookie"])
        if talk is None:
            talk = self.kept.add(event["cookie"], Talk(
                event["cookie"], local_endpoint(event), remote_endpoint(event)))
        return talk

    def _goes_on(self, event: Event) -> None:
        talk = self._talk(event)
        if talk.over:
            return  # a small sock, which has no numbers of its own
        talk.sent += _advance(talk.una, event["snd_una"], event["snd_isn"])
        talk.received += _advance(talk.rcv, event["rcv_nxt"], event["rcv_isn"])
        talk.una, talk.rcv = event["snd_una"], event["rcv_nxt"]
        if event.kind == "retransmit":
            talk.sent_again += event.values.get("retransmit_segs", 1) or 1

    def _ends(self, event: Event) -> None:
        if not event["segs_out"] and not event["segs_in"]:
            return  # a listener, or a socket that a disconnect has cleared
        talk = self._talk(event)
        talk.sent, talk.received = event["bytes_acked"], event["bytes_received"]
        talk.segs_out, talk.segs_in = event["segs_out"], event["segs_in"]
        talk.sent_again = max(talk.sent_again, event["retrans_segs"])
        talk.over = True

    def peers(self) -> Iterator[PeerTalk]:
        """The same by the other end's address."""
        found: dict[str, PeerTalk] = {}
        for talk in self.kept:
            address = talk.remote.rpartition(":")[0]
            found.setdefault(address, PeerTalk(address)).add(talk)
        yield from found.values()
