# SPDX-License-Identifier: GPL-2.0
"""Round trips of any congestion control, worked out from sequence numbers.

A round is over when the first ACK comes for something that was sent after the round
had begun: when an acknowledgment passes what snd_nxt was then. The next begins with
that ACK, and cwnd at this moment is its window. It is how our own algorithms count
(module/reno_congestion.c), as far as sequence numbers can say it:

 - After a timeout everything is sent again from the oldest number on, and snd_nxt
   stays where it was. There a round lasts until the ACK passes the segment that was
   sent again last when it began.
 - A window of which everything is lost sees no ACK: the timer tells of it.
 - In fast recovery the kernel knows from SACK what was delivered; the records do not
   have it. So a recovery with many holes may be one round here and two or more there.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..ring.schema import Event
from ..tcp.ca_states import LOSS
from ..tcp.kept import Packable
from ..tcp.phases import phase_of
from ..tcp.sequence import ACK, RST, following, is_after, relative
from .rounds import TIMEOUT, Flow, Round


@dataclass(slots=True)
class Trips(Packable):
    """One connection's rounds so far, and what ends the one that lasts.

    That is an acknowledgment beyond `end`. `resent` is where the last segment ended
    that was sent again in Loss, `timed_out` where the timer found snd_una.
    """

    flow: Flow
    end: int | None = None
    resent: int | None = None
    timed_out: int | None = None

    def see(self, event: Event, ca_state: str) -> None:
        """The next event of a socket that may send."""
        if self.end is None:
            self.end = _first_end(event)
        if event.kind == "retransmit" and ca_state == LOSS:
            self.resent = following(event["seg_seq"], event["seg_len"],
                                    event["seg_flags"])
        if is_after(acknowledged(event), self.end):
            self._begin(event, ca_state)
        if event.kind == "rto":
            self._see_timeout(event, ca_state)

    def forget(self) -> None:
        """Events may be missing: the round that lasts is not known."""
        self.end = self.resent = self.timed_out = None

    def _begin(self, event: Event, ca_state: str) -> None:
        self._add(event, ca_state)
        is_resending = (ca_state == LOSS and self.resent is not None
                        and event["lost_out"] > event["retrans_out"])
        self.end = self.resent if is_resending else event["snd_nxt"]

    def _see_timeout(self, event: Event, ca_state: str) -> None:
        """A second timeout at the same place is no window of its own."""
        una = event["snd_una"]
        if una == self.end and self.timed_out != una:
            self._add(event, ca_state)
        self.flow.tell(TIMEOUT)
        self.end = self.resent = self.timed_out = una

    def _add(self, event: Event, ca_state: str) -> None:
        self.flow.add(Round(event["time_ns"], event["cwnd"], event["ssthresh"],
                            phase_of(ca_state, event["cwnd"], event["ssthresh"])))


def _first_end(event: Event) -> int:
    """What ends the first round: any ACK of data, if it is seen from its beginning."""
    is_beginning = event["snd_isn"] and relative(
        event["snd_una"], event["snd_isn"]) <= 1
    end: int = event["snd_una"] if is_beginning else event["snd_nxt"]
    return end


def acknowledged(event: Event) -> int:
    """Up to where the peer has acknowledged, with the ACK that an event is about.

    One that acknowledges what was not sent the kernel does not take either, nor a RST's.
    """
    una: int = event["snd_una"]
    if event.kind != "ack" or event["seg_flags"] & (ACK | RST) != ACK:
        return una
    number: int = event["seg_ack"]
    is_new = is_after(number, una) and not is_after(number, event["snd_nxt"])
    return number if is_new else una
