# SPDX-License-Identifier: GPL-2.0
"""What each listener's two queues went through, counted.

Every event of a request's life carries its listener and the length of both
queues before the event, so the counts need no memory of single requests and
stay right where events were lost, except for what was lost itself.

A listener is known by its own id.  `accepted` has none, as accept() has left
the listener behind by then; its connection's `completed` had it.  Other events
without one count for the listener last seen at the same address.

A recording may have any number of listeners: those not heard of for the longest time
go, and what they counted is told in one sum.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..ring.schema import Event, Schema
from ..tcp.flows import Ends, StateNames, ends_of, is_mptcp, is_of_recording
from ..tcp.kept import remember
from ..tcp.sequence import ACK
from ..tcp.tcp_states import CLOSED, LISTEN
from ..words import connection, local_endpoint, plural

HANDSHAKE_KINDS = ("syn", "request", "synack", "synack_retransmit", "refused",
                   "completed", "accepted", "request_end", "cookie_checked")

# Listeners kept: more than a host has, and a few kilobytes each.
MOST = 10_000

# Completed connections remembered until they are accepted; addresses of listeners.
REMEMBERED = 200_000

# Handshakes that two segments may complete at once, on two processors, the latest ones;
# and so soon one after the other they do.
RACING = 1000
RACE_NS = 100_000_000

# A listener that is closed ends those in its accept queue one after the other.
ALONG_WITH_IT_NS = 1_000_000_000


def is_last_ack(event: Event) -> bool:
    """Of a refused event: a handshake's last ACK was dropped, not a SYN."""
    return bool(event["seg_flags"] & ACK)


def _tells_no_queue(event: Event) -> bool:
    """A Fast Open child's SYN-ACK is sent again out of no queue; others wait."""
    return event.kind == "synack_retransmit" and not event["half_open"]


@dataclass
class Queue:
    """One queue's length as far as it was seen."""

    now: int = 0
    peak: int = 0

    def was(self, before: int, change: int = 0) -> None:
        """Its length before an event, and what the event does to it."""
        self.now = max(before + change, 0)
        self.peak = max(self.peak, before, self.now)


@dataclass
class Span:
    """The time between the first of something and the last."""

    first_ns: int = 0
    last_ns: int = -1

    def add(self, time_ns: int) -> None:
        """It was then, too."""
        self.first_ns = self.first_ns or time_ns
        self.last_ns = time_ns

    def meets(self, other: Span) -> bool:
        """Whether both have a moment in common."""
        return self.first_ns <= other.last_ns and other.first_ns <= self.last_ns


@dataclass
class Listener:
    """One listener's counts."""

    cookie: int
    netns: int
    address: str
    port: int
    syns: int = 0
    requests: int = 0
    completed: int = 0
    accepted: int = 0
    synacks_again: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    refused_syns: Counter[str] = field(default_factory=Counter)
    refused_acks: Counter[str] = field(default_factory=Counter)
    outrun: int = 0     # of these: another segment had completed, or then did
    cookies_sent: int = 0
    cookies: Counter[str] = field(default_factory=Counter)
    half_open: Queue = field(default_factory=Queue)
    accept: Queue = field(default_factory=Queue)
    limit: int | None = None
    syn_backlog: int = 0
    max_retries: int = 0
    synack_timeout_us: int = 0
    given_up_after_us: int | None = None  # the soonest, from the first SYN-ACK on
    number: int = 0  # in the order they were first seen
    seen: Span = field(default_factory=Span)
    refusing: Span = field(default_factory=Span)    # for want of room in the accept queue

    @property
    def name(self) -> str:
        """Its id as ss -e shows it."""
        return connection(self.cookie)

    @property
    def resets(self) -> int:
        """Requests that a RST ended, whoever sent it."""
        return self.endings["reset_by_peer"] + self.endings["reset_by_us"]

    @property
    def refused(self) -> int:
        """SYNs and last ACKs that were dropped."""
        return sum(self.refused_syns.values()) + sum(self.refused_acks.values())

    def had_room_beside(self, other: Listener) -> bool:
        """Whether it listened at the same place as another, and took what that refused."""
        return (self.cookie not in (0, other.cookie) and other.cookie != 0
                and (self.netns, self.address) == (other.netns, other.address)
                and self.limit is not None and self.accept.peak <= self.limit
                and self.seen.meets(other.refusing))

    def queues_as_json(self) -> dict[str, Any]:
        """Both queues, as plain data."""
        return {name: {"now": queue.now, "peak": queue.peak, "limit": self.limit}
                for name, queue in (("half_open", self.half_open),
                                    ("accept_queue", self.accept))}

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return {
            "listener": self.name, "netns": self.netns,
            "local": self.address, "syns": self.syns,
            "requests": self.requests, "completed": self.completed,
            "accepted": self.accepted,
            "synacks_sent_again": self.synacks_again,
            "request_endings": dict(self.endings),
            "refused_syns": dict(self.refused_syns),
            "refused_last_acks": dict(self.refused_acks),
            "cookies_sent": self.cookies_sent,
            "cookies_checked": dict(self.cookies),
            **self.queues_as_json(),
            "syn_backlog": self.syn_backlog, "max_retries": self.max_retries,
            "synack_timeout_us": self.synack_timeout_us,
            "given_up_after_us": self.given_up_after_us,
        }


