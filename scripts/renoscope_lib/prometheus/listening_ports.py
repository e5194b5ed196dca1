# SPDX-License-Identifier: GPL-2.0
"""The queues of whoever listens, by port, as numbers that a scraper may keep.

A scraper keeps a time series for each label it ever saw, so labels must be few
and the same tomorrow.  A port is: addresses and ids come and go.  Listeners that
share one (SO_REUSEPORT, network namespaces, addresses) are summed up, and how full
the fullest of them is stands beside the sum, which would hide it.  The first ports
seen have labels of their own; those that come later share one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from ..ring.schema import Event, Schema
from ..tcp.flows import StateNames
from ..tcp.tcp_states import CLOSED, LISTEN
from ..views.listeners import HANDSHAKE_KINDS, Listener, Listeners
from .exposition import AT_LEAST, COUNTER, GAUGE, Family, Sample

# Ports with a label of their own, unless the user wants another number.
PORTS = 64
OTHER = "other"

# Listeners followed at once; of more, those silent for the longest time are given up.
MOST = 1024

COUNTED = {
    "syn": ("syns", "SYNs that reached a listener"),
    "accepted": ("accepted", "connections that accept() gave to a process"),
    "refused": ("refused", "SYNs and last ACKs of handshakes that a listener "
                           "dropped"),
    "synack_retransmit": ("synack_retransmits", "SYN-ACKs sent again"),
}


def _half_open_fill(listener: Listener) -> float:
    """It takes one more than the backlog (inet_csk_reqsk_queue_is_full())."""
    return listener.half_open.now / ((listener.limit or 0) + 1)


def _accept_fill(listener: Listener) -> float:
    """So does the accept queue (sk_acceptq_is_full())."""
    return listener.accept.now / ((listener.limit or 0) + 1)


# What is summed up over the listeners of a port, and what only the fullest tells.
SUMS: tuple[tuple[str, str, Callable[[Listener], float]], ...] = (
    ("half_open", "requests in the half-open (SYN) queue",
     lambda listener: listener.half_open.now),
    ("accept_queue", "connections waiting for accept()",
     lambda listener: listener.accept.now),
    ("queue_limit", "the limit of each of the two queues: the backlog of "
     "listen(), at most net.core.somaxconn",
     lambda listener: listener.limit or 0),
)
FULLEST: tuple[tuple[str, str, Callable[[Listener], float]], ...] = (
    ("half_open_fill_ratio", "how full the fullest half-open queue is; 1 is full",
     _half_open_fill),
    ("accept_queue_fill_ratio", "how full the fullest accept queue is; 1 is full",
     _accept_fill),
)
BY_PORT: tuple[tuple[tuple[tuple[str, str, Callable[[Listener], float]], ...],
                     Callable[[Iterable[float]], float]], ...] = (
    (SUMS, sum), (FULLEST, max))


class ListeningPorts:
    """Feed it joined events, then ask for the families."""

    def __init__(self, schema: Schema, ports: int = PORTS) -> None:
        self._states = StateNames(schema)
        self._listeners = Listeners(schema, MOST)
        self._ports = ports
        self._labels: dict[int, str] = {}
        self._counts: dict[str, Counter[str]] = {
            kind: Counter() for kind in COUNTED}

    def feed(self, event: Event) -> None:
        """The next event."""
        if event.kind in HANDSHAKE_KINDS:
            self._listeners.feed(event)
            label = self._label(event["local_port"])
            if event.kind in COUNTED:
                self._counts[event.kind][label] += 1
        elif self._states.change(event) == (LISTEN, CLOSED):
            listener = self._listeners.known(event["netns"], event["cookie"])
            if listener is not None:
                self._listeners.forget(listener)

    def _label(self, port: int) -> str:
        if port not in self._labels and len(self._labels) < self._ports:
            self._labels[port] = str(port)
        return self._labels.get(port, OTHER)

    def _by_label(self) -> dict[str, list[Listener]]:
        """Those whose queues an event has told of."""
        groups: dict[str, list[Listener]] = {}
        for listener in self._listeners.all():
            if listener.limit is not None:
                groups.setdefault(self._label(listener.port), []).append(listener)
        return groups

    def families(self) -> Iterator[Family]:
        """The queues as their last events told, and what went through them."""
        groups = self._by_label()
        for metrics, how in BY_PORT:
            for name, help_, value_of in metrics:
                yield Family(
                    f"renoscope_{name}", GAUGE,
                    f"By listening port, as of the last event: {help_}.",
                    [Sample({"port": label}, how(map(value_of, listeners)))
                     for label, listeners in groups.items()])
        yield Family("renoscope_listeners_not_shown_total", COUNTER,
                     f"Listeners beyond the {MOST} last heard of: their queues are in "
                     "no gauge until an event tells of them again.",
                     [Sample({}, self._listeners.left_out.count)])
        seen = dict.fromkeys([*self._labels.values(), *(
            label for counts in self._counts.values() for label in counts)])
        for kind, (name, help_) in COUNTED.items():
            yield Family(f"renoscope_listener_{name}_total", COUNTER,
                         f"By listening port: {help_}. {AT_LEAST}",
                         [Sample({"port": label}, self._counts[kind][label])
                          for label in seen])
