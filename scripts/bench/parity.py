# SPDX-License-Identifier: GPL-2.0
"""Is `renoscope` Linux Reno? The same traffic under both, event for event.

For a guest booted with --icount, where a second is a thousand million instructions
whatever else the machine does. Each scenario is played under reno, under renoscope
and under reno once more, on hosts of their own; losses, marks and reordering are
placed by count. Then what the recorder saw of the sender is compared: every ACK,
every retransmission with its cause, every timeout and tail loss probe, every change
of the congestion state; in each cwnd, ssthresh, the congestion state, the counts of
segments out, lost, sent again and SACKed, and the sequence numbers.

Left out are the things in which two runs of one algorithm differ, too: clock
times and what is measured by them (RTT, RTO), ports, the peer's window (it says
when a program read). Sequence numbers are counted from the ISN. So equal means:
the same decisions in the same order.

What the core decides by the phase of the clock's tick is switched off, or stood in
for, where it would matter: SACK compression, and with sparse ACKs RACK and GRO.

The two runs of reno must be equal, or the comparison proves nothing; and cubic, once,
must differ, or it sees nothing.

    K=$(scripts/qemu/fetch-kernel 6.12)
    B=$(scripts/build-module "$K")
    scripts/qemu/boot --kernel "$K" --root host --icount --timeout 3000 -- env \\
        RENOSCOPE_MODULE="$B/module/tcp_renoscope.ko" python3 scripts/bench/parity.py

With names behind it, as 'loss 1 in 20' idle: only scenarios whose names begin so.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "selftests"))

import endpoints  # noqa: E402  (found through the lines above)
from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts, run  # noqa: E402
from inside import cookie_of  # noqa: E402
from recorder import PARAMETERS, Recorder, wait_until  # noqa: E402
from renoscope_lib.ring.schema import Event  # noqa: E402
from sending import DATA, SEGMENT_BYTES, unread  # noqa: E402

PATIENCE_S = 120

PORT = endpoints.PORT
DELAY = "delay 20ms"
BOTTLENECK = f"{DELAY} rate 20mbit limit 10000"
KINDS = "ack,ca_state,retransmit,rto,loss_probe"

COMMON = ("cwnd", "ssthresh", "ca_state", "packets_out", "lost_out",
          "retrans_out", "sacked_out", "backoff")
DETAILS = {"ack": ("seg_len", "seg_flags"), "ca_state": ("old_ca_state",),
           "retransmit": ("seg_len", "retransmit_cause", "retransmit_segs"),
           "loss_probe": ("probe_retransmits",), "rto": ("retransmits",)}
SEQUENCES = ("snd_una", "snd_nxt")
SEGMENT_SEQUENCES = {"ack": ("seg_ack",), "retransmit": ("seg_seq",)}


# ---- the scenarios -------------------------------------------------------


Play = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Scenario:
    """What happens to the traffic, and what the traffic is."""

    name: str
    play: Play
    at_server: str = ""         # a rule of nft for what arrives there
    at_client: str = ""
    netem: str = BOTTLENECK     # on what the client sends
    ecn: bool = False
    delayed_acks: bool = False  # else each segment is acknowledged at once
    rack: bool = True           # its timer goes by the clock's tick
    batch: int = 1              # segments that travel as one packet
    sees: tuple[str, ...] = ()  # what must have happened, or it tested nothing


def _send(sock: socket.socket, segments: int) -> None:
    """Into the queue all at once; then until all is acknowledged."""
    sock.sendall(bytes(segments * SEGMENT_BYTES))
    wait_until("all to be acknowledged", lambda: not endpoints.unacknowledged(sock),
               PATIENCE_S)


def bulk(segments: int) -> Play:
    """As fast as cwnd allows."""
    return lambda sock: _send(sock, segments)


def flights(count: int) -> Play:
    """Less than cwnd at a time, and nothing else is on the way."""
    def play(sock: socket.socket) -> None:
        for _ in range(count):
            _send(sock, 10)
    return play


def _idle(sock: socket.socket) -> None:
    """Bursts with rests: of some RTOs, of less than one, and a long one."""
    for rest_s in (0.7, 0.15, 3.0):
        _send(sock, 400)
        time.sleep(rest_s)
    _send(sock, 400)


def _delay_acks(milliseconds: int) -> None:
    """How long tc takes is chance; after so long a rest cwnd is the initial one."""
    TwoHosts.netem(SERVER, f"delay {milliseconds}ms limit 10000")
    time.sleep(20)


def _late_acks(sock: socket.socket) -> None:
    """They come after the tail loss probe and the timer, but before the timer's next."""
    _send(sock, 20)
    _delay_acks(450)
    _send(sock, 10)
    _delay_acks(20)
    _send(sock, 300)


