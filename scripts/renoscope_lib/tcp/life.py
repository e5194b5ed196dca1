# SPDX-License-Identifier: GPL-2.0
"""One connection's life as States records it: its states, and what bears on its end."""

from __future__ import annotations

from dataclasses import dataclass, field

from .connections import PartlySeen
from .kept import Lasting, Packable
from .tcp_states import (CLOSED, CLOSE_WAIT, CLOSING, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK,
                         LISTEN, SYN_RECEIVED, SYN_SENT, TIME_WAIT)

US, PEER, BOTH = "us", "peer", "both"
OPENED = {US: "opened by us", PEER: "opened by the peer"}
CLOSED_FIRST = {US: "closed first by us", PEER: "closed first by the peer",
                BOTH: "closed by both at once"}

# What a process does, and not only what happens to come while it is in a call.
BY_A_CALL = frozenset((LISTEN, SYN_SENT, FIN_WAIT_1, LAST_ACK))

# What makes a connection leave a state for another, where that is certain.
LEFT_BY = {
    (CLOSED, SYN_SENT): "connect()",
    (SYN_SENT, ESTABLISHED): "the peer's SYN-ACK came",
    (SYN_SENT, SYN_RECEIVED): "the peer's SYN crossed ours: simultaneous open",
    (SYN_RECEIVED, ESTABLISHED): "the handshake's last ACK came",
    (SYN_RECEIVED, FIN_WAIT_1): "we closed before the handshake's last ACK",
    (SYN_RECEIVED, CLOSE_WAIT): "the peer's FIN came with the last ACK",
    (ESTABLISHED, FIN_WAIT_1): "we closed our direction first: FIN",
    (ESTABLISHED, CLOSE_WAIT): "the peer closed first: its FIN came",
    (FIN_WAIT_1, FIN_WAIT_2): "our FIN was acknowledged",
    (FIN_WAIT_1, CLOSING): "the peer's FIN crossed ours: simultaneous close",
    (FIN_WAIT_1, TIME_WAIT): "the peer's FIN came with the ACK of ours",
    (FIN_WAIT_2, TIME_WAIT): "the peer's FIN came",
    (CLOSING, TIME_WAIT): "our FIN was acknowledged",
    (CLOSE_WAIT, LAST_ACK): "we closed too: FIN",
    (LAST_ACK, CLOSED): "our FIN was acknowledged",
    (LISTEN, CLOSED): "the listener was closed",
}


def by_words(process: str) -> str:
    """`, by curl[1234]`; nothing if it is nobody."""
    return f", by {process}" if process else ""


def opened_words(by: str | None, opener: str) -> str:
    """`opened by the peer (accepted by nginx[1])`; nothing if it is not known by whom."""
    words = OPENED.get(by or "", "")
    accepted = "accepted by " if by == PEER else ""
    return f"{words} ({accepted}{opener})" if words and opener else words


@dataclass(slots=True)
class Stay(Lasting):
    """A time in one state; None where beginning or end was not seen."""

    state: str
    began_ns: int | None
    ended_ns: int | None = None
    left_by: str = ""
    process: str = ""       # in whose call it began


@dataclass(slots=True)
class Reset(Packable):
    """A RST, and where the connection was."""

    time_ns: int
    reason: str
    answers_segment: bool
    has_rst_flag: bool
    place: tuple[int, int]
    once_closed: bool = False
    segment_was_empty: bool = False
    ours_outstanding: bool = False
    state: str = ""
    of_mptcp: bool = False


@dataclass(slots=True)
class SmallSock(Packable):
    """What TIME-WAIT, or FIN-WAIT-2 in a small sock, went through."""

    due_ns: int | None = None
    segments: int = 0
    fins_again: int = 0
    data_last: bool = False
    timer_set: int = 0
    syn_ns: int | None = None   # the last one, as long as it may have been taken
    syn_is_newer: bool = False
    syns_kept_ns: tuple[int, int] | None = None     # the first and the last that were not
    syns_kept: int = 0
    syns_older: int = 0         # those of them with an ISN that is not newer

    def meets_syn(self, time_ns: int, is_newer: bool) -> None:
        """A SYN of a new connection came."""
        self.syn_ns, self.syn_is_newer = time_ns, is_newer

    def keeps_syn_out(self) -> None:
        """It went on after that, if one came."""
        if self.syn_ns is None:
            return
        first_ns = self.syns_kept_ns[0] if self.syns_kept_ns else self.syn_ns
        self.syns_kept_ns = first_ns, self.syn_ns
        self.syns_kept += 1
        self.syns_older += not self.syn_is_newer
        self.syn_ns = None


