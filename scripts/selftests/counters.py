# SPDX-License-Identifier: GPL-2.0
"""The kernel's counters of a network namespace, and the events that make each.

COUNTERS is the law: so many events of this sort, so much in that counter. Events are
counted as they come and not kept, so that millions can be.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from hosts import CLIENT, SERVER, TwoHosts
from recorder import steady
from renoscope_lib.ring.schema import Event, Schema

SHORT_TIME_WAIT_US = 4_000_000          # from there on TW, up to there TWKilled

# What the rules ask of an event, by kind.
ASKED = {
    "state": ("old_state", "state"),
    "retransmit": ("retransmit_cause", "retransmit_segs"),
    "synack_retransmit": ("by_timer",),
    "ca_state": ("ca_state", "sock_flags"),
    "reset_sent": (),
    "synack": ("synack_type",),
    "refused": ("refusal",),
    "completed": (),
    "request_end": ("request_ending",),
    "cookie_checked": ("cookie_verdict",),
    "time_wait": ("time_wait_step", "time_wait_us"),
    "time_wait_end": ("time_wait_ending",),
    "rto": (),
    "loss_probe": (),
    "probe": ("probe_cause", "probe_carries_data"),
    "zero_window": ("window_side", "window_change"),
    "bad_checksum": (),
}
KINDS = (*ASKED, "error")

Said = tuple[int, ...]


class Counts:
    """The events of one host, counted by what they say."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._said: dict[str, Counter[Said]] = {kind: Counter() for kind in ASKED}
        self._with_error: set[int] = set()
        self._given_up: Counter[int] = Counter()    # SYN-SENT to CLOSED, by cookie

    def add(self, event: Event) -> None:
        """One event of KINDS."""
        if event.kind == "error":
            self._with_error.add(event["cookie"])
            return
        self._said[event.kind][tuple(event[name] for name in ASKED[event.kind])] += 1
        if event.kind == "state" and (self._word("old_state", event["old_state"]),
                                      self._word("state", event["state"])
                                      ) == ("SYN-SENT", "CLOSED"):
            self._given_up[event["cookie"]] += 1

    def _word(self, name: str, number: int) -> str:
        return self._schema.name_of(self._schema.field_named(name).unit, number)

    def _fitting(self, kind: str,
                 **fields: str | int) -> Iterator[tuple[dict[str, int], int]]:
        """What events of a kind say, and how many do, where fields are these words
        or numbers."""
        for said, count in self._said[kind].items():
            values = dict(zip(ASKED[kind], said))
            if all((self._word(name, values[name]) if isinstance(value, str)
                    else values[name]) == value for name, value in fields.items()):
                yield values, count

    def number(self, kind: str, **fields: str | int) -> int:
        """How many there are."""
        return sum(count for _values, count in self._fitting(kind, **fields))

    def resent(self, **fields: str | int) -> int:
        """Segments that retransmit events stand for."""
        return sum(values["retransmit_segs"] * count
                   for values, count in self._fitting("retransmit", **fields))

    def closed_from(self, *states: str) -> int:
        """Sockets that went from one of these states to CLOSED."""
        return sum(self.number("state", old_state=state, state="CLOSED")
                   for state in states)

    def failed_opens(self) -> int:
        """Sockets that gave up in SYN-SENT with an error, not closed by their process."""
        return sum(count for cookie, count in self._given_up.items()
                   if cookie in self._with_error)

    def recoveries(self, sack: bool) -> int:
        """How often fast recovery began, with or without SACK."""
        bit = next(number for number, name in self._schema.values["sock_flags"].items()
                   if name == "sack")
        return sum(count for values, count in self._fitting("ca_state", ca_state="Recovery")
                   if bool(values["sock_flags"] >> bit & 1) == sack)

    def __str__(self) -> str:
        """What was said, and how often."""
        return "; ".join(f"{kind} {dict(zip(ASKED[kind], said))} {count}"
                         for kind, counts in self._said.items()
                         for said, count in counts.items())

    def time_waits(self, short: bool) -> int:
        """Small socks that began, by how long they are to last."""
        return sum(count for values, count in
                   self._fitting("time_wait", time_wait_step="started")
                   if (values["time_wait_us"] <= SHORT_TIME_WAIT_US) == short)


