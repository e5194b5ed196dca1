# SPDX-License-Identifier: GPL-2.0
"""Who sent how much: bytes, segments and retransmissions of each connection.

When a socket goes, the kernel tells its own counts.  Until then bytes are counted
by how far the sequence numbers went since the connection was first seen (a number
alone tells what it was before to a multiple of 4 GiB), so a byte sent twice is one;
segments are not known then.
Both count SYN and FIN as sequence numbers do; these are no bytes that anybody sent, and
are taken off again where a state shows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..ring.schema import Event, Schema
from ..tcp.kept import Kept, Packable
from ..tcp.segments import segments_sent_again
from ..tcp.sequence import is_after, relative
from ..tcp.tcp_states import (CLOSE_WAIT, CLOSING, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK, SYNCHRONIZED,
                              TIME_WAIT)
from ..views.gaps import Gaps
from ..words import local_endpoint, remote_endpoint

NEEDED_KINDS = ("destroy", "ack", "retransmit")

# Where our FIN is at least queued, and where the peer's has come.
OWN_FIN = frozenset((FIN_WAIT_1, FIN_WAIT_2, CLOSING, LAST_ACK, TIME_WAIT))
OWN_FIN_ACKED = frozenset((FIN_WAIT_2, TIME_WAIT))
PEERS_FIN = frozenset((CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT))


@dataclass(slots=True)
class Talk(Packable):
    """One connection's amounts; segments are None until the kernel tells them.

    `acked` and `came` count sequence numbers, with FINs and without a SYN.
    """

    cookie: int
    local: str
    remote: str
    acked: int = 0
    came: int = 0
    own_fin: bool = False
    own_fin_acked: bool = False
    peers_fin: bool = False
    una: int | None = None
    rcv: int | None = None
    segs_out: int | None = None
    data_segs_out: int = 0
    segs_in: int | None = None
    sent_again: int = 0
    over: bool = False

    @property
    def sent(self) -> int:
        """Bytes that were acknowledged."""
        return max(self.acked - self.own_fin_acked, 0)

    @property
    def received(self) -> int:
        """Bytes that came."""
        return max(self.came - self.peers_fin, 0)

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
    data_segs_out: int = 0
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
        self.data_segs_out += talk.data_segs_out
        self.segs_in += talk.segs_in or 0
        self.sent_again += talk.sent_again


def _advance(before: int | None, now: int) -> int:
    """How many bytes a number tells of that the one before did not."""
    return relative(now, before) if before is not None and is_after(now, before) else 0


class Talkers:
    """Feed it joined events, then ask who talked most."""

    def __init__(self, schema: Schema) -> None:
        self.gaps = Gaps(schema, NEEDED_KINDS)
        self.kept: Kept[Talk] = Kept(lambda talk: talk.over)
        self._schema = schema
        self._names = schema.values.get("state", {})

    def feed(self, event: Event) -> None:
        """The next event."""
        if self.gaps.takes(event) or not event["cookie"]:
            return
        state = self._names.get(event["state"], "")
        if event.kind == "destroy":
            self._ends(event)
        elif event.kind == "time_wait":
            talk = self.kept.get(event.key)
            if talk is not None:
                self._see_fins(talk, state)
        elif state in SYNCHRONIZED and event["snd_una"]:
            self._goes_on(event, state)

    @staticmethod
    def _see_fins(talk: Talk, state: str) -> None:
        """What comes once a small sock has taken over is not counted."""
        if not talk.over:
            talk.own_fin |= state in OWN_FIN
            talk.own_fin_acked |= state in OWN_FIN_ACKED
            talk.peers_fin |= state in PEERS_FIN

    def _talk(self, event: Event) -> Talk:
        talk = self.kept.get(event.key)
        if talk is None:
            talk = self.kept.add(event.key, Talk(
                event["cookie"], local_endpoint(event), remote_endpoint(event)))
        return talk

    def _goes_on(self, event: Event, state: str) -> None:
        talk = self._talk(event)
        if talk.over:
            return  # a small sock, which has no numbers of its own
        self._see_fins(talk, state)
        talk.acked += _advance(talk.una, event["snd_una"])
        talk.came += _advance(talk.rcv, event["rcv_nxt"])
        talk.una, talk.rcv = event["snd_una"], event["rcv_nxt"]
        if event.kind == "retransmit":
            talk.sent_again += segments_sent_again(event)

    def _ends(self, event: Event) -> None:
        if not event["segs_out"] and not event["segs_in"]:
            return  # a listener, or a socket that a disconnect has cleared
        talk = self._talk(event)
        is_passive = "passive" in self._schema.bit_names("sock_flags",
                                                         event["sock_flags"])
        talk.acked = max(event["bytes_acked"] - (not is_passive), 0)
        talk.came = event["bytes_received"]
        talk.own_fin_acked |= (talk.own_fin and event["snd_nxt"] != 0
                               and event["snd_una"] == event["snd_nxt"])
        talk.segs_out, talk.segs_in = event["segs_out"], event["segs_in"]
        talk.data_segs_out = event.values.get("data_segs_out", 0)
        talk.sent_again = max(talk.sent_again, event["retrans_segs"])
        talk.over = True

    def peers(self) -> Iterator[PeerTalk]:
        """The same by the other end's address."""
        found: dict[str, PeerTalk] = {}
        for talk in self.kept:
            address = talk.remote.rpartition(":")[0]
            found.setdefault(address, PeerTalk(address)).add(talk)
        yield from found.values()
