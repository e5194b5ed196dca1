# SPDX-License-Identifier: GPL-2.0
"""What is known of one connection's opening, and how that ended.

Where the kernel's own word of the end (`completed`, `request_end`) is missing,
because events were lost or these kinds are off, the child's state events tell of
success, and of failure only reckoning: the last wait that the kernel began has
passed and nothing more was seen.

A Fast Open child is `completed` with its SYN, before anybody answered: it is
established when the SYN-ACK is acknowledged, which its state events tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from errno import ECONNRESET

from ..ring.schema import Event, key_of
from ..tcp.flows import Ends
from ..tcp.life import PEER, US
from ..tcp.synack_waits import SynWait, Wait
from ..tcp.tcp_states import CLOSED
from ..words import plural

ACTIVE, PASSIVE = US, PEER

# Why connect() sent no SYN; the second one is of a port that was bound before.
NO_PORT = "no local port was free: EADDRNOTAVAIL"
NO_SYN = ("no SYN was sent, as where a connection with these ends exists already, or no route "
          "does, or our process closed before it wrote (TCP_FASTOPEN_CONNECT)")

# How a request ended of which MPTCP makes a further subflow, or refuses to.
JOINED = "joined"

# Since when a time is measured where no first one was seen: it took that long or more.
SYN_SEEN, FIRST_RTT = "first SYN seen", "SYN-ACK (first RTT sample)"


@dataclass(slots=True)
class Attempt:
    """A SYN-ACK sent again."""

    time_ns: int
    since_first_us: int
    wait: Wait


# A request's end comes this soon after the refusal of the segment that ended it.
AT_ONCE_NS = 10_000_000


@dataclass(slots=True)
class Refusal:
    """A SYN, or a handshake's last ACK, that a listener dropped."""

    time_ns: int
    reason: str
    last_ack: bool
    half_open: int
    accept_queue: int
    limit: int


@dataclass(slots=True)
class Step:
    """One thing that happened, in words."""

    time_ns: int
    words: str


