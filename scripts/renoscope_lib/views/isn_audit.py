# SPDX-License-Identifier: GPL-2.0
"""How well can a stranger guess a host's next initial sequence number?

Who can guess it can forge a connection without seeing the answers (RFC 6528,
section 1).  What RFC 6528 asks for, and Linux does (secure_seq.c), is

    ISN = clock + hash(both addresses, both ports, a secret)

with a clock of one step every 64 ns.  So between the same two ports an ISN
grows with the clock, as it must for old segments to be told from new ones, and
that is no weakness: a stranger would need the ISN of just these ports.  Between
different ports the hash makes the difference a random number.  Therefore:

 - the sample is the first ISN of each pair of ends; steps are taken in order of
   time, modulo 2^32, so that wrapping is nothing special;
 - repeats of one pair of ends are looked at apart: do they grow with the clock?
 - SYN cookies are ISNs too, but made in another way: apart as well.

How uncertainty is estimated, in bits: the least of

 - spread of the values: log2 of the smallest arc of the number circle that
   holds them all, and of the steps between them, divided by what all steps have
   in common (their greatest common divisor);
 - the clock: the same arc for what is left of each step when a clock of the
   best fitting rate is taken away;
 - repeats: the collision entropy, -log2 of the share of pairs that are alike,
   where values or steps repeat at all.

All of these are upper limits: an attacker may know a better model.  A sample
of n values without a repeat cannot vouch for more than 2 log2(n) - 1 bits by
itself (the birthday bound); the spread is then what speaks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ..tcp.flows import Ends
from ..tcp.sequence import MODULUS

# Below this a constant step could be told, but randomness could not: that a
# random host's steps all lie in 1/16 of the circle has a chance of 2^-28 then.
MIN_CONNECTIONS = 8

# Steps are constant if all but a few are: somebody else's connection in between
# makes a step double.
CONSTANT_SHARE = 0.9
SMALL_MULTIPLES = 64

# A clock explains the steps if what is left lies in this part of the circle.
CLOCK_ARC = MODULUS / 64

# From so many bits on the spread cannot be told from a random one's: the values
# reach over at least a sixteenth of the circle.
RANDOM_BITS = 28.0

# Clocks by which ISNs are known to have been counted, in steps a second: RFC
# 9293's 4 us, Linux' 64 ns, the 1 us of old Linux, BSD's 64000 a half second.
LINUX_CLOCK = 1e9 / 64
CLOCKS = {LINUX_CLOCK: "64 ns, as Linux", 250_000.0: "4 us, as RFC 9293",
          1_000_000.0: "1 us", 128_000.0: "64000 each half second, as old BSD"}


@dataclass(frozen=True)
class Sample:
    """One ISN, and between which ends, if that is known."""

    time_ns: int
    isn: int
    ends: Ends | None = None


def steps_of(samples: Sequence[Sample]) -> list[int]:
    """From each ISN to the next in time, going up, modulo 2^32."""
    return [(b.isn - a.isn) % MODULUS for a, b in zip(samples, samples[1:])]


def arc(values: Sequence[int | float]) -> float:
    """The smallest arc of the circle of 2^32 that holds all the values."""
    points = sorted(value % MODULUS for value in values)
    if len(points) < 2:
        return 0.0
    gaps = [b - a for a, b in zip(points, points[1:])]
    return MODULUS - max([*gaps, points[0] + MODULUS - points[-1]])


def bits_of(width: float) -> float:
    """How many bits a choice among so many numbers has."""
    return math.log2(width + 1)


def collision_bits(values: Sequence[int]) -> float | None:
    """Collision entropy; None if no two are alike, so that nothing is known."""
    same = sum(n * (n - 1) for n in Counter(values).values())
    if not same:
        return None
    return math.log2(len(values) * (len(values) - 1) / same)


def common_divisor(steps: Sequence[int]) -> int:
    """What all steps are multiples of, counted modulo 2^32 as 32-bit numbers."""
    return math.gcd(*steps) if any(steps) else 0


@dataclass(frozen=True)
class Clock:
    """The clock that explains the steps best."""

    per_second: float
    left_over: float

    @property
    def fits(self) -> bool:
        """Whether it explains them at all."""
        return self.left_over <= CLOCK_ARC

    @property
    def words(self) -> str:
        """`64 ns, as Linux`, or the rate."""
        for rate, name in CLOCKS.items():
            if abs(self.per_second - rate) < rate / 1000:
                return name
        return f"{self.per_second:.0f} a second"


def _left_over(samples: Sequence[Sample], rate: float) -> float:
    """The arc of each ISN less the clock: 0 for a clock alone."""
    start = samples[0].time_ns
    return arc([s.isn - rate * (s.time_ns - start) / 1e9 for s in samples])


def best_clock(samples: Sequence[Sample]) -> Clock | None:
    """Among the known clocks and the one that the shortest steps suggest."""
    rates = [*CLOCKS, *_suggested_rates(samples)]
    if len(samples) < 3 or samples[0].time_ns == samples[-1].time_ns:
        return None
    return min((Clock(rate, _left_over(samples, rate)) for rate in rates),
               key=lambda clock: clock.left_over)


def _suggested_rates(samples: Sequence[Sample]) -> list[float]:
    """What steps and whole sample say if the clock has not wrapped."""
    pairs = [(b.time_ns - a.time_ns, step) for a, b, step in
             zip(samples, samples[1:], steps_of(samples))
             if b.time_ns > a.time_ns]
    if not pairs:
        return []
    rates = [median(step * 1e9 / ns for ns, step in pairs)]
    ns, steps = (sum(column) for column in zip(*pairs))
    return [*rates, steps * 1e9 / ns]


def recurrence(isns: Sequence[int]) -> tuple[int, int] | None:
    """(a, c) if each ISN is a times the one before, plus c, modulo 2^32."""
    steps = [(b - a) % MODULUS for a, b in zip(isns, isns[1:])]
    for first, second in zip(steps, steps[1:]):
        if first % 2:
            break
    else:
        return None
    factor = second * pow(first, -1, MODULUS) % MODULUS
    if len(steps) < 4 or factor in (0, 1):
        return None
    if any((b - factor * a) % MODULUS for a, b in zip(steps, steps[1:])):
        return None
    return factor, (isns[1] - factor * isns[0]) % MODULUS


@dataclass(frozen=True)
class Repeats:
    """Several ISNs between the same two ports."""

    pairs: int
    by_clock: int
    by_time_wait: int

    @property
    def words(self) -> str:
        """How many there are, and whether they grew as RFC 6528 wants."""
        if not self.pairs:
            return ""
        words = f"Of {self.pairs} repeats between the same ports"
        parts = [f"{self.by_clock} grew with a 64 ns clock, as RFC 6528 and "
                 "Linux mean them to"]
        if self.by_time_wait:
            parts.append(f"{self.by_time_wait} by 65537 and what was sent, as "
                         "Linux does when a SYN meets TIME-WAIT")
        others = self.pairs - self.by_clock - self.by_time_wait
        if others:
            parts.append(f"{others} in neither way")
        return f"{words}, {'; '.join(parts)}"


# Above the last number sent, where a SYN meets TIME-WAIT
# (tcp_timewait_state_process() in net/ipv4/tcp_minisocks.c).
TIME_WAIT_STEP = 65535 + 2
SENT_BEFORE = 1 << 20

# What a recorder may be late by, from the ISN's making to the event.
LATE_NS = 100_000_000


def repeats_of(samples: Sequence[Sample]) -> Repeats:
    """Each ISN against the one before between the same ports."""
    last: dict[Ends | None, Sample] = {}
    pairs = by_clock = by_time_wait = 0
    for sample in samples:
        before = last.get(sample.ends)
        last[sample.ends] = sample
        if before is None or before.isn == sample.isn:
            continue
        pairs += 1
        expected = (sample.time_ns - before.time_ns) * LINUX_CLOCK / 1e9
        off = (sample.isn - before.isn - expected) % MODULUS
        late = LATE_NS * LINUX_CLOCK / 1e9
        clocked = min(off, MODULUS - off) <= late
        above = (sample.isn - before.isn) % MODULUS - TIME_WAIT_STEP
        by_clock += clocked
        by_time_wait += not clocked and 0 <= above < SENT_BEFORE
    return Repeats(pairs, by_clock, by_time_wait)


@dataclass(frozen=True)
class Audit:
    """What was found about one host's ISNs."""

    count: int
    distinct: int
    end_pairs: int
    address_pairs: int
    step_min: int | None = None
    step_median: float | None = None
    step_max: int | None = None
    steps_per_ms: float | None = None
    commonest_step: int | None = None
    commonest_share: float = 0.0
    divisor: int = 0
    clock_per_s: float | None = None
    clock_bits: float | None = None
    value_bits: float | None = None
    step_bits: float | None = None
    collision_bits: float | None = None
    bits: float | None = None
    sample_limit_bits: float | None = None
    same_addresses_bits: float | None = None
    repeats: str = ""
    verdict: str = ""
    why: str = ""