class LeftOut:
    """Listeners that are not kept any more, and what they had counted."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.count = 0
        self._counted: Counter[str] = Counter()

    def add(self, listener: Listener) -> None:
        """One more."""
        self.count += 1
        self._counted.update(SYN=listener.syns, handshake=listener.completed,
                             refusal=listener.refused)

    def lines(self) -> list[str]:
        """A line on them; none if all are kept."""
        if not self.count:
            return []
        counted = self._counted
        return [f"{plural(self.count, 'listener')} left out, not heard of for the longest "
                f"time, with {plural(counted['SYN'], 'SYN')}, "
                f"{plural(counted['handshake'], 'handshake')} completed and "
                f"{plural(counted['refusal'], 'refusal')}: too many to keep (at most "
                f"{self._most})"]


def _nobody(_: Listener) -> None:
    """Nobody keeps anything beside a listener."""


class Listeners:
    """Feed it events of a request's life; it counts them by listener.

    Whoever keeps more of a listener is told with `forgets` which one is no longer kept.
    """

    def __init__(self, schema: Schema, most: int | None = None,
                 forgets: Callable[[Listener], None] = _nobody) -> None:
        self._schema = schema
        self._most = most or MOST
        self._forgets = forgets
        self._last_number = 0
        # By number, who was last heard of at the end.  The others have numbers, so that
        # nothing holds a listener that is forgotten.
        self._all: OrderedDict[int, Listener] = OrderedDict()
        self._by_cookie: dict[tuple[int, int], int] = {}
        self._by_address: dict[tuple[Any, ...], int] = {}
        self._of_child: dict[int, int] = {}
        self._completed_ns: dict[Ends, int] = {}
        self._refused_ns: dict[Ends, int] = {}
        self.left_out = LeftOut(self._most)

    def __len__(self) -> int:
        return len(self._all)

    def feed(self, event: Event) -> Listener | None:
        """The next event; the listener it counted for, None if it is of none."""
        if event.kind not in HANDSHAKE_KINDS:
            return None
        listener = (self._kept(self._of_child.pop(event["cookie"], None))
                    or self._listener(event))
        self._all.move_to_end(listener.number)
        if event.kind != "accepted" and event.values.get("listener", 1):
            self._limits(listener, event)
            self._queues(listener, event)
            listener.seen.add(event["time_ns"])
        getattr(self, f"_count_{event.kind}")(listener, event)
        return listener

    def all(self) -> list[Listener]:
        """Every listener that is kept, in the order they were first seen."""
        return [self._all[number] for number in sorted(self._all)]

    def known(self, netns: int, cookie: int) -> Listener | None:
        """The one with this id."""
        return self._kept(self._by_cookie.get((netns, cookie)))

    def forget(self, listener: Listener) -> None:
        """One that was closed, and need not be told of any more."""
        if self._all.pop(listener.number, None) is not None:
            self._by_cookie.pop((listener.netns, listener.cookie), None)
            self._forgets(listener)

    def _kept(self, number: int | None) -> Listener | None:
        return None if number is None else self._all.get(number)

    def _listener(self, event: Event) -> Listener:
        cookie = event.values.get("listener", 0)
        ends = (event["netns"], event["local_addr"], event["local_port"])
        if not cookie:
            listener = self._kept(self._by_address.get(ends)) or self._new(0, event)
            self._is_at(ends, listener)
            return listener
        listener = (self.known(event["netns"], cookie)
                    or self._known_by_address(ends, cookie, event))
        self._is_at(ends, listener)
        if listener.address != local_endpoint(event):
            listener.address = f"*:{event['local_port']}"
        return listener

    def _is_at(self, ends: tuple[Any, ...], listener: Listener) -> None:
        remember(self._by_address, ends, listener.number, REMEMBERED)

    def _known_by_address(self, ends: tuple[Any, ...], cookie: int,
                          event: Event) -> Listener:
        """One that had no id until now, or else a new one."""
        listener = self._kept(self._by_address.get(ends))
        if listener is None or listener.cookie:
            listener = self._new(cookie, event)
        listener.cookie = cookie
        self._by_cookie[event["netns"], cookie] = listener.number
        return listener

    def _new(self, cookie: int, event: Event) -> Listener:
        self._last_number += 1
        listener = Listener(cookie, event["netns"], local_endpoint(event),
                            event["local_port"], number=self._last_number)
        self._all[listener.number] = listener
        if len(self._all) > self._most:
            silent = next(iter(self._all.values()))
            self.left_out.add(silent)
            self.forget(silent)
        return listener

    @staticmethod
    def _limits(listener: Listener, event: Event) -> None:
        if event["accept_limit"] or not _tells_no_queue(event):
            listener.limit = event["accept_limit"]
        listener.syn_backlog = (event.values.get("syn_backlog", 0)
                                or listener.syn_backlog)
        # a crowded queue lowers it for a while; the most is what is set
        listener.max_retries = max(listener.max_retries, event["max_retries"])
        listener.synack_timeout_us = (event["synack_timeout_us"]
                                      or listener.synack_timeout_us)

    @staticmethod
    def _queues(listener: Listener, event: Event) -> None:
        """The next event corrects what a cookie's child did not leave."""
        half_open = {"request": 1, "request_end": -1, "completed": -1}
        listener.half_open.was(event["half_open"],
                               half_open.get(event.kind, 0))
        listener.accept.was(event["accept_queue"], event.kind == "completed")

    def _count_syn(self, listener: Listener, _: Event) -> None:
        listener.syns += 1

    def _count_request(self, listener: Listener, _: Event) -> None:
        listener.requests += 1

    def _count_synack(self, listener: Listener, event: Event) -> None:
        kind = self._schema.name_of("synack_type", event["synack_type"])
        listener.cookies_sent += kind == "cookie"

    def _count_synack_retransmit(self, listener: Listener, _: Event) -> None:
        listener.synacks_again += 1

    def _count_refused(self, listener: Listener, event: Event) -> None:
        reason = self._schema.name_of("refusal", event["refusal"])
        counts = (listener.refused_acks if is_last_ack(event)
                  else listener.refused_syns)
        counts[reason] += 1
        if reason == "accept_queue_full":
            listener.refusing.add(event["time_ns"])
        elif counts is listener.refused_acks and reason == "other":
            self._races(listener, event, self._refused_ns, self._completed_ns)

    def _count_completed(self, listener: Listener, event: Event) -> None:
        listener.completed += 1
        remember(self._of_child, event["cookie"], listener.number, REMEMBERED)
        self._races(listener, event, self._completed_ns, self._refused_ns)

    @staticmethod
    def _races(listener: Listener, event: Event, own_ns: dict[Ends, int],
               other_ns: dict[Ends, int]) -> None:
        """A cookie's ACK that comes second finds the connection there (inet_ehash_nolisten())."""
        ends, time_ns = ends_of(event), event["time_ns"]
        met_ns = other_ns.pop(ends, None)
        if met_ns is not None and time_ns - met_ns < RACE_NS:
            listener.outrun += 1
        remember(own_ns, ends, time_ns, RACING)

    def _count_accepted(self, listener: Listener, _: Event) -> None:
        listener.accepted += 1
        listener.accept.now = max(listener.accept.now - 1, 0)

    def _count_request_end(self, listener: Listener, event: Event) -> None:
        ending = self._schema.name_of("request_ending", event["request_ending"])
        listener.endings[ending] += 1
        after_us = event["since_synack_us"]
        if ending == "expired" and after_us:
            listener.given_up_after_us = min(listener.given_up_after_us or after_us,
                                             after_us)

    def _count_cookie_checked(self, listener: Listener, event: Event) -> None:
        verdict = self._schema.name_of("cookie_verdict", event["cookie_verdict"])
        listener.cookies[verdict] += 1