COUNTERS: dict[str, Callable[[Counts], int]] = {
    "TcpActiveOpens": lambda c: c.number("state", state="SYN-SENT"),
    "TcpPassiveOpens": lambda c: c.number("completed"),
    "TcpAttemptFails": lambda c: (
        c.failed_opens()
        + c.number("request_end", request_ending="reset_by_peer")),
    "TcpEstabResets": lambda c: c.closed_from("ESTABLISHED", "CLOSE-WAIT"),
    "TcpOutRsts": lambda c: c.number("reset_sent"),
    "TcpInCsumErrors": lambda c: c.number("bad_checksum"),
    "TcpRetransSegs": lambda c: c.resent() + c.number("synack_retransmit"),
    "TcpExtTCPSynRetrans": lambda c: (
        c.resent(retransmit_cause="syn") + c.number("synack_retransmit")),
    "TcpExtTCPFastRetrans": lambda c: c.resent(retransmit_cause="fast_retransmit"),
    "TcpExtTCPSlowStartRetrans": lambda c: c.resent(retransmit_cause="loss_recovery"),
    "TcpExtTCPTimeouts": lambda c: (
        c.number("rto") + c.number("synack_retransmit", by_timer=1)
        + c.number("request_end", request_ending="expired")
        + c.number("request_end", request_ending="unsent")),
    "TcpExtTCPSackRecovery": lambda c: c.recoveries(sack=True),
    "TcpExtTCPRenoRecovery": lambda c: c.recoveries(sack=False),
    "TcpExtTCPLossProbes": lambda c: c.number("loss_probe"),
    "TcpExtTCPWinProbe": lambda c: c.number(
        "probe", probe_cause="zero_window", probe_carries_data=0),
    "TcpExtTCPKeepAlive": lambda c: c.number(
        "probe", probe_cause="keepalive", probe_carries_data=0),
    "TcpExtTCPToZeroWindowAdv": lambda c: c.number(
        "zero_window", window_side="own", window_change="closed"),
    "TcpExtTCPFromZeroWindowAdv": lambda c: c.number(
        "zero_window", window_side="own", window_change="opened"),
    "TcpExtListenOverflows": lambda c: c.number("refused", refusal="accept_queue_full"),
    "TcpExtListenDrops": lambda c: c.number("refused"),
    "TcpExtTCPReqQFullDrop": lambda c: c.number("refused", refusal="half_open_queue_full"),
    "TcpExtTCPReqQFullDoCookies": lambda c: c.number("synack", synack_type="cookie"),
    "TcpExtSyncookiesSent": lambda c: c.number("synack", synack_type="cookie"),
    "TcpExtSyncookiesRecv": lambda c: (
        c.number("cookie_checked", cookie_verdict="valid")
        + c.number("cookie_checked", cookie_verdict="valid_refused")),
    "TcpExtSyncookiesFailed": lambda c: c.number(
        "cookie_checked", cookie_verdict="invalid"),
    "TcpExtTW": lambda c: c.time_waits(short=False),
    "TcpExtTWKilled": lambda c: c.time_waits(short=True),
    "TcpExtTWRecycled": lambda c: c.number("time_wait_end", time_wait_ending="reused"),
    "TcpExtTCPTimeWaitOverflow": lambda c: c.number(
        "time_wait", time_wait_step="overflow"),
}


def nstat(hosts: TwoHosts, host: str) -> dict[str, int]:
    """Every counter that nstat knows."""
    shown: dict[str, int] = json.loads(hosts.run(host, "nstat", "-asz", "-j"))["kernel"]
    return shown


def witness(hosts: TwoHosts, host: str) -> dict[str, int]:
    """Those of COUNTERS; one that it does not know is a defect of the test."""
    shown = nstat(hosts, host)
    return {name: shown[name] for name in COUNTERS}


def steady_witness(hosts: TwoHosts, host: str) -> dict[str, int]:
    """The same once it does not change any more."""
    return steady(f"the counters of the {host}", lambda: witness(hosts, host))


def compare(schema: Schema, events: Iterable[Event], hosts: TwoHosts,
            witnesses: dict[str, dict[str, int]], missed: int = 0) -> dict[str, int]:
    """Both hosts' counters must be their events; the sums over both.

    So many events may lack as the kernel skipped calls of probes, which `missed` tells. And
    a queue that another CPU fills between the module's look and the kernel's is `other`.
    """
    counts = {hosts.inode(host): Counts(schema) for host in (CLIENT, SERVER)}
    for event in events:
        if event.kind in KINDS and event["netns"] in counts:
            counts[event["netns"]].add(event)
    sums: dict[str, int] = dict.fromkeys(COUNTERS, 0)
    differences = []
    for host, counted in witnesses.items():
        for name, rule in COUNTERS.items():
            sums[name] += counted[name]
            ours = rule(counts[hosts.inode(host)])
            lacking = missed
            if name == "TcpExtTCPReqQFullDrop":
                lacking += counts[hosts.inode(host)].number("refused", refusal="other")
            if not 0 <= counted[name] - ours <= lacking:
                differences.append(f"{host}: {name} is {counted[name]}, by the events "
                                   f"{ours}: {counts[hosts.inode(host)]}")
    assert not differences, "; ".join(differences)
    return sums


def in_words(sums: dict[str, int]) -> str:
    """The counters that are not 0."""
    return ", ".join(f"{name} {count}" for name, count in sums.items() if count)
