# SPDX-License-Identifier: GPL-2.0
"""A finding: what happened to somebody, in a person's words, and what shows it.

The rules are in the modules rules_on_opening, rules_on_listeners, rules_on_ports,
rules_on_losses, rules_on_mtu, rules_on_receiving, rules_on_pace, rules_on_windows,
rules_on_challenges and rules_on_ends.  They read what the views have worked out and
reckon nothing a second time.  RULES names every one of them, says how it is called where
several connections share it, and which kinds of event it cannot do without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from ..output.tables import moment, seconds
from ..tcp.connections import heading
from ..tcp.life import PEER, US
from ..tcp.sequence import MOST_UNSCALED
from ..words import connection, plural

# The word that stands before a finding, the worst first.
TROUBLE, NOTEWORTHY, FINE = "trouble", "noteworthy", "fine"
SEVERITIES = (TROUBLE, NOTEWORTHY, FINE)

# Lines of evidence that one finding keeps.
MOST_EVIDENCE = 30

# The next step where what was written does not go out.
LET_OUT = ("nft list ruleset (or iptables -vnL OUTPUT): which rule drops it? If none: ip "
           "route get ADDRESS, tc -s qdisc")

# The same where what came does not get to TCP.
LET_IN = "nft list ruleset (or iptables -vnL INPUT): which rule drops them? If none: "

# Where a listener's queue is full. tcp_max_syn_backlog is read only without cookies
# (tcp_conn_request()); the backlog limits both queues.
RAISE_BACKLOG = "raise listen()'s backlog and net.core.somaxconn"
HALF_OPEN_ROOM = ("net.ipv4.tcp_syncookies=1; or, without cookies, " + RAISE_BACKLOG
                  + ", together with net.ipv4.tcp_max_syn_backlog")

# And where the peer's window was zero.
DOES_PEER_READ = "on the peer: does its program read? ss -tm shows its Recv-Q"

# Where the window field alone says how large a window is.
NO_SCALING = (f"window scaling was not agreed, so {MOST_UNSCALED} is the most there can be: one "
              "end does not offer it, a device on the path takes the option away, or a SYN "
              "cookie without timestamps had no room for it")
SCALING_GIST = "window scaling was not agreed"
SCALE = ("sysctl net.ipv4.tcp_window_scaling at both ends: 1? nstat -az TcpExtSyncookiesRecv on "
         "the listener's host: do cookies come back? If neither: tcpdump -v 'tcp[13] & 2 != 0' "
         "at both ends: does wscale arrive?")

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven",
           "eight", "nine", "ten", "eleven", "twelve")


class Rule(NamedTuple):
    """What a rule is about, and the kinds of event it needs."""

    about: str
    needs: tuple[str, ...] = ()


RULES = {
    # rules_on_opening.py
    "connect-slow": Rule("slow to connect", (
        "state", "retransmit", "synack_retransmit")),
    "connect-failed": Rule("could not connect", (
        "state", "error", "reset_received")),
    "connect-waiting": Rule("still waiting to connect", (
        "state", "retransmit")),
    "accept-slow": Rule("waited for accept()", ("completed", "accepted")),
    "never-accepted": Rule("never accepted", ("completed", "accepted")),
    "time-wait-kept-syn": Rule("a new connection kept out", ("time_wait", "time_wait_end")),
    "request-unfinished": Rule("handshake not finished", (
        "request", "request_end")),
    # rules_on_listeners.py
    "accept-queue-full": Rule("accept queue full", ("refused",)),
    "half-open-queue-full": Rule("half-open queue full", ("refused",)),
    "refused-otherwise": Rule("handshakes refused", ("refused",)),
    "syn-flood": Rule("SYN flood", (
        "syn", "request", "synack", "completed", "request_end")),
    "syn-cookies": Rule("SYN cookies sent", ("synack",)),
    "synacks-unsent": Rule("SYN-ACKs that could not be sent", ("request_end",)),
    "requests-given-up": Rule("requests given up", ("request_end",)),
    "requests-reset": Rule("requests reset", ("request_end",)),
    # rules_on_ports.py
    "closed-port": Rule("nobody listens", ("reset_sent",)),
    "syns-unheard": Rule("SYNs dropped here before TCP", (
        "segment", "syn", "reset_sent", "bad_checksum")),
    # rules_on_losses.py
    "timeouts": Rule("retransmission timeouts", ("rto",)),
    "losses": Rule("sent again without a timeout", ("retransmit", "ca_state")),
    "spurious": Rule("sent again for nothing", ("ca_state",)),
    "doubled": Rule("came to the peer twice", ("segment", "retransmit")),
    "cwnd-collapsed": Rule("cwnd collapsed", ("ca_state",)),
    "dropped-on-arrival": Rule("dropped here on arrival", (
        "ack", "bad_checksum")),
    "local-drops": Rule("dropped by this host itself", ("ca_state",)),
    "ecn": Rule("cwnd cut for ECN", ("ca_state",)),
    "reduced": Rule("cwnd cut without a loss on the way", ("ca_state",)),
    "idle-restart": Rule("cwnd lowered after a rest", ("reno_restart",)),
    # rules_on_mtu.py
    "mtu-black-hole": Rule("only full segments are lost", ("rto", "retransmit")),
    "path-mtu": Rule("the path's MTU, or Fast Open's data not taken", (
        "ca_state", "rto")),
    # rules_on_receiving.py
    "came-with-gaps": Rule("data came with gaps", ("ack",)),
    "arrived-not-taken": Rule("data came and was not taken", ("ack",)),
    "we-limit-the-peer": Rule("our window held the peer back", ("ack",)),
    # rules_on_windows.py
    "stood-still": Rule("stood still on the peer's zero window", (
        "zero_window", "probe")),
    "made-peer-wait": Rule("our zero window held the peer", (
        "zero_window", "ack")),
    "peer-window-zero": Rule("the peer's window was zero", ("zero_window",)),
    "own-window-zero": Rule("our window was zero", ("zero_window",)),
    # rules_on_pace.py
    "receiver-limited": Rule("held back by the peer's window", ("ack",)),
    "cwnd-limited": Rule("held back by cwnd", ("ack",)),
    "silent": Rule("silence", ("ack",)),
    "application-limited": Rule("less sent than the windows allowed", ("ack",)),
    "not-arrived": Rule("what the peer sent did not arrive", ("ack", "retransmit")),
    "bufferbloat": Rule("round trips grew"),
    "long-path": Rule("a long round trip", ()),
    "unsent": Rule("did not leave this host", ("probe",)),
    # rules_on_challenges.py
    "challenged": Rule("RSTs or SYNs without an effect", ("ack",)),
    # rules_on_ends.py
    "reset-by-peer": Rule("reset by the peer", ("state", "reset_received")),
    "reset-by-neither": Rule("reset in the peer's name", (
        "state", "reset_received", "reset_sent")),
    "reset-by-us": Rule("reset by us", ("state", "reset_sent")),
    "timed-out": Rule("given up by the kernel", ("state", "error")),
    "keepalive-timeout": Rule("given up: no answer to keepalives", (
        "state", "error")),
    "failed": Rule("ended by an error", ("state", "error")),
    "close-wait-long": Rule("not closed by our program", ("state",)),
    "fin-wait-2-long": Rule("no FIN from the peer", ("state", "time_wait")),
    "fin-unanswered": Rule("FIN not acknowledged for long", ("state",)),
    "orphan-given-up": Rule("given up after our close()", ("state",)),
    "time-wait-full": Rule("no room for TIME-WAIT", ("time_wait",)),
    # explain.py
    "healthy": Rule("nothing wrong"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A connection, or a listener, whom a finding is about."""

    cookie: int
    netns: int
    local: str
    remote: str
    opened_by: str | None = None
    is_listener: bool = False
    opener: str = field(default="", compare=False)  # the process, if it is known

    def __str__(self) -> str:
        if self.is_listener and not self.cookie:
            return self.local
        if self.is_listener:
            return f"{connection(self.cookie)}  listener {self.local}"
        return heading(self)

    @property
    def service_port(self) -> str:
        """The port of who was connected to, ours if that is not known."""
        end = self.remote if self.opened_by == US else self.local
        return end.rpartition(":")[2]

    @property
    def service(self) -> str:
        """What several of its sort have in common: where the service is."""
        if self.is_listener:
            return f"at {self.local}"
        if self.opened_by == US:
            return f"to {self.remote}"
        if self.opened_by == PEER:
            return f"at {self.local}"
        return f"with {self.remote.rpartition(':')[0]}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    `gist` is what several connections may share, without numbers of their own.
    `cost_us` is how long somebody had to wait for it, `at_ns` when it began.
    In `next_step` a command of renoscope has a line of its own, and FILE in it stands
    for the recording's name.
    """

    rule: str
    severity: str
    subject: Subject
    sentence: str
    gist: str = ""
    evidence: tuple[str, ...] = ()
    next_step: str = ""
    at_ns: int | None = None
    cost_us: int = 0

    @property
    def rank(self) -> tuple[int, int]:
        """Sorts the worst first."""
        return SEVERITIES.index(self.severity), -self.cost_us

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        subject = self.subject
        return {
            "rule": self.rule, "severity": self.severity,
            "connection": connection(subject.cookie),
            **{name: value for name, value in asdict(subject).items()
               if name not in ("cookie", "opener")},
            "opener": subject.opener or None,
            "sentence": self.sentence, "gist": self.gist or None,
            "evidence": list(self.evidence),
            "next_step": self.next_step or None,
            "began_ns": self.at_ns, "cost_us": self.cost_us,
        }


@dataclass(frozen=True)
class Report:
    """One connection or listener, and what was found, the worst first."""

    subject: Subject
    findings: tuple[Finding, ...]
    isns: tuple[int, int] | None = None     # of a connection, its own and the peer's

    @property
    def rank(self) -> tuple[int, int]:
        """Sorts the worst first."""
        return self.findings[0].rank

    @property
    def is_fine(self) -> bool:
        """Whether nothing of it needs a look."""
        return self.findings[0].severity == FINE


class Clock:
    """Times as the other views show them: since the first event, or by the wall clock."""

    def __init__(self, first_ns: int | None, end_ns: int,
                 wall_offset_ns: int | None = None) -> None:
        self.first_ns = first_ns
        self.end_ns = end_ns
        self._wall_offset_ns = wall_offset_ns

    def at(self, time_ns: int | None) -> str:
        """`at 1.381 s`, or that it is not known."""
        if time_ns is None or self.first_ns is None:
            return "at ? s"
        if self._wall_offset_ns is not None:
            return f"at {moment(time_ns, self.first_ns, self._wall_offset_ns)}"
        return f"at {seconds(time_ns, self.first_ns)[:-3]} s"

    def since_us(self, began_ns: int | None,
                 ended_ns: int | None = None) -> int | None:
        """How long something was; what has not ended lasts until the end."""
        if began_ns is None:
            return None
        until_ns = self.end_ns if ended_ns is None else ended_ns
        return max(0, until_ns - began_ns) // 1000


# ---- words

def brief(us: int) -> str:
    """A time as a person would say it: two or three digits."""
    if us >= 100_000_000:
        return f"{us / 1e6:.0f} s"
    for unit_us, unit in ((1_000_000, "s"), (1000, "ms")):
        if us >= unit_us or (unit == "s" and us >= 999_500):
            value = us / unit_us
            text = f"{value:.0f}" if value >= 99.95 else f"{value:.1f}"
            return f"{text.removesuffix('.0')} {unit}"
    return f"{us} us"


def added(waits_us: Iterable[int]) -> str:
    """`1 s + 2 s`; of many the first and the last."""
    words = [brief(us) for us in waits_us]
    if len(words) > 6:
        words = [*words[:3], "...", words[-1]]
    return " + ".join(words)


def spelled(count: int, noun: str) -> str:
    """`two SYN-ACKs`, `13 SYN-ACKs`."""
    number = NUMBERS[count] if 0 <= count < len(NUMBERS) else str(count)
    return plural(count, noun).replace(str(count), number, 1)


def capped(lines: Iterable[str],
           what: Callable[[int], str] = lambda n: f"(and {n} more)"
           ) -> tuple[str, ...]:
    """Evidence, not without end."""
    every = tuple(lines)
    if len(every) <= MOST_EVIDENCE:
        return every
    return (*every[:MOST_EVIDENCE], what(len(every) - MOST_EVIDENCE))


def look(view: str, subject: Subject, *options: str) -> str:
    """The command that shows more of a connection."""
    return " ".join(("renoscope", view, "FILE", "--connection",
                     f"{subject.cookie:x}", *options))
