# SPDX-License-Identifier: GPL-2.0
"""The initial sequence numbers of each host, its own and its peers', as they came.

isn_audit.py says how predictable they are, isn_text.py how that reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..ring.schema import Event, Schema
from ..tcp.flows import StateNames, ends_of
from ..tcp.tcp_states import CLOSED, LISTEN
from ..words import address, is_unset
from .gaps import Gaps
from .isn_audit import Audit, Sample, audit_of

# Memory: ISNs kept for one host, and hosts.
KEPT = 100_000
MOST_HOSTS = 100_000


@dataclass
class Host:
    """Whose ISNs these are."""

    netns: int
    address: str
    whose: str
    samples: list[Sample] = field(default_factory=list)
    left_out: int = 0


OWN, PEER, COOKIES = "own", "peer", "own cookies"


# The events that bear an ISN as soon as there is one; later ones only repeat it.
ISN_KINDS = ("state", "syn", "request", "synack")


class IsnAudit:
    """Feed it joined events, then ask for each host's audit."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._states = StateNames(schema)
        self.gaps = Gaps(
            schema, ISN_KINDS,
            loss="some differences span a connection not seen")
        self._hosts: dict[tuple[Any, ...], Host] = {}
        self._seen: dict[tuple[Any, ...], None] = {}
        self.left_out = 0       # ISNs of hosts that were too many

    def feed(self, event: Event) -> None:
        """The next event; every kind that bears an ISN counts, the first wins."""
        if self.gaps.takes(event):
            return
        if event.kind in ("syn", "cookie_checked", "refused"):
            if event.kind == "syn":
                self._add(event, PEER, event["seg_seq"])
            return
        if event["cookie"] and event["local_port"] and not self._listens(event):
            self._add(event, OWN, event["snd_isn"])
            self._add(event, PEER, event["rcv_isn"])
        elif event.kind == "synack":  # without an id: nothing is kept
            self._add(event, COOKIES, event["snd_isn"])

    def _listens(self, event: Event) -> bool:
        """A listener's own fields are not a connection's."""
        change = self._states.change(event)
        return (self._states.name_of(event) in (LISTEN, CLOSED)
                or change is not None and change[0] == LISTEN
                and event.listener is None)

    def _add(self, event: Event, whose: str, isn: int) -> None:
        """A connection tells its ISN in every event: only once."""
        if not isn or is_unset(event["remote_addr"]):
            return
        ends = ends_of(event)
        side = PEER if whose == PEER else OWN
        keys: list[tuple[object, ...]] = [(side, isn, ends)]
        if event["cookie"]:
            # connecting to the same host again, a socket counts on from its own last
            # number: tcp_v4_connect() draws one only where there is none
            keys.append((side, event["cookie"] if side == OWN else event.key))
        known = any(key in self._seen for key in keys)
        self._seen.update(dict.fromkeys(keys))
        while len(self._seen) > 8 * KEPT:
            del self._seen[next(iter(self._seen))]
        if known:
            return
        host = self._host(event, whose)
        if host is None:
            self.left_out += 1
        elif len(host.samples) >= KEPT:
            host.left_out += 1
        else:
            host.samples.append(Sample(event["time_ns"], isn, ends))

    def _host(self, event: Event, whose: str) -> Host | None:
        """None for one too many: a flood's addresses, of one number each, tell nothing."""
        raw = event["remote_addr" if whose == PEER else "local_addr"]
        key = (event["netns"], raw, whose)
        if key not in self._hosts and len(self._hosts) < MOST_HOSTS:
            self._hosts[key] = Host(event["netns"], address(raw), whose)
        return self._hosts.get(key)

    def host_count(self) -> int:
        """How many there are."""
        return len(self._hosts)

    def audits(self) -> list[tuple[Host, Audit]]:
        """Each host with its audit, the largest samples first."""
        hosts = sorted(self._hosts.values(), key=lambda h: -len(h.samples))
        return [(h, audit_of(h.samples, h.whose == COOKIES)) for h in hosts]