def _application_limited(sock: socket.socket) -> None:
    """Less than cwnd, more than cwnd, and less again."""
    for segments in [4] * 15 + [60] * 5 + [8] * 15:
        sock.sendall(bytes(segments * SEGMENT_BYTES))
        time.sleep(0.1)
    _send(sock, 200)


def _every(number: int, verdict: str = "drop", match: str = DATA) -> str:
    return f"{match} numgen inc mod {number} == {number - 1} {verdict}"


# At the end of a flight it takes the tail loss probe, too, and the first thing
# that is sent again. Longer ones would cost a doubling of the timer for each.
BURST = "numgen inc mod 27 < 4"

# What GRO makes of segments that arrive close together depends on the clock's
# tick, so it is no two times the same. A batch that travels as one packet is what
# the receiver sees of it, and acknowledges at once. After a loss it is the sender
# that makes batches by the clock: there only one ACK in four gets through.
BATCH = 8
THINNED = f"tcp sport {PORT} tcp flags == ack numgen inc mod 4 < 3 drop"

# A segment that overtakes others arrives one delay after the ACK that let it go, 20 ms,
# amid segments that arrive in step. 20 ms are 33.0 such steps at 20 Mbit/s, so chance
# would say before which it comes; at this rate they are 32.5.
BETWEEN_STEPS = f"{DELAY} rate 19700kbit reorder 100% gap 50 limit 10000"

MARK = "ip ecn set ce"
NOT_MARKED = f"{DATA} ip ecn != not-ect"
RECOVERED = ("retransmit", "Recovery")

SCENARIOS = (
    Scenario("no loss", bulk(3000)),
    Scenario("loss 1 in 1000", bulk(6000), _every(1000), sees=RECOVERED),
    Scenario("loss 1 in 100", bulk(4000), _every(100), sees=RECOVERED),
    Scenario("loss 1 in 20", bulk(1500), _every(20), sees=RECOVERED),
    Scenario("ends of flights lost", flights(30), f"{DATA} {BURST} drop",
             sees=("rto", "Loss")),
    Scenario("ACKs lost, the SYN's too", flights(30), sees=("rto", "Loss"),
             at_client=f"tcp sport {PORT} {BURST} drop"),
    Scenario("own queue overflows", bulk(4000), sees=("CWR",),
             netem=f"{DELAY} rate 20mbit limit 60"),
    Scenario("reordering 1 in 50", bulk(3000), sees=("Disorder",),
             netem=BETWEEN_STEPS, rack=False),
    Scenario("ACKs later than the timer", _late_acks, sees=("rto", "Loss", "undone")),
    Scenario("ECN marks 1 in 200", bulk(4000), _every(200, MARK, NOT_MARKED),
             ecn=True, sees=("CWR",)),
    Scenario("ECN marks 1 in 20", bulk(1500), _every(20, MARK, NOT_MARKED),
             ecn=True, sees=("CWR",)),
    Scenario("idle", _idle, sees=("shrank",)),
    Scenario("application-limited", _application_limited),
    Scenario("delayed ACKs", bulk(3000), delayed_acks=True, sees=("stretch2",)),
    Scenario("delayed ACKs, loss 1 in 100", bulk(3000), _every(100),
             delayed_acks=True, rack=False, sees=(*RECOVERED, "stretch2")),
    Scenario("stretch ACKs", bulk(4000), delayed_acks=True, batch=BATCH,
             sees=("stretch8",)),
    Scenario("stretch ACKs, loss 1 in 100", bulk(3000), _every(100), THINNED,
             rack=False, sees=(*RECOVERED, "stretch4")),
)