def audit_of(samples: Sequence[Sample], cookies: bool = False) -> Audit:
    """The audit of one host's ISNs, in any order."""
    ordered = sorted(samples, key=lambda s: s.time_ns)
    first = list({s.ends: s for s in reversed(ordered)}.values())[::-1]
    if not any(s.ends for s in ordered):
        first = ordered
    numbers: dict[str, Any] = {
        "count": len(ordered), "distinct": len({s.isn for s in ordered}),
        "end_pairs": len(first),
        "address_pairs": len({_addresses(s.ends) for s in first}),
        "repeats": repeats_of(ordered).words}
    if len(first) >= 2:
        numbers |= _numbers_of(first)
    verdict, why = _verdict(first, numbers, cookies)
    return Audit(**numbers, verdict=verdict, why=why)


def _addresses(ends: Ends | None) -> tuple[Any, ...]:
    """Both ends without their ports."""
    return (ends[0], ends[1], ends[3]) if ends else ()


def _numbers_of(samples: list[Sample]) -> dict[str, Any]:
    isns = [s.isn for s in samples]
    steps = steps_of(samples)
    [(commonest, times)] = Counter(steps).most_common(1)
    divisor = common_divisor(steps)
    clock = best_clock(samples)
    spread_ms = (samples[-1].time_ns - samples[0].time_ns) / 1e6
    per = max(divisor, 1)
    found = {
        "value_bits": bits_of(arc(isns) / per),
        "step_bits": bits_of(arc(steps) / per),
        "clock_bits": bits_of(clock.left_over) if clock else None,
        "collision_bits": min((b for b in (collision_bits(isns),
                                           collision_bits(steps))
                               if b is not None), default=None),
        "same_addresses_bits": _same_addresses_bits(samples)}
    return found | {
        "step_min": min(steps), "step_median": median(steps),
        "step_max": max(steps),
        "steps_per_ms": sum(steps) / spread_ms if spread_ms else None,
        "commonest_step": commonest, "commonest_share": times / len(steps),
        "divisor": divisor,
        "clock_per_s": clock.per_second if clock else None,
        "bits": min(b for b in found.values() if b is not None),
        "sample_limit_bits": max(2 * math.log2(len(samples)) - 1, 0.0)}


