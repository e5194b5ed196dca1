# SPDX-License-Identifier: GPL-2.0
"""What is evaluated: paths, and the flows on them.

The choice follows what RFC 9743 asks of a proposal: single flows and several, long
ones and short ones, against their own kind and against Reno, over small, fitting and
bloated buffers, with loss that is none of congestion, and with ECN.
"""

from __future__ import annotations

from dataclasses import dataclass

SUBJECTS = ("reno", "renoscope", "reno_modern", "cubic", "bbr")

# For single transfers besides: reno once more, as a measure of what chance does, and
# HyStart++ without anything else, which is renoscope with this parameter.
AGAIN = "reno-again"
RFC9406 = "rfc9406"
PARAMETER = "reno_hystart"
MSS = 1448
PACKET = 1514


@dataclass(frozen=True)
class Path:
    """A bottleneck and what lies before it."""

    rate_mbit: float
    rtt_ms: int
    buffer_bdp: float
    ecn: bool = False       # fq_codel that marks, instead of a plain queue
    loss_every: int = 0     # one segment of so many is lost on the way, by count

    @property
    def bdp_bytes(self) -> int:
        """What the path holds without a queue."""
        return int(self.rate_mbit * 1e6 / 8 * self.rtt_ms / 1e3)

    @property
    def buffer_bytes(self) -> int:
        """The queue's limit: some packets fit into any."""
        return max(4 * PACKET, int(self.bdp_bytes * self.buffer_bdp))


@dataclass(frozen=True)
class Flow:
    """One sender. Without an algorithm of its own it has the subject's."""

    starts_s: float = 0.0
    total_bytes: int = 0        # 0: sends until the scenario ends
    every_s: float = 0.0        # again and again, as a new connection each time
    algorithm: str = ""


@dataclass(frozen=True)
class Scenario:
    """Flows on a path, for so long."""

    name: str
    group: str
    path: Path
    flows: tuple[Flow, ...]
    seconds: float


def _bytes_for(path: Path) -> int:
    """Enough for slow start to overshoot, and to recover: a dozen BDPs."""
    return max(1_000_000, 12 * path.bdp_bytes)


def _start(path: Path) -> Scenario:
    name = f"start-{path.rate_mbit:g}M-{path.rtt_ms}ms-{path.buffer_bdp:g}bdp"
    return Scenario(name, "start", path, (Flow(total_bytes=_bytes_for(path)),), 60)


def _starts() -> list[Scenario]:
    return [_start(Path(rate, rtt, depth)) for rate in (10, 30, 100)
            for rtt in (10, 50, 200) for depth in (0.25, 1, 4)]


def _longs() -> list[Scenario]:
    return [Scenario(f"long-{path.buffer_bdp:g}bdp{suffix}", "long", path, (Flow(),), 20)
            for path, suffix in (
                (Path(20, 40, 0.25), ""), (Path(20, 40, 1), ""), (Path(20, 40, 4), ""),
                (Path(20, 40, 1, loss_every=1000), "-loss"),
                (Path(20, 40, 1, ecn=True), "-ecn"))]


def _shares() -> list[Scenario]:
    later = Flow(starts_s=5)
    found = []
    for depth in (0.25, 1, 4):
        path = Path(20, 40, depth)
        found += [
            Scenario(f"share-own-{depth:g}bdp", "share", path, (Flow(), later), 40),
            Scenario(f"share-reno-{depth:g}bdp", "share", path,
                     (Flow(algorithm="reno"), later), 40)]
    four = tuple(Flow(starts_s=n) for n in range(4))
    found.append(Scenario("share-four-1bdp", "share", Path(20, 40, 1), four, 40))
    # fq_codel keeps flows apart; what they do to one another in one queue is above.
    found.append(Scenario("share-own-ecn", "share", Path(20, 40, 1, ecn=True),
                          (Flow(), later), 30))
    return found


def _shorts() -> list[Scenario]:
    short = Flow(starts_s=3, total_bytes=100_000, every_s=1)
    return [Scenario(f"short-{depth:g}bdp", "short", Path(20, 40, depth),
                     (Flow(algorithm="reno"), short), 23) for depth in (0.25, 1, 4)]


def subjects_of(group: str) -> tuple[str, ...]:
    """Whom a group's scenarios are played with."""
    if group == "start":
        return ("reno", AGAIN, "renoscope", RFC9406, "reno_modern", "cubic", "bbr")
    return SUBJECTS


def algorithm_of(subject: str) -> str:
    """The name that a socket chooses."""
    return {AGAIN: "reno", RFC9406: "renoscope"}.get(subject, subject)


SCENARIOS = (*_starts(), *_longs(), *_shares(), *_shorts())


def by_name(name: str) -> Scenario:
    """The scenario of that name."""
    return next(s for s in SCENARIOS if s.name == name)
