# SPDX-License-Identifier: GPL-2.0
"""The events of a request's life, as the module's probes record them.

What each event bears follows module/handshake_gaps.c: a SYN and a refusal have
the segment's ends and no id, `accepted` has no listener, a cookie's child is
`completed` before its cookie's verdict is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from renoscope_lib.ring.schema import Event

from .support import ACK, CLIENT, SECOND, SERVER, SYN, Scene, number_of

US = 1_000_000

NORMAL, FAST_OPEN, COOKIE = 0, 1, 2
ACCEPT_FULL, HALF_OPEN_FULL, UNPROVEN, OTHER = 1, 2, 3, 4
EXPIRED, RESET_BY_PEER, RESET_BY_US, LISTENER_GONE, UNSENT = 1, 2, 3, 4, 6
VALID, INVALID, VALID_REFUSED = 1, 2, 3


# They tell of no listener.
OF_CHILD = ("state", "accepted", "segment", "error", "reset_sent", "reset_received", "destroy",
            "bad_checksum")


class ListenerScene:
    """A listener whose queues are counted as the kernel would."""

    def __init__(self, limit: int = 128, listener: int = 1,
                 scene: Scene | None = None, local: str = SERVER,
                 netns: int = 4026531840) -> None:
        self.scene = scene or Scene()
        self.limit = limit
        self.listener = listener
        self.local = local
        self.netns = netns
        self.half_open = 0
        self.accept_queue = 0
        self._next_id = 0x100

    def event(self, kind: str, at_s: float, port: int, peer: str = CLIENT,
              **values: Any) -> Event:
        """One event of a handshake, known by the peer's address and port."""
        whole = {"local_addr": self.local, "local_port": 5000, "cookie": 0,
                 "remote_addr": peer, "remote_port": port, "state": 12,
                 "netns": self.netns, "family": 6 if ":" in peer else 4}
        if kind not in OF_CHILD:
            whole |= {"listener": self.listener, "accept_limit": self.limit,
                      "half_open": self.half_open, "syn_backlog": 256,
                      "accept_queue": self.accept_queue}
        return self.scene.event(kind, round(at_s * SECOND), **whole | values)

    def new_id(self) -> int:
        """An id no connection had before."""
        self._next_id += 1
        return self._next_id

    def syn(self, at_s: float, port: int, isn: int = 7, **more: Any) -> Event:
        """A SYN arrives."""
        return self.event("syn", at_s, port, seg_seq=isn, rcv_isn=isn,
                          seg_flags=SYN, **more)

    def queued(self, at_s: float, port: int, cookie: int, isn: int = 7,
               snd_isn: int = 99, **more: Any) -> Iterator[Event]:
        """A SYN, its request and its SYN-ACK."""
        ids = {"cookie": cookie, "rcv_isn": isn, "snd_isn": snd_isn,
               "synack_timeout_us": US, "max_retries": 5} | more
        yield self.syn(at_s, port, isn, **more)
        yield self.event("request", at_s, port, **ids)
        self.half_open += 1
        yield self.event("synack", at_s, port, **ids)

    def fast_open(self, at_s: float, port: int, cookie: int,
                  **more: Any) -> Iterator[Event]:
        """A SYN with data, and the child that waits in the accept queue at once."""
        yield self.syn(at_s, port, **more)
        yield self.change(at_s, port, cookie, "LISTEN", "SYN-RECEIVED", **more)
        yield self.event("synack", at_s, port, cookie=cookie, rcv_isn=7, snd_isn=99,
                         synack_type=FAST_OPEN, synack_timeout_us=US, **more)
        yield self.completed(at_s, port, cookie, by_cookie=True, **more)

    def fast_open_again(self, at_s: float, port: int, cookie: int, retrans: int,
                        **more: Any) -> Event:
        """Its own timer sends the SYN-ACK again; it tells of no listener."""
        return self.again(at_s, port, cookie, retrans, retrans, **{
            "listener": 0, "accept_limit": 0, "half_open": 0, "accept_queue": 0,
            "syn_backlog": 0, "max_retries": 6} | more)

    def change(self, at_s: float, port: int, cookie: int, old: str, new: str,
               **more: Any) -> Event:
        """The child's state."""
        return self.event("state", at_s, port, **{
            "cookie": cookie, "old_state": number_of("state", old),
            "state": number_of("state", new), "rcv_isn": 7, "snd_isn": 99,
            "snd_una": 100} | more)

    def cookie_sent(self, at_s: float, port: int, isn: int = 7,
                    snd_isn: int = 555, **more: Any) -> Iterator[Event]:
        """A SYN, answered by a cookie."""
        yield self.syn(at_s, port, isn, **more)
        yield self.event("synack", at_s, port, rcv_isn=isn, snd_isn=snd_isn,
                         synack_type=COOKIE, **more)

    def refused(self, at_s: float, port: int, why: int, isn: int = 7,
                **more: Any) -> Event:
        """The SYN is dropped."""
        return self.event("refused", at_s, port, refusal=why, **{
            "seg_seq": isn, "rcv_isn": isn, "seg_flags": SYN} | more)

    def last_ack_refused(self, at_s: float, port: int, cookie: int,
                         isn: int = 7, **more: Any) -> Event:
        """The last ACK is dropped; the request stays."""
        return self.refused(at_s, port, ACCEPT_FULL, isn, cookie=cookie,
                            seg_seq=isn + 1, seg_flags=ACK, **more)

    def completed(self, at_s: float, port: int, cookie: int,
                  by_cookie: bool = False, **more: Any) -> Event:
        """The last ACK is taken."""
        event = self.event("completed", at_s, port, cookie=cookie, **{
            "rcv_isn": 7, "snd_isn": 99} | more)
        self.half_open = max(self.half_open - (not by_cookie), 0)
        self.accept_queue += 1
        return event

    def accepted(self, at_s: float, port: int, cookie: int,
                 **more: Any) -> Event:
        """A process takes it."""
        self.accept_queue = max(self.accept_queue - 1, 0)
        return self.event("accepted", at_s, port, **{
            "cookie": cookie, "rcv_isn": 7, "snd_isn": 99} | more)

    def request_end(self, at_s: float, port: int, cookie: int, why: int,
                    **more: Any) -> Event:
        """The request is freed."""
        event = self.event("request_end", at_s, port, cookie=cookie,
                           request_ending=why, **{"rcv_isn": 7} | more)
        self.half_open = max(self.half_open - 1, 0)
        return event

    def again(self, at_s: float, port: int, cookie: int, retrans: int,
              timeouts: int, by_timer: bool = True, **more: Any) -> Event:
        """The SYN-ACK is sent again, at_s seconds after the first."""
        return self.event(
            "synack_retransmit", at_s, port, cookie=cookie, **{
                "since_synack_us": round(at_s * US), "synack_timeout_us": US,
                "num_retrans": retrans, "num_timeout": timeouts,
                "by_timer": by_timer, "max_retries": 5, "rcv_isn": 7,
                "snd_isn": 99, "rto_us": US << (timeouts + by_timer)} | more)

    def cookie_checked(self, at_s: float, port: int, verdict: int,
                       **more: Any) -> Event:
        """An ACK is checked for a cookie."""
        return self.event("cookie_checked", at_s, port, cookie_verdict=verdict,
                          **{"seg_flags": ACK} | more)