# ---- one run -------------------------------------------------------------


class Seen(NamedTuple):
    """What was recorded of the sender in one run."""

    events: list[tuple[tuple[str, object], ...]]
    counts: Counter[str]
    cwnds: tuple[int, int]      # the smallest and the largest


def _silence(hosts: TwoHosts) -> None:
    """No packets but TCP's on the wire, as netem counts them all."""
    for host, peer in ((CLIENT, SERVER), (SERVER, CLIENT)):
        hosts.sysctl(host, "net.ipv6.conf.wire.disable_ipv6=1")
        link, = json.loads(run("ip", "-j", "-n", peer, "link", "show", "dev", "wire"))
        run("ip", "-n", host, "neigh", "replace", ADDRESSES[peer][0], "dev", "wire",
            "lladdr", link["address"], "nud", "permanent")


def prepare(hosts: TwoHosts, scenario: Scenario) -> None:
    quickack = "0" if scenario.delayed_acks else "1"
    _silence(hosts)
    hosts.most_segments_a_packet(scenario.batch)
    for host in (CLIENT, SERVER):
        run("ip", "-n", host, "route", "change", "10.77.0.0/24", "dev", "wire",
            "quickack", quickack)
        for setting in (f"tcp_ecn={int(scenario.ecn)}", "tcp_no_metrics_save=1",
                        f"tcp_recovery={int(scenario.rack)}",
                        f"tcp_min_tso_segs={scenario.batch}",
                        "tcp_comp_sack_nr=0",       # it goes by a timer of 1 ms
                        "tcp_rmem=4096 131072 33554432"):
            hosts.sysctl(host, f"net.ipv4.{setting}")
    for host, netem in ((CLIENT, scenario.netem), (SERVER, DELAY + " limit 10000")):
        hosts.netem(host, netem)
    for host, rule in ((SERVER, scenario.at_server), (CLIENT, scenario.at_client)):
        if rule:
            hosts.on_arrival(host, rule)


def _normal(event: Event) -> tuple[tuple[str, object], ...]:
    """What of an event two runs must have in common."""
    values: list[tuple[str, object]] = [("kind", event.kind)]
    values += [(name, event[name]) for name in COMMON + DETAILS[event.kind]]
    values += [(name, endpoints.relative(event[name], event["snd_isn"]))
               for name in SEQUENCES + SEGMENT_SEQUENCES.get(event.kind, ())]
    return tuple(values)


def _count(it: Recorder, events: list[Event]) -> Counter[str]:
    """How much of what there was."""
    counts = Counter(event.kind for event in events)
    previous = None
    for event in events:
        if event.kind == "ca_state":
            counts[it.schema.name_of("ca_state", event["ca_state"])] += 1
        if event.kind == "ack" and event["seg_ack"] != event["snd_una"]:
            acked = (event["seg_ack"] - event["snd_una"]) % 2**32
            for segments in (2, 4, 8):
                counts[f"stretch{segments}"] += acked >= segments * SEGMENT_BYTES
        if previous and event["cwnd"] < previous["cwnd"] and (
                event["ca_state"] == previous["ca_state"] == 0):
            counts["shrank"] += 1
        if previous and event["ca_state"] < previous["ca_state"] and (
                event["ssthresh"] > previous["ssthresh"]):
            counts["undone"] += 1
        previous = event
    return counts


