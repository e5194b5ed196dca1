# SPDX-License-Identifier: GPL-2.0
"""What the kernel's timers will wait, where no event tells: bounds and doublings."""

from __future__ import annotations

# include/net/tcp.h: TCP_TIMEOUT_INIT, TCP_RTO_MIN and TCP_RTO_MAX.
FIRST_WAIT_US = 1_000_000
RTO_MIN_US = 200_000
RTO_MAX_US = 120_000_000

# After a queue of this host's dropped what the timer sent: TCP_RESOURCE_PROBE_INTERVAL.
RESOURCE_WAIT_US = 500_000

# The longest there is, at HZ=100.
JIFFY_US = 10_000

# From the shortest wait to the longest; more change nothing.
MOST_DOUBLINGS = (RTO_MAX_US // RTO_MIN_US).bit_length()


def doubled_us(first_us: int, doublings: int) -> int:
    """A wait after so many doublings."""
    return min(first_us << min(doublings, MOST_DOUBLINGS), RTO_MAX_US)


def latest_us(wait_us: int) -> int:
    """When a timer has fired at the latest, on a host with time for it.

    kernel/time/timer.c: the longer the wait, the coarser the wheel, by an eighth of it
    at most, and a jiffy.
    """
    return wait_us + wait_us // 8 + JIFFY_US


def persist_wait_us(rto_us: int, backoff: int) -> int:
    """What follows a probe of a zero window (tcp_probe0_when()).

    Its event comes before the kernel counts the probe, so one doubling more than
    backoff says; TCP_USER_TIMEOUT may make it less.
    """
    return doubled_us(max(rto_us, RTO_MIN_US), backoff + 1)


def synack_give_up_us(retries: int, first_us: int = FIRST_WAIT_US) -> int:
    """From the first SYN-ACK until the request is dropped."""
    return sum(doubled_us(first_us, n) for n in range(retries + 1))