def _same_addresses_bits(samples: list[Sample]) -> float | None:
    """Spread of the steps between the same two addresses, ports apart."""
    groups: dict[tuple[Any, ...], list[Sample]] = {}
    for sample in samples:
        groups.setdefault(_addresses(sample.ends), []).append(sample)
    largest = max(groups.values(), key=len)
    if len(largest) < MIN_CONNECTIONS:
        return None
    return bits_of(arc(steps_of(largest)))


def _verdict(samples: list[Sample], numbers: dict[str, Any],
             cookies: bool) -> tuple[str, str]:
    count = len(samples)
    if count < MIN_CONNECTIONS:
        only = ("all connections had the same ports" if count == 1
                and numbers["count"] > 1 else
                f"{count} pairs of ends" if count != 1 else "one pair of ends")
        return "too few connections", (
            f"{only}; {MIN_CONNECTIONS} with different ports are needed to "
            "tell a random number from a lucky one")
    for judge in (_constant, _recurrent, _small_steps, _by_clock):
        found = judge(samples, numbers)
        if found is not None:
            return found
    return _by_bits(count, numbers, cookies)


def _constant(_: list[Sample], n: dict[str, Any]) -> tuple[str, str] | None:
    if n["commonest_share"] < CONSTANT_SHARE:
        return None
    share = f"{100 * n['commonest_share']:.0f}%"
    if n["commonest_step"] == 0:
        return "predictable: always the same", f"{share} of the steps are 0"
    return "predictable: constant step", (
        f"{share} of the steps are exactly {n['commonest_step']}: whoever sees "
        "one ISN knows the next")


def _recurrent(samples: list[Sample],
               _: dict[str, Any]) -> tuple[str, str] | None:
    found = recurrence([s.isn for s in samples])
    if found is None:
        return None
    return "predictable: linear recurrence", (
        f"each ISN is the one before times {found[0]} plus {found[1]}, modulo "
        "2^32: a linear congruential generator, known from three values")


def _small_steps(_: list[Sample],
                 n: dict[str, Any]) -> tuple[str, str] | None:
    if n["divisor"] < 2 or n["step_max"] > SMALL_MULTIPLES * n["divisor"]:
        return None
    return "predictable: constant step", (
        f"every step is a small multiple of {n['divisor']} (at most "
        f"{n['step_max'] // n['divisor']} times): a counter")


def _by_clock(samples: list[Sample],
              n: dict[str, Any]) -> tuple[str, str] | None:
    clock = best_clock(samples)
    if (clock is None or not clock.fits
            or n["clock_bits"] > n["step_bits"] + 1):  # the steps say more
        return None
    return "predictable: time-driven only", (
        f"between different ports too, the ISNs follow a clock ({clock.words}) "
        f"with only {n['clock_bits']:.0f} bits left over: there is no hash, or "
        "no secret in it")


def _by_bits(count: int, n: dict[str, Any],
             cookies: bool) -> tuple[str, str]:
    if n["bits"] < RANDOM_BITS:
        least = min((name for name in METHODS if n[name] is not None),
                    key=lambda name: n[name])
        return "weak: less than random", (
            f"about {n['bits']:.0f} of 32 bits are uncertain, by "
            f"{METHODS[least]}")
    limit = n["sample_limit_bits"]
    words = (f"{count} ISNs between different ports spread over "
             f"{n['bits']:.1f} of 32 bits, without a repeat that would tell, "
             "without a common step and without a clock; that they do not "
             f"repeat vouches for {limit:.0f} bits by itself")
    if cookies:
        words += ("; a cookie also carries the MSS, in its low 24 bits, and a count of "
                  "minutes, in its high 8")
    return "looks random at this sample size", words


METHODS = {"value_bits": "the spread of the values",
           "step_bits": "the spread of the steps",
           "clock_bits": "what a clock leaves over",
           "collision_bits": "how often values or steps repeat",
           "same_addresses_bits": "the steps between the same two addresses"}