def _watch(scenario: Scenario, algorithm: str) -> Seen:
    with (Recorder(f"events={KINDS}", "ring_records=65536") as it,
          TwoHosts() as hosts):
        prepare(hosts, scenario)
        (PARAMETERS / "filter").write_text(f"netns={hosts.inode(CLIENT)}")
        with unread(algorithm) as sock:
            scenario.play(sock)
            events = [e for e in endpoints.whole(it)
                      if e["cookie"] == cookie_of(sock) and e.kind in DETAILS]
    cwnds = [event["cwnd"] for event in events]
    return Seen([_normal(event) for event in events], _count(it, events),
                (min(cwnds), max(cwnds)))


# ---- the comparison ------------------------------------------------------


def _difference(one: Seen, other: Seen) -> str:
    """The first event in which two runs differ, or nothing."""
    for number, (a, b) in enumerate(zip(one.events, other.events)):
        if a != b:
            mine, theirs = dict(a), dict(b)
            names = [n for n in mine | theirs if mine.get(n) != theirs.get(n)]
            return f"event {number} ({mine['kind']}): " + ", ".join(
                f"{n} {mine.get(n)} / {theirs.get(n)}" for n in names)
    if len(one.events) != len(other.events):
        return f"{len(one.events)} / {len(other.events)} events"
    return ""


def _report(scenario: Scenario, runs: dict[str, Seen]) -> bool:
    """A line; whether renoscope did as reno does, and reno as itself."""
    first = runs["reno"]
    itself = _difference(first, runs["reno again"])
    ours = _difference(first, runs["renoscope"])
    missing = [what for what in scenario.sees if not first.counts[what]]
    counts = first.counts
    print(f"{scenario.name:<36}{len(first.events):>7}{counts['retransmit']:>7}"
          f"{counts['Recovery']:>6}{counts['CWR']:>5}{counts['rto']:>5}"
          f"{first.cwnds[0]:>6}-{first.cwnds[1]:<5} "
          f"{'differs' if itself else 'equal':<8}"
          f"{'differs' if ours else 'equal'}", flush=True)
    for words, fault in (("reno and reno", itself), ("reno and renoscope", ours),
                         ("it did not happen", " ".join(missing))):
        if fault:
            print(f"    {words}: {fault}", flush=True)
    return not (itself or ours or missing)


def _compare(scenario: Scenario) -> bool:
    return _report(scenario, {
        name: _watch(scenario, name.split()[0])
        for name in ("reno", "renoscope", "reno again")})


def _control() -> bool:
    """Cubic must be told from reno."""
    scenario = SCENARIOS[2]
    difference = _difference(_watch(scenario, "reno"),
                             _watch(scenario, "cubic"))
    print(f"control: {scenario.name}, reno and cubic: {difference or 'EQUAL'}")
    return bool(difference)


def _chosen(arguments: Sequence[str] | None) -> list[Scenario]:
    """Those scenarios whose names begin so, or all; what is unknown ends the run."""
    there_are = f"there are: {', '.join(repr(s.name) for s in SCENARIOS)}"
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=there_are,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*",
                        help="only those whose names begin so (default: all)")
    wanted = tuple(parser.parse_args(arguments).scenario)
    for name in wanted:
        if not any(scenario.name.startswith(name) for scenario in SCENARIOS):
            parser.error(f"no scenario begins with {name!r}; {there_are}")
    return [s for s in SCENARIOS if not wanted or s.name.startswith(wanted)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Play, compare, print."""
    chosen = _chosen(arguments)
    print(f"{'scenario':<36}{'events':>7}{'again':>7}{'fast':>6}{'CWR':>5}"
          f"{'RTO':>5}{'cwnd':>9}   {'reno':<8}renoscope")
    good = [_compare(scenario) for scenario in chosen]
    good.append(_control())
    print(f"parity: {sum(good)} of {len(good)}")
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
