# SPDX-License-Identifier: GPL-2.0
"""Is a listener flooded with SYNs that nobody means to follow up?

A flood and a busy hour look alike in the length of a queue.  What tells them
apart is what becomes of the SYN-ACKs: a client that lives answers within a
round trip, a forged address never does.  So the verdict rests on the share of
answered SYN-ACKs; the queues only say how much harm is done.

Three things look like a flood and are none; each is told apart:

 - too many real clients: cookies are sent, but they come back validated;
 - a process too slow to accept(): the last ACKs arrive and are refused, so
   these clients have proven themselves;
 - a path that loses our SYN-ACKs: the clients repeat their SYN, which a flood
   of forged addresses does not.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

from .gaps import Gaps
from .listeners import (HANDSHAKE_KINDS, LeftOut, Listener, Listeners,
                        is_last_ack)
from .openings import Ends, ends_of
from .schema import Event, Schema
from .tables import aligned, labelled, note
from .wanted import Filter
from .words import duration, is_unset, or_dash, plural

# ---- thresholds, each with its reason

# The kernel counts a request as young until its timer first fires, 1 s after
# the SYN-ACK: by then even a slow path has brought an answer.
ANSWER_NS = 1_000_000_000

# Fewer unanswered SYN-ACKs than this are a scan, or a few clients that died;
# the smallest backlog in common use (128) would not feel them.
MIN_UNANSWERED = 20

# Healthy listeners see nearly every SYN-ACK answered.  When half are not, dead
# clients cannot explain it any more.
UNANSWERED_SHARE = 0.5

# With real clients in between, a flood may be the smaller part and still fill
# the queue: then the queue decides, when requests that nobody answered for a
# second hold half of the backlog.
OLD_SHARE_OF_LIMIT = 0.5

# A client that lives repeats its SYN when no SYN-ACK comes.  When half of the
# unanswered did, it is their path that is broken.
REPEATED_SHARE = 0.5

# What happened longer ago than this is not under way any more: a flood worth the
# name sends without a pause.
RECENT_NS = 5_000_000_000

# Of randomly forged addresses hardly two share a /24 network; clients of one
# site or a single attacker do.  The busiest source of a forged flood has a
# share near 1 / (number of SYNs).
SPREAD_NETWORKS = 0.5
FEW_SOURCES = 8

# Memory: requests followed at once, and addresses counted, of all listeners together.
# Too many requests go together with this share of the rest: it takes a search.
FOLLOWED = 200_000
COUNTED_SOURCES = 500_000
ROOM_MADE = 20

# The half-open queue is sampled so often.
SAMPLE_NS = 100_000_000
GROWTH_NS = 1_000_000_000

# A RST is an answer: somebody is there, and the request's place is free again
# (a scan, a health check, or a forged address whose owner exists).
NOT_SILENT = ("reset_by_peer", "reset_by_us")

NO_FLOOD = "no flood"
LIKELY = "flood likely"
HOLDING = "flood under way, cookies holding"
REFUSING = "flood under way, SYNs are refused"
OVER = "a flood, over by now"
CANNOT_TELL = "cannot tell"

# Without all of these nobody can say what became of a SYN.
DECIDING_KINDS = ("syn", "request", "synack", "completed", "request_end")


@dataclass(slots=True)
class _Pending:
    """A SYN-ACK that waits for its ACK."""

    since_ns: int
    proven: bool = False
    repeated: bool = False


@dataclass(slots=True)
class Growth:
    """The most that a queue grew in a second; a shorter rise counts as one."""

    steepest: float = 0.0
    last_ns: int | None = None
    rising: deque[tuple[int, int]] = field(default_factory=deque)  # the lowest first

    def see(self, now_ns: int, length: int) -> None:
        """Its length at some moment, unless the last one is a moment ago."""
        if self.last_ns is not None and now_ns - self.last_ns < SAMPLE_NS:
            return
        self.last_ns = now_ns
        rising = self.rising
        while rising and now_ns - rising[0][0] > GROWTH_NS:
            rising.popleft()
        if rising:
            self.steepest = max(self.steepest, float(length - rising[0][1]))
        while rising and rising[-1][1] >= length:
            rising.pop()
        rising.append((now_ns, length))


@dataclass
class Pressure:
    """What one listener went through."""

    listener: Listener
    pending: dict[Any, _Pending] = field(default_factory=dict)
    answered: int = 0
    unanswered: int = 0
    proven: int = 0
    repeated: int = 0
    syns: int = 0
    sources: Counter[bytes] = field(default_factory=Counter)
    growth: Growth = field(default_factory=Growth)
    first_syn_ns: int = 0
    last_syn_ns: int = 0
    last_refused_ns: int = 0
    last_cookie_ns: int = 0


@dataclass(frozen=True)
class Evidence:
    """The numbers that a verdict is made from."""

    syns: int
    syns_per_s: float
    half_open: int
    half_open_peak: int
    limit: int | None
    old_half_open: int
    growth_per_s: float
    answered: int
    unanswered: int
    repeated: int
    proven: int
    sources: int
    networks: int
    syns_of_others: int
    busiest_share: float
    source_entropy: float
    expired: int
    resets: int
    cookies_sent: int
    cookies_valid: int
    cookies_invalid: int
    refused_half_open: int
    refused_accept: int
    accept_peak: int
    quiet_ns: int

    @property
    def decided(self) -> int:
        """SYN-ACKs of which we know, or may fairly say, what became."""
        return self.answered + self.unanswered

    @property
    def overfull(self) -> bool:
        """Whether the half-open queue took more than its limit, where it is known."""
        return self.limit is not None and self.half_open_peak > self.limit

    @property
    def completing(self) -> float | None:
        """The share of SYN-ACKs that were answered."""
        return self.answered / self.decided if self.decided else None

    @property
    def at_least(self) -> str:
        """Before a count of addresses: there were too many to tell them all."""
        return "at least " if self.syns_of_others else ""


@dataclass(frozen=True)
class Verdict:
    """What we think, and why."""

    words: str
    why: str

    @property
    def is_flood(self) -> bool:
        """Whether a flood was seen at all."""
        return self.words not in (NO_FLOOD, CANNOT_TELL)


class FloodWatch:
    """Feed it events, then ask for each listener's evidence."""

    def __init__(self, schema: Schema, port: int | None = None) -> None:
        self._schema = schema
        self._port = port
        self._listeners = Listeners(schema, forgets=self._forget)
        self._pressures: dict[int, Pressure] = {}
        self._followed = 0  # at most so many are followed; those that ended are in it
        self._sources = 0
        self.gaps = Gaps(schema, HANDSHAKE_KINDS, loss="the counts are too low")

    def feed(self, event: Event) -> None:
        """The next event."""
        if self.gaps.takes(event):
            return
        listener = self._listeners.feed(event)
        if listener is None:
            return
        pressure = self._pressures.get(listener.number)
        if pressure is None:
            pressure = self._pressures[listener.number] = Pressure(listener)
        pressure.growth.see(event["time_ns"], listener.half_open.now)
        take = getattr(self, f"_take_{event.kind}", None)
        if take is not None:
            take(pressure, event)

    def _forget(self, listener: Listener) -> None:
        pressure = self._pressures.pop(listener.number, None)
        if pressure is not None:
            self._sources -= len(pressure.sources)

    @property
    def listeners_left_out(self) -> LeftOut:
        """Those too many to keep."""
        return self._listeners.left_out

    def why_not(self) -> str:
        """Why there can be no verdict; empty if there can be one."""
        if self.gaps.frozen_throughout:
            return "recording was frozen all the time"
        off = [f"`{kind}`" for kind in self.gaps.not_recorded(*DECIDING_KINDS)]
        if not off:
            return ""
        return f"{', '.join(off)} {'was' if len(off) == 1 else 'were'} not recorded"

    def pressures(self) -> list[Pressure]:
        """Each chosen listener's, in the order they were first seen."""
        return [pressure for pressure in self._pressures.values()
                if self._port in (None, pressure.listener.port)]

    def none_seen(self) -> str:
        """What to say where there is no listener, or none that was chosen."""
        why_not = self.why_not()
        if why_not:
            return f"{CANNOT_TELL.capitalize()}: {why_not}."
        if self._pressures:
            return Filter(port=self._port).none_seen(len(self._pressures), "listener")
        return "No SYN reached a listener while this was watched."

    # ---- requests and cookies

    def _source(self, pressure: Pressure, event: Event) -> None:
        pressure.first_syn_ns = pressure.first_syn_ns or event["time_ns"]
        pressure.last_syn_ns = event["time_ns"]
        pressure.syns += 1
        address = event["remote_addr"]
        if address in pressure.sources:
            pressure.sources[address] += 1
        elif self._sources < COUNTED_SOURCES:
            self._sources += 1
            pressure.sources[address] = 1

    def _take_syn(self, pressure: Pressure, event: Event) -> None:
        self._source(pressure, event)

    def _take_request(self, pressure: Pressure, event: Event) -> None:
        if not pressure.listener.syns:
            self._source(pressure, event)
        self._follow(pressure, event["cookie"] or ends_of(event), event)

    def _take_synack(self, pressure: Pressure, event: Event) -> None:
        kind = self._schema.name_of("synack_type", event["synack_type"])
        if kind != "cookie":
            return
        if not pressure.listener.syns:
            self._source(pressure, event)
        pressure.last_cookie_ns = event["time_ns"]
        ends = ends_of(event)
        if ends in pressure.pending:  # its SYN was repeated
            pressure.pending[ends].repeated = True
        else:
            self._follow(pressure, ends, event)

    def _follow(self, pressure: Pressure, key: Any, event: Event) -> None:
        self._wait(pressure, key, event["time_ns"])

    def _wait(self, pressure: Pressure, key: Any, since_ns: int) -> None:
        pressure.pending[key] = _Pending(since_ns)
        self._followed += 1
        if self._followed > FOLLOWED:
            self._make_room()

    def _make_room(self) -> None:
        """Those that wait longest go, whoever's they are, if there are too many."""
        surplus = (sum(len(pressure.pending) for pressure in self._pressures.values())
                   - FOLLOWED + FOLLOWED // ROOM_MADE)
        everyone = ((pending.since_ns, number, key)
                    for number, pressure in self._pressures.items()
                    for key, pending in pressure.pending.items())
        for _, number, key in heapq.nsmallest(surplus, everyone, key=_since):
            self._gone(self._pressures[number], key)
        self._followed = FOLLOWED - FOLLOWED // ROOM_MADE + min(surplus, 0)

    def _take_synack_retransmit(self, pressure: Pressure,
                                event: Event) -> None:
        key = event["cookie"] or ends_of(event)
        if key not in pressure.pending:  # queued before watching began
            since_ns = event["time_ns"] - event["since_synack_us"] * 1000
            self._wait(pressure, key, since_ns)
        if not event["by_timer"] and key in pressure.pending:
            pressure.pending[key].repeated = True

    def _take_refused(self, pressure: Pressure, event: Event) -> None:
        pressure.last_refused_ns = event["time_ns"]
        if not is_last_ack(event):
            return
        pending = self._pending(pressure, event)
        if pending is not None:
            pending.proven = True

    @staticmethod
    def _pending(pressure: Pressure, event: Event) -> _Pending | None:
        for key in (event["cookie"], ends_of(event)):
            if key in pressure.pending:
                return pressure.pending[key]
        return None

    def _take_completed(self, pressure: Pressure, event: Event) -> None:
        self._answered(pressure, event["cookie"], ends_of(event))

    def _take_cookie_checked(self, pressure: Pressure, event: Event) -> None:
        """A valid one counts by its `completed`.

        Refused is also a second check, of the client's next segment, while the first
        still makes the connection: its `completed` comes later.
        """
        verdict = self._schema.name_of("cookie_verdict",
                                       event["cookie_verdict"])
        pending = self._pending(pressure, event)
        if verdict == "valid_refused" and pending is not None:
            pending.proven = True

    @staticmethod
    def _answered(pressure: Pressure, *keys: int | Ends) -> None:
        for key in keys:
            pressure.pending.pop(key, None)
        pressure.answered += 1

    def _take_request_end(self, pressure: Pressure, event: Event) -> None:
        ending = self._schema.name_of("request_ending",
                                      event["request_ending"])
        key = event["cookie"] or ends_of(event)
        if ending == "listener_gone":
            self._left_behind(pressure, key, event["time_ns"])
        elif ending in NOT_SILENT:
            pressure.pending.pop(key, None)
        elif key in pressure.pending:
            self._gone(pressure, key)
        else:
            pressure.unanswered += 1

    def _left_behind(self, pressure: Pressure, key: Any, now_ns: int) -> None:
        """Its listener was closed: it had its time to answer, or nobody can say."""
        pending = pressure.pending.get(key)
        if pending is not None and now_ns - pending.since_ns >= ANSWER_NS:
            self._gone(pressure, key)
        else:
            pressure.pending.pop(key, None)

    @staticmethod
    def _gone(pressure: Pressure, key: Any) -> None:
        pending = pressure.pending.pop(key)
        if pending.proven:
            pressure.answered += 1
            pressure.proven += 1
            return
        pressure.unanswered += 1
        pressure.repeated += pending.repeated


def _since(waiting: tuple[int, int, Any]) -> int:
    return waiting[0]


# ---- from what happened to numbers

def _network(address: bytes) -> bytes:
    """The /24 of an IPv4 address, the /64 of an IPv6 one."""
    return address[:15] if address[:12] == bytes(10) + b"\xff\xff" else address[:8]


def normalized_entropy(counts: Counter[bytes]) -> float:
    """Shannon's, of the sources' shares: 1 if all are alike, 0 if there is one."""
    total = sum(counts.values())
    if len(counts) < 2:
        return 0.0
    bits = -sum(n / total * math.log2(n / total) for n in counts.values())
    return bits / math.log2(len(counts))


def evidence_of(pressure: Pressure, end_ns: int) -> Evidence:
    """The numbers, as they stand at end_ns."""
    listener = pressure.listener
    old = {key: p for key, p in pressure.pending.items()
           if end_ns - p.since_ns >= ANSWER_NS}
    unproven = [p for p in old.values() if not p.proven]
    # of a cookie, which goes by its ends, nothing waits
    waiting = sum(isinstance(key, int) and not p.proven for key, p in old.items())
    seconds = max((pressure.last_syn_ns - pressure.first_syn_ns) / 1e9, 1.0)
    sources = pressure.sources
    syns = pressure.syns
    return Evidence(
        syns=syns, syns_per_s=syns / seconds,
        half_open=listener.half_open.now,
        half_open_peak=listener.half_open.peak, limit=listener.limit,
        old_half_open=waiting,
        growth_per_s=pressure.growth.steepest,
        answered=pressure.answered + len(old) - len(unproven),
        unanswered=pressure.unanswered + len(unproven),
        repeated=pressure.repeated + sum(p.repeated for p in unproven),
        proven=pressure.proven + len(old) - len(unproven),
        sources=len(sources),
        networks=len({_network(a) for a in sources if not is_unset(a)}),
        syns_of_others=syns - sum(sources.values()),
        busiest_share=max(sources.values(), default=0) / syns if syns else 0.0,
        source_entropy=normalized_entropy(sources),
        expired=listener.endings["expired"], resets=listener.resets,
        cookies_sent=listener.cookies_sent,
        cookies_valid=listener.cookies["valid"],
        cookies_invalid=listener.cookies["invalid"],
        refused_half_open=(listener.refused_syns["half_open_queue_full"]
                           + listener.refused_syns["unproven_peer"]),
        refused_accept=(listener.refused_syns["accept_queue_full"]
                        + listener.refused_acks["accept_queue_full"]),
        accept_peak=listener.accept.peak,
        quiet_ns=end_ns - pressure.last_syn_ns if pressure.last_syn_ns else 0)


# ---- from numbers to words

def _percent(share: float) -> str:
    if 0 < share < 0.01 or 0.99 < share < 1:
        return f"{100 * share:.1f}%"
    return f"{100 * share:.0f}%"


def verdict_of(seen: Evidence) -> Verdict:
    """What the numbers say."""
    if seen.unanswered < MIN_UNANSWERED and not seen.refused_half_open:
        return _no_flood(seen)
    if seen.repeated >= REPEATED_SHARE * max(seen.unanswered, 1):
        return Verdict(NO_FLOOD, (
            f"{seen.repeated} of {seen.unanswered} clients without an answer "
            "repeated their SYN, as only real ones do: our SYN-ACKs or their "
            "ACKs are lost on the way"))
    mostly_dead = (seen.decided > 0 and
                   seen.unanswered >= UNANSWERED_SHARE * seen.decided)
    clogged = (seen.limit is not None and seen.limit > 0 and
               seen.old_half_open >= OLD_SHARE_OF_LIMIT * seen.limit)
    if seen.unanswered < MIN_UNANSWERED or not (mostly_dead or clogged):
        return _no_flood(seen)
    why = (f"{seen.unanswered} of {seen.decided} SYN-ACKs were never answered"
           if mostly_dead else
           f"{seen.old_half_open} requests that nobody answered for a second "
           f"hold the half-open queue, of {seen.limit}")
    if seen.quiet_ns > RECENT_NS:
        return Verdict(OVER, f"{why}, but no SYN came in the last "
                       f"{duration(seen.quiet_ns // 1000)}")
    if seen.refused_half_open:
        return Verdict(REFUSING, f"{why}, and {seen.refused_half_open} SYNs "
                       "were refused for want of room: real clients are "
                       "shut out")
    if seen.cookies_sent:
        cause = ("the half-open queue is full and"
                 if seen.overfull else
                 "tcp_syncookies is 2, so the queue is spared:")
        return Verdict(HOLDING, f"{why}; {cause} {seen.cookies_sent} SYNs got "
                       "a cookie instead, so real clients still come in")
    return Verdict(LIKELY, f"{why}; the half-open queue is not full yet")


def _no_flood(seen: Evidence) -> Verdict:
    if seen.refused_accept:
        return Verdict(NO_FLOOD, (
            "the accept queue was full, and so it refused "
            f"{plural(seen.refused_accept, 'segment')}: the clients answer, "
            "the process is slow to accept() them, or its backlog is too "
            "small"))
    if seen.refused_half_open or seen.cookies_sent and seen.overfull:
        return Verdict(NO_FLOOD, (
            "more real clients at once than the backlog "
            f"of {seen.limit} has room for: they answer"))
    if seen.resets >= MIN_UNANSWERED and seen.resets > seen.answered:
        return Verdict(NO_FLOOD, (
            f"{seen.resets} clients answered with a RST: a scan, health "
            "checks, or forged addresses of hosts that exist; the queue is "
            "free again at once"))
    if seen.completing is None:
        return Verdict(NO_FLOOD, "too few SYNs to say more")
    return Verdict(NO_FLOOD, f"{_percent(seen.completing)} of "
                   f"{plural(seen.decided, 'SYN-ACK')} got an answer")


def sources_in_words(seen: Evidence, is_flood: bool) -> str:
    """How many, and how spread they look."""
    if not seen.sources:
        return "no SYN was seen"
    if seen.sources == 1:
        words = f"{seen.at_least}1 address"
    else:
        words = (f"{seen.at_least}{seen.sources} addresses in {seen.at_least}"
                 f"{plural(seen.networks, 'network')} (/24, IPv6 /64); the "
                 f"busiest sent {_percent(seen.busiest_share)} of the SYNs, "
                 f"evenness {seen.source_entropy:.2f} of 1")
    if not is_flood:
        return words
    if seen.sources <= FEW_SOURCES and not seen.syns_of_others:
        return f"{words}: so few that a firewall rule can stop them"
    if seen.networks >= SPREAD_NETWORKS * (seen.syns - seen.syns_of_others):
        return f"{words}: spread as forged random addresses are"
    return f"{words}: neither few nor random: a botnet, or real hosts"


def give_up_s(retries: int, first_us: int = 1_000_000) -> float:
    """Seconds from the first SYN-ACK until the request is dropped."""
    waits = [min(first_us << n, 120_000_000) for n in range(retries + 1)]
    return sum(waits) / 1e6


@dataclass(frozen=True)
class CounterMeasure:
    """One thing that helps."""

    sysctl: str
    now: str
    meaning: str


def counter_measures(listener: Listener) -> list[CounterMeasure]:
    """What helps, with what is set now as far as the events tell."""
    refused = (listener.refused_syns["half_open_queue_full"]
               or listener.refused_syns["unproven_peer"])
    always = (listener.limit is not None
              and listener.half_open.peak <= listener.limit)
    cookies = ("2, always (cookies were sent while the queue had room)"
               if listener.cookies_sent and always
               else "on (cookies were sent)" if listener.cookies_sent
               else "off (SYNs were refused)" if refused
               else "not seen: the queue never was full")
    retries = listener.max_retries
    first_us = listener.synack_timeout_us or 1_000_000
    waits = (f"{retries}: a request is kept {give_up_s(retries, first_us):g} s"
             if retries else "not seen")
    return [
        CounterMeasure(
            "net.ipv4.tcp_syncookies", cookies,
            "1 sends a cookie when the half-open queue is full: nothing is "
            "kept, and only a real client can answer it. 0 refuses the SYN, "
            "2 always sends cookies. The price: no memory of the request, so "
            "without timestamps no SACK and no window scale"),
        CounterMeasure(
            "net.core.somaxconn and listen()",
            "not seen" if listener.limit is None else str(listener.limit),
            "the listener's backlog is the smaller of the two, and limits "
            "both queues: more room for more half-open requests. The program "
            "must ask for it in listen(), and listen anew"),
        CounterMeasure(
            "net.ipv4.tcp_max_syn_backlog",
            str(listener.syn_backlog or "not seen"),
            "counts only while cookies are off: then its last quarter is kept "
            "for peers known from before. Raise it together with the backlog"),
        CounterMeasure(
            "net.ipv4.tcp_synack_retries", waits,
            f"a shorter timeout frees the queue sooner: 5 keeps a request "
            f"{give_up_s(5):g} s, 2 only {give_up_s(2):g} s. A client on a "
            "lossy path then has fewer chances"),
        CounterMeasure(
            "net.ipv4.tcp_abort_on_overflow", "not told by events",
            "no help against a flood: 1 answers with a RST when the accept "
            "queue is full, and real clients fail at once where they would "
            "have come in a second later. Leave it 0"),
    ]


def _rows(watch: FloodWatch, end_ns: int | None
          ) -> list[tuple[Pressure, Evidence, Verdict]]:
    rows = []
    why_not = watch.why_not()
    for pressure in watch.pressures():
        seen = evidence_of(pressure, watch.gaps.known_until_ns(end_ns))
        rows.append((pressure, seen, Verdict(CANNOT_TELL, why_not) if why_not
                     else verdict_of(seen)))
    return rows


def as_json(watch: FloodWatch, end_ns: int | None) -> dict[str, Any]:
    """Everything, as plain data."""
    return {"listeners": [
        {"listener": p.listener.name, "netns": p.listener.netns,
         "address": p.listener.address, "verdict": verdict.words,
         "is_flood": verdict.is_flood, "why": verdict.why,
         "evidence": asdict(seen) | {"decided": seen.decided,
                                     "completing": seen.completing},
         "counter_measures": [asdict(m)
                              for m in counter_measures(p.listener)]}
        for p, seen, verdict in _rows(watch, end_ns)],
            "listeners_forgotten": watch.listeners_left_out.count,
            "cannot_tell": watch.why_not() or None,
            **watch.gaps.as_json(end_ns)}


HELP = (
    "How to read it: `answered` is the share of SYN-ACKs that a client "
    "answered, near 100% when all is well. `half-open` is how many requests "
    "wait for that answer now, and the most there were, of the backlog.")


def as_text(watch: FloodWatch, end_ns: int | None) -> list[str]:
    """The same for people."""
    rows = _rows(watch, end_ns)
    left_out = watch.listeners_left_out.lines()
    if not rows:
        return [*left_out, watch.none_seen()]
    heading = ("listener", "verdict", "answered", "half-open", "most", "of",
               "SYNs/s", "sources")
    lines = left_out + aligned([heading] + [
        (p.listener.address, verdict.words,
         "-" if seen.completing is None else _percent(seen.completing),
         str(seen.half_open), str(seen.half_open_peak),
         or_dash(seen.limit), f"{seen.syns_per_s:.1f}",
         f"{seen.sources}{'+' if seen.syns_of_others else ''}")
        for p, seen, verdict in rows], frozenset(range(2, 8)))
    lines += note(HELP, "  ")
    for pressure, seen, verdict in rows:
        lines += ["", *_evidence_lines(pressure, seen, verdict)]
    flooded = [p.listener for p, _, verdict in rows if verdict.is_flood]
    for listener in flooded:
        lines += ["", *_measure_lines(listener)]
    return lines


def _evidence_lines(pressure: Pressure, seen: Evidence,
                    verdict: Verdict) -> list[str]:
    listener = pressure.listener
    lines = [f"{listener.address} ({listener.name}, netns {listener.netns}): "
             f"{verdict.words}"]
    lines += labelled("because", verdict.why)
    lines += labelled("half-open queue", f"{seen.half_open} now, "
                      f"{seen.half_open_peak} at most, backlog {or_dash(seen.limit)}; "
                      f"grew by up to {seen.growth_per_s:g} in a second; "
                      f"{seen.old_half_open} have waited for over a second")
    lines += labelled("handshakes", f"{seen.answered} answered, "
                      f"{seen.unanswered} not; {seen.expired} expired, "
                      f"{seen.resets} reset; {seen.repeated} of the "
                      "unanswered repeated their SYN")
    lines += labelled("sources", sources_in_words(seen, verdict.is_flood))
    lines += labelled("cookies", f"{seen.cookies_sent} sent, "
                      f"{seen.cookies_valid} validated, "
                      f"{seen.cookies_invalid} invalid")
    lines += labelled("refused", f"{seen.refused_half_open} because the "
                      f"half-open queue was full, {seen.refused_accept} "
                      "because the accept queue was")
    return lines


def _measure_lines(listener: Listener) -> list[str]:
    lines = [f"What helps {listener.address}:"]
    for measure in counter_measures(listener):
        lines += [f"  {measure.sysctl}: {measure.now}"]
        lines += note(measure.meaning + ".", "      ")
    return lines
