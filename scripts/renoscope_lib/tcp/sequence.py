# SPDX-License-Identifier: GPL-2.0
"""Sequence number arithmetic, modulo 2^32 (RFC 9293 section 3.4)."""

from __future__ import annotations

MODULUS = 1 << 32

# The most that a window field can say where it is not scaled.
MOST_UNSCALED = 0xffff

# A first number worked out from counters may be one off (event_capture.c).
ISN_TOLERANCE = 2

FIN = 0x01
SYN = 0x02
RST = 0x04
ACK = 0x10
URG = 0x20
ECE = 0x40


def relative(number: int, isn: int) -> int:
    """A sequence number counted from the initial one, as Wireshark shows it."""
    return (number - isn) % MODULUS


def relative_if_known(number: int, isn: int) -> int | None:
    """The same; an ISN of 0 is one that was not seen."""
    return relative(number, isn) if isn else None


def is_after(number: int, other: int) -> bool:
    """Whether a sequence number lies behind another, by less than half of all."""
    return 0 < (number - other) % MODULUS < MODULUS // 2


def distance(number: int, other: int) -> int:
    """How far a sequence number lies behind another; below 0 if before it."""
    far = relative(number, other)
    return far - MODULUS if far >= MODULUS // 2 else far


def isns_differ(one: int | None, other: int | None) -> bool:
    """Whether they are of two connections; of one that is not known nobody can say."""
    if one is None or other is None:
        return False
    return ISN_TOLERANCE < relative(one, other) < MODULUS - ISN_TOLERANCE


def passes(number: int, before: int, now: int) -> bool:
    """Whether what was acknowledged to `before`, and is to `now`, has just got beyond it."""
    return is_after(now, number) and not is_after(before, number)


def segment_length(payload: int, flags: int) -> int:
    """Sequence numbers a segment takes: SYN and FIN take one each."""
    return payload + bool(flags & SYN) + bool(flags & FIN)


def following(seq: int, payload: int, flags: int) -> int:
    """The next sequence number after a segment, which acknowledges it."""
    return (seq + segment_length(payload, flags)) % MODULUS


def is_as_large_as_can_be(window: int, scales: bool) -> bool:
    """Whether no buffer would make a window much larger."""
    return not scales and window > MOST_UNSCALED // 2


def scaled_window(raw: int, shift: int, flags: int) -> int:
    """Bytes that a window field stands for; a SYN's is never scaled (RFC 7323)."""
    return raw if flags & SYN else raw << shift