@dataclass(slots=True)
class Opening:
    """One connection's beginning, as far as it was seen.

    Where segments were recorded: how many SYN-ACKs of a request were seen to leave, when
    the first segment came that answers one, whatever became of it, and how many bare last
    ACKs came; of the side that connects, how many left.
    """

    cookie: int
    netns: int
    local: str
    remote: str
    ends: Ends
    began_ns: int
    opened_by: str
    turn: int
    listener: int = 0
    snd_isn: int = 0
    rcv_isn: int = 0
    steps: list[Step] = field(default_factory=list)
    syn_ns: int | None = None
    syns_again: int = 0
    syns_unsent: int = 0    # that were to go again, and did not
    syn_timer_ns: int | None = None     # when its timer fired, and no SYN went yet
    syn_waits: list[SynWait] = field(default_factory=list)
    misfits: set[int] = field(default_factory=set)  # SYNs answered with what got a RST, from 0
    queued_ns: int | None = None
    synack_ns: int | None = None
    synacks_left: int = 0
    answer_came_ns: int | None = None
    last_acks: int = 0
    attempts: list[Attempt] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    cookies_sent: int = 0
    cookie_needed: bool = False
    cookie_verdict: str | None = None
    fast_open: bool = False
    ended: str | None = None
    ended_ns: int | None = None
    first_rtt_us: int = 0
    first_rto_us: int = 0
    since_synack_us: int = 0
    completed_ns: int | None = None
    accepted_ns: int | None = None
    never_accepted: bool = False
    request_ending: str | None = None
    reset_received: bool = False
    no_syn: bool = False
    no_port: bool = False
    closed_early: bool = False
    deferred: bool = False  # its ACK had come, and TCP_DEFER_ACCEPT waited for data
    error: int = 0

    @property
    def key(self) -> int:
        """The connection's."""
        return key_of(self.cookie, self.turn)

    def step(self, event: Event, words: str) -> None:
        """Remember what happened."""
        self.steps.append(Step(event["time_ns"], words))

    @property
    def established(self) -> bool:
        """Whether the handshake came to its good end."""
        return (self._answered_ns is not None
                or self.ended not in (None, CLOSED))

    @property
    def _answered_ns(self) -> int | None:
        """When the kernel's word told so; of Fast Open it comes before any answer."""
        return None if self.fast_open else self.completed_ns

    @property
    def is_undecided_child(self) -> bool:
        """Whether it is in the accept queue, or was, with a SYN-ACK still to be answered."""
        return self.fast_open and self.ended is None

    @property
    def over_ns(self) -> int | None:
        """When it was decided, one way or the other."""
        return self._answered_ns or self.ended_ns

    @property
    def heard_throughout(self) -> bool:
        """Whether an answer to any of its SYN-ACKs would have been seen to come."""
        return self.synacks_left > len(self.attempts)

    @property
    def began_unseen(self) -> bool:
        """Whether what came before its first event is not known: SYNs, waits, refusals."""
        return self.syn_ns is None and (self.opened_by == ACTIVE or self.synack_ns is None
                                        or self.measured == SYN_SEEN)

    @property
    def synacks_again(self) -> int:
        """How often its SYN-ACK was sent again: the last time tells of those before."""
        last = self.attempts[-1].wait.attempt if self.attempts else 0
        return max(last, len(self.attempts))

    @property
    def took_us(self) -> int | None:
        """From the earliest thing known to the end."""
        return self._measured()[0]

    @property
    def measured(self) -> str | None:
        """Since when."""
        return self._measured()[1]

    def _measured(self) -> tuple[int | None, str | None]:
        over_ns = self.over_ns
        if over_ns is None:
            return None, None
        if self.syn_ns is not None:
            return (over_ns - self.syn_ns) // 1000, "connect()" if self.no_syn else "SYN"
        since_us, since = self._measured_without_syn(over_ns)
        syn_ns = self._later_syn_ns
        if syn_ns is not None and (over_ns - syn_ns) // 1000 > (since_us or 0):
            return (over_ns - syn_ns) // 1000, SYN_SEEN
        return since_us, since

    @property
    def _later_syn_ns(self) -> int | None:
        """When a SYN is known to have been sent, or to have come, if not the first one."""
        if self.syn_waits:
            return self.syn_waits[0].time_ns
        return next((r.time_ns for r in self.refusals if not r.last_ack), None)

    def _measured_without_syn(self, over_ns: int) -> tuple[int | None, str | None]:
        if self.synack_ns is not None:
            return (over_ns - self.synack_ns) // 1000, "first SYN-ACK"
        if self.attempts:
            return self.since_first_us(over_ns), "first SYN-ACK"
        if self.since_synack_us:
            return self.since_synack_us, "first SYN-ACK"
        if self.established and self.first_rtt_us:
            return self.first_rtt_us, FIRST_RTT
        return None, None

    def since_first_us(self, time_ns: int) -> int:
        """Time since the first SYN-ACK, by a retransmit of it."""
        last = self.attempts[-1]
        return last.since_first_us + (time_ns - last.time_ns) // 1000

    @property
    def was_reset_after_crossing(self) -> bool:
        """Whether a RST came in a simultaneous open: ECONNREFUSED before it (tcp_reset())."""
        return (self.opened_by == ACTIVE and self.reset_received
                and self.error == ECONNRESET)

    @property
    def went_at_once(self) -> bool:
        """Whether its first SYN went again before its timer was due."""
        first = self.syn_waits[0] if self.syn_waits else None
        return (first is not None and first.attempt == 1 and first.waited_us is not None
                and 2 * first.waited_us < first.predicted_us)

    @property
    def data_was_too_large(self) -> bool:
        """Whether it went without Fast Open's data, as the path's MTU had shrunk.

        An ICMP message told so (tcp_v4_mtu_reduced(), tcp_simple_retransmit()); nothing
        else has a SYN with data sent again before its time, but a misfit.
        """
        return self.went_at_once and 0 not in self.misfits and self.syn_waits[0].had_data

    @property
    def answered_otherwise(self) -> int:
        """How many of its SYNs met what the peer had of an older connection.

        The answer acknowledges what this one never sent. A RST goes back, and the first
        SYN again in two jiffies and not in a second (tcp_rcv_synsent_state_process()):
        so of that it is known where the RST is not.
        """
        by_haste = self.went_at_once and not self.syn_waits[0].had_data
        return len(self.misfits | {0} if by_haste else self.misfits)

    @property
    def syns_unanswered(self) -> int:
        """How many were sent and got no answer, of one that is not established.

        Where SYNs were answered for an older connection, so was one before what was seen.
        """
        first_unknown = self.began_unseen and bool(self.misfits)
        return (1 + self.syns_again - first_unknown - self.answered_otherwise
                - self.data_was_too_large)

    @property
    def syns_unanswered_before(self) -> int:
        """The same without the last, which may be answered yet."""
        return self.syns_unanswered - (self.syns_again not in self.misfits)

    @property
    def was_reset_by_overflow(self) -> bool:
        """Whether the RST answered the last ACK that found no room (tcp_check_req())."""
        last = self.refusals[-1] if self.refusals else None
        return (self.request_ending == "reset_by_us" and last is not None
                and last.last_ack and last.reason == "accept_queue_full"
                and (self.ended_ns or 0) - last.time_ns < AT_ONCE_NS)

    @property
    def accept_wait_us(self) -> int | None:
        """How long it waited for accept()."""
        if self.completed_ns is None or self.accepted_ns is None:
            return None
        return (self.accepted_ns - self.completed_ns) // 1000


def refusal_words(refusals: list[Refusal]) -> str:
    """Why, and how often: `2 SYNs dropped: accept queue full (129 of 128)`."""
    words = []
    for reason in dict.fromkeys((r.reason, r.last_ack) for r in refusals):
        same = [r for r in refusals if (r.reason, r.last_ack) == reason]
        what = "last ACK" if reason[1] else "SYN"
        words.append(f"{plural(len(same), what)} dropped by the listener, "
                     f"{_reason_words(same[-1])}")
    return "; ".join(words)


def _reason_words(refusal: Refusal) -> str:
    return {
        "accept_queue_full": f"accept queue full ({refusal.accept_queue} "
        f"waiting, backlog {refusal.limit}): the process accepts too slowly, "
        "or its backlog is too small",
        "half_open_queue_full": f"half-open queue full ({refusal.half_open}, "
        f"backlog {refusal.limit}) and SYN cookies are off",
        "unproven_peer": "SYN cookies are off and the queue's last quarter is "
        f"for peers known from before ({refusal.half_open} half-open)",
    }.get(refusal.reason, "no memory, no route or a policy: the kernel does "
          "not say")
