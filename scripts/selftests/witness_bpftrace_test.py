# SPDX-License-Identifier: GPL-2.0
"""bpftrace as witness: the kernel's tracepoints against our events, one by one.

bpftrace prints a line for each time a tracepoint is passed, with what it tells.
The same lines are made from our records; both must be the same, line by line,
whatever their order.

The witness is not perfect. Where an interrupt comes while a BPF program runs, the
programs of the tracepoints that it passes are skipped on that CPU (kernel/trace/
bpf_trace.c, trace_call_bpf(), bpf_prog_active), and bpftrace does not tell.  From 6.7
on the kernel counts that: then a run in which it happened is no witness, and all of it
is done again.  Before, the same goes for a run in which only we have more; thrice in a
row that is a failure.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import bpftrace
import endpoints
import troubles
from endpoints import FAMILIES, PORT, quiet
from hosts import CLIENT, SERVER, TwoHosts
from ktap_output import comment
from recorder import Recorder, wait_until
from renoscope_lib.ring.schema import Event

OUTPUT = Path("/tmp/witness.bpftrace")
READY = "ready"
ESTABLISHED, TIME_WAIT_OR_SYN_RECV = 1, (3, 6)
ATTEMPTS = 3
COUNTS_MISSES = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 7)
ENDS = ("sport", "dport")
OUR_ENDS = ("local_port", "remote_port")

# Our kind: the tracepoint, what it tells, and the fields of ours that are the same.
WITNESSES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "state": ("sock:inet_sock_set_state", ("oldstate", "newstate", *ENDS),
              ("old_state", "state", *OUR_ENDS)),
    "ack": ("tcp:tcp_probe",
            ("sock_cookie", *ENDS, "data_len", "snd_nxt", "snd_una", "snd_cwnd",
             "ssthresh", "snd_wnd", "srtt", "rcv_wnd"),
            ("cookie", *OUR_ENDS, "seg_len", "snd_nxt", "snd_una", "cwnd",
             "ssthresh", "snd_wnd", "srtt_us", "rcv_wnd")),
    "retransmit": ("tcp:tcp_retransmit_skb", ("state", *ENDS), ("state", *OUR_ENDS)),
    "synack_retransmit": ("tcp:tcp_retransmit_synack", ENDS, OUR_ENDS),
    "destroy": ("tcp:tcp_destroy_sock", ("sock_cookie", *ENDS), ("cookie", *OUR_ENDS)),
    "reset_received": ("tcp:tcp_receive_reset", ("sock_cookie", *ENDS),
                       ("cookie", *OUR_ENDS)),
    "reset_sent": ("tcp:tcp_send_reset", ("state",), ("state",)),
    "ca_state": ("tcp:tcp_cong_state_set", ("cong_state", *ENDS),
                 ("ca_state", *OUR_ENDS)),
    "error": ("sock:inet_sk_error_report", ("error", *ENDS), ("sk_error", *OUR_ENDS)),
}
SHARED_WITH_OTHERS = ("sock:inet_sock_set_state", "sock:inet_sk_error_report")


def _program() -> str:
    """What bpftrace is to do."""
    parts = [f'BEGIN {{ printf("{READY}\\n"); }}']
    for kind, (tracepoint, told, _fields) in WITNESSES.items():
        which = "/args->protocol == 6/" if tracepoint in SHARED_WITH_OTHERS else ""
        form = " ".join([kind, *["%lu"] * len(told)])
        arguments = ", ".join(f"args->{name}" for name in told)
        parts.append(f'tracepoint:{tracepoint} {which} '
                     f'{{ printf("{form}\\n", {arguments}); }}')
    return "\n".join(parts)


class Bpftrace:
    """bpftrace at work for the time of a with block."""

    def __enter__(self) -> Bpftrace:
        with OUTPUT.open("w") as output:
            self.process = subprocess.Popen(
                ["bpftrace", "-B", "line", "-e", _program()], text=True,
                stdout=output, stderr=subprocess.PIPE)
        wait_until("bpftrace to begin", lambda: READY in self.lines() or
                   self.process.poll() is not None)
        if self.process.poll() is not None:
            raise RuntimeError(f"bpftrace ended: {self.process.communicate()[1]}")
        return self

    def __exit__(self, *_unused: object) -> None:
        self.missed = self._missed()
        _, complaints = bpftrace.interrupt(self.process, bpftrace.ENDING_S)
        lost = [line for line in [*self.lines(), *complaints.splitlines()]
                if line.startswith("Lost")]
        if lost:
            raise RuntimeError(f"bpftrace itself lost events: {lost[0]}")

    def _missed(self) -> int:
        """Events that the kernel kept from its programs, as one ran on that CPU already."""
        files = [file.read_text() for file in
                 Path(f"/proc/{self.process.pid}/fdinfo").iterdir()]
        counts = re.findall(r"^recursion_misses:\s+(\d+)", "".join(files), re.MULTILINE)
        assert len(counts) >= len(WITNESSES), files
        return sum(map(int, counts))

    @staticmethod
    def lines() -> list[str]:
        """What it has printed."""
        return OUTPUT.read_text().splitlines()

    def seen(self) -> list[str]:
        """The lines of tracepoints."""
        return [line for line in self.lines() if line.split(" ")[0] in WITNESSES]


def _is_told(it: Recorder, event: Event) -> bool:
    """Is it a record of what a tracepoint tells?"""
    if event.kind == "ack":             # other states have no tracepoint
        return event["state"] == ESTABLISHED
    if event.kind == "reset_sent" and "reset_reason" not in it.schema.values:
        return bool(event["cookie"]) and event["state"] not in TIME_WAIT_OR_SYN_RECV
    return event.kind in WITNESSES


def _line(event: Event) -> str:
    """The line that bpftrace should have printed."""
    fields = WITNESSES[event.kind][2]
    values = [event[name] for name in fields]
    if event.kind == "reset_sent" and not event["cookie"]:
        values = [0]                    # no socket, no state
    return " ".join([event.kind, *map(str, values)])


def _our_lines(it: Recorder) -> list[str]:
    return [_line(event) for event in endpoints.whole(it) if _is_told(it, event)]


def _lost_third_segment(it: Recorder, hosts: TwoHosts, ipv6: bool) -> None:
    before = len(it.events("synack_retransmit"))
    hosts.drop(SERVER, f"tcp dport {PORT} tcp flags & syn == 0")

    def let_through() -> bool:
        return len(it.events("synack_retransmit")) > before
    with endpoints.listen(SERVER, ipv6), endpoints.tcp_socket(CLIENT, ipv6) as client:
        client.connect((endpoints.address_of(SERVER, ipv6), PORT))
        wait_until("a SYN-ACK to be sent again", let_through)
        hosts.stop_dropping(SERVER)


def _check_same(kind: str, theirs: Counter[str], ours: Counter[str]) -> None:
    assert theirs, f"no {kind} was provoked"
    assert theirs == ours, (
        f"{kind}: bpftrace counts {theirs.total()}, we {ours.total()}; "
        f"only bpftrace {list((theirs - ours))[:3]}, only we {list((ours - theirs))[:3]}")


def _of_kind(kind: str, lines: list[str]) -> Counter[str]:
    return Counter(line for line in lines if line.split(" ")[0] == kind)


def _watch(provoke: Callable[[Recorder, TwoHosts], None]) -> tuple[
        int, list[str], list[str]]:
    """What bpftrace missed, what it saw, and what we have."""
    with Recorder() as it, TwoHosts(delay_ms=10) as hosts:
        before = len(_our_lines(it))
        assert not before, "there is other traffic"
        with Bpftrace() as witness:
            provoke(it, hosts)
            quiet(hosts)
            expected = len(_our_lines(it))
            try:
                wait_until("bpftrace to catch up",
                           lambda: len(witness.seen()) >= expected, 20)
            except TimeoutError:
                pass                    # what is missing is told below
        return witness.missed, witness.seen(), _our_lines(it)


def _is_no_witness(missed: int, theirs: list[str], ours: list[str]) -> bool:
    if COUNTS_MISSES:
        return missed > 0
    return bool(Counter(ours) - Counter(theirs)) and not Counter(theirs) - Counter(ours)


def _compare(provoke: Callable[[Recorder, TwoHosts], None]) -> None:
    for left in reversed(range(ATTEMPTS)):
        missed, theirs, ours = _watch(provoke)
        if not left or not _is_no_witness(missed, theirs, ours):
            break
        comment(f"bpftrace missed {missed or 'some'}, we have them: once more")
    for kind in WITNESSES:
        _check_same(kind, _of_kind(kind, theirs), _of_kind(kind, ours))
    agree = Counter(line.split(" ")[0] for line in theirs)
    comment("agree: " + ", ".join(f"{kind} {agree[kind]}" for kind in WITNESSES))


def _all_troubles(it: Recorder, hosts: TwoHosts) -> None:
    hosts.most_segments_a_packet(1)
    for ipv6 in FAMILIES:
        troubles.lossy_life(it, hosts, ipv6)
        troubles.refused(ipv6)
        troubles.aborted(it, ipv6)
        _lost_third_segment(it, hosts, ipv6)


def test_every_tracepoint() -> None:
    """bpftrace: what nine tracepoints tell of losses, resets and refusals is what we record"""
    _compare(_all_troubles)