class AcceptQueues:
    """Who waits for accept(), and who was left there when the listener closed.

    The kernel ends those as a program disconnects a connection of its own, so
    nothing else tells them apart.  After a gap nobody knows who was accepted; nor who
    was of MPTCP, whose own socket is what accept() hands over.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._states = StateNames(schema)
        self._waiting: dict[int, int] = {}
        self._closed_ns: dict[int, int] = {}
        self._port_closed_ns: dict[tuple[int, int], int] = {}

    def goes_with_one(self, event: Event) -> bool:
        """Whether a listener of its port went just before it, whoever waited there."""
        closed_ns = self._port_closed_ns.get((event["netns"], event["local_port"]))
        return (closed_ns is not None and not is_mptcp(self._schema, event)
                and event["time_ns"] - closed_ns < ALONG_WITH_IT_NS)

    def leaves_behind(self, event: Event) -> bool:
        """The next event; whether its connection ends as its listener did."""
        if is_of_recording(event):
            self._waiting.clear()
            return False
        cookie = event["cookie"]
        if event.kind == "completed":
            remember(self._waiting, cookie, event.values.get("listener", 0),
                     REMEMBERED)
        elif event.kind == "accepted":
            self._waiting.pop(cookie, None)
        change = self._states.change(event)
        if change == (LISTEN, CLOSED):
            remember(self._closed_ns, cookie, event["time_ns"], REMEMBERED)
            remember(self._port_closed_ns, (event["netns"], event["local_port"]),
                     event["time_ns"], REMEMBERED)
        if event.kind != "destroy" and (change is None or change[1] != CLOSED):
            return False
        closed_ns = self._closed_ns.get(self._waiting.get(cookie, 0))
        if event.kind == "destroy":
            self._waiting.pop(cookie, None)
        return (closed_ns is not None and not is_mptcp(self._schema, event)
                and event["time_ns"] - closed_ns < ALONG_WITH_IT_NS)