@dataclass(slots=True)
class Life(PartlySeen):
    """One connection, as far as it was seen."""

    stays: list[Stay] = field(default_factory=list)
    isns: tuple[int, int] | None = None     # its own and the peer's, as soon as both are known
    opened_by: str | None = None
    opening_seen: bool = False
    gaps_before: int = 0
    syns_again: int = 0
    synacks_again: int = 0
    newborn_ns: int | None = None
    small: SmallSock | None = None
    no_room: bool = False
    by_cookie: bool = False
    request_ending: str = ""
    refused_ns: int | None = None
    overflowed: bool = False
    closed_from: str | None = None
    fin_call: tuple[int, int] | None = None     # CPU and time of the change that sent our FIN
    closed_in_fin_call: bool = False    # as far as CPU and time tell
    found_nothing_unread: bool = False  # its close(), or nothing ever came
    last_timeout: tuple[int, int] | None = None     # which in a row; gaps before it
    no_syn: bool = False
    timeouts: int | None = None     # in a row at the end; None: not known
    retransmits: int = 0            # those of them that sent again
    unsent_behind: int | None = None
    asked_alive: bool = False
    keepalives_unanswered: int = 0
    fin_unacked: bool = False
    disconnected: bool = False
    reset_sent: Reset | None = None
    reset_received: Reset | None = None
    error: int = 0
    ended_in_gap: bool = False
    destroyed: bool = False
    left_behind: bool = False
    with_listener: bool = False
    accepted: bool = False
    acceptor: str = ""
    fin_and_ack: bool = False
    last_place: tuple[int, int] = (-1, 0)

    @property
    def now(self) -> Stay:
        """The state it is in."""
        return self.stays[-1]

    @property
    def opener(self) -> str:
        """The process that called connect(), accept() or listen(), as far as that is known."""
        first = self.stays[0]
        return first.process if first.state in (SYN_SENT, LISTEN) else self.acceptor

    @property
    def is_over(self) -> bool:
        """Whether its end was seen."""
        return self.now.state == CLOSED

    @property
    def all_was_acknowledged(self) -> bool:
        """Whether nothing of ours was on its way, nor known to wait, as it became CLOSED."""
        return (self.closed_from in (ESTABLISHED, CLOSE_WAIT, FIN_WAIT_2)
                and not self.fin_unacked)

    @property
    def ended_in(self) -> str:
        """The state that it ended in, in words; of one that is not over, where it is."""
        if self.closed_from or not self.is_over:
            return self.closed_from or self.now.state
        reset = self.reset_received or self.reset_sent
        if reset is not None and reset.state != CLOSED:
            return reset.state
        seen = [stay.state for stay in self.stays if stay.state != CLOSED]
        return "a state that was not seen" + (f" (after {seen[-1]})" if seen else "")

    def closed_first_by(self) -> str | None:
        """Whose FIN came first; None while there is none, or it was unseen.

        Ours did only if it was acknowledged: before, the peer's may be on its way.
        """
        states = {stay.state for stay in self.stays}
        if CLOSING in states:
            return BOTH
        if CLOSE_WAIT in states:
            return PEER
        is_acked = self.no_room or states & {FIN_WAIT_2, TIME_WAIT}
        return US if FIN_WAIT_1 in states and is_acked else None

    @property
    def may_live_on(self) -> bool:
        """Whether only its full socket went: a small sock may have taken over."""
        return (self.is_over and self.small is None and not self.no_room
                and len(self.stays) > 1
                and self.closed_from in (FIN_WAIT_1, FIN_WAIT_2, CLOSING)
                and (self.reset_sent is None or self.reset_sent.answers_segment)
                and not self.was_reset_at_fin_wait_2
                and self.reset_received is None and not self.error)

    @property
    def was_reset_at_fin_wait_2(self) -> bool:
        """Whether the kernel closed it as our FIN was acknowledged.

        So it does with a TCP_LINGER2 below 0, and where data came with that ACK: it
        closes the socket, then answers the segment with a RST.
        """
        sent = self.reset_sent
        return (self.small is None and sent is not None and sent.answers_segment
                and sent.once_closed and self.closed_from in (FIN_WAIT_1, FIN_WAIT_2))
