# SPDX-License-Identifier: GPL-2.0
"""bpftrace on renoscope's tracepoints: the numbers, and the tools."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import loopback
import provoke
import recorder
import sessions
from bpftrace import TOOLS, Bpftrace, Tool, buckets, documented_maps
from hosts import CLIENT, SERVER, TwoHosts, run
from ktap_output import Skip
from recorder import PARAMETERS, Recorder

COUNTED = ("state", "ack", "syn", "request", "synack", "completed", "accepted",
           "time_wait", "destroy")
# All kinds take minutes; trace_events_test compares all formats with the schema.
LARGEST = ("synack", "destroy")
WITH_A_NAME = "state"
READS = {"addr": "@f = ntop(args->{});", "text": "@t = args->{};"}


def _program(text: str) -> Path:
    path = Path("/tmp/program.bt")
    path.write_text(text)
    return path


def test_counts_are_those_of_the_recording() -> None:
    """bpftrace counts as many events of each kind as are recorded"""
    probes = "".join(f"tracepoint:renoscope:{kind} {{ @n[\"{kind}\"] = count(); "
                     "@bytes = sum(args->seg_len); }\n" for kind in COUNTED)
    with Recorder("events=none") as it:
        with Bpftrace(_program(probes), "-f", "json") as counter:
            (PARAMETERS / "events").write_text(",".join(COUNTED))
            with TwoHosts() as hosts:
                sessions.greet(hosts)
            (PARAMETERS / "events").write_text("none")
        recorded = [e for e in it.events() if e.kind in COUNTED]
        assert counter.maps()["@n"] == Counter(e.kind for e in recorded)
        assert set(counter.maps()["@n"]) == set(COUNTED), counter.maps()
        assert counter.maps()["@bytes"] == sum(e["seg_len"] for e in recorded)


def test_every_field_can_be_read() -> None:
    """Each field, by its name in the schema, is an args-> of the tracepoint"""
    if not shutil.which("bpftrace"):
        raise Skip("bpftrace is not installed")
    with Recorder() as it:
        for kind in (*LARGEST, WITH_A_NAME):
            reads = " ".join(READS.get(f.type, "@n = args->{};").format(f.name)
                             for f in it.schema.fields_of(kind))
            # -d: everything but loading it.
            run("bpftrace", "-d", "-e", f"tracepoint:renoscope:{kind} {{ {reads} }}")
        try:
            run("bpftrace", "-d", "-e",
                "tracepoint:renoscope:ack { @n = args->no_such_field; }")
        except RuntimeError as error:
            assert "no_such_field" in str(error), error
        else:
            raise AssertionError("bpftrace takes a field that does not exist")


def test_bpftrace_holds_the_module() -> None:
    """rmmod is refused while bpftrace has an event; unload names the process"""
    with Recorder():
        with Bpftrace(_program("tracepoint:renoscope:ack { @ = count(); }\n")) as it:
            assert "in use" in recorder.run_rmmod()
            done = recorder.renoscope("unload")
            assert done.returncode, done
            assert f"process {it.process.pid} (bpftrace)" in done.stdout + done.stderr


def _check_documented(tool: Tool, name: str) -> None:
    """The example in the tool's header has all maps that it prints here."""
    assert set(tool.maps()) <= documented_maps(name), tool.output


def test_synack_backoff() -> None:
    """synack_backoff.bt: waits of 1 s and 2 s by the timer"""
    with Recorder() as it, TwoHosts() as hosts:
        with Tool("synack_backoff.bt") as tool:
            provoke.lose_third_segment(it, hosts, 2)
        again = it.events("synack_retransmit")
        since_us = [0, *(event["since_synack_us"] for event in again)]
        waits = {int(attempt): buckets(histogram) for attempt, histogram
                 in tool.maps()["@waited_ms"].items()}
        assert len(again) >= 2 and len(waits) == len(again), (waits, since_us)
        for attempt, (before, now) in enumerate(zip(since_us, since_us[1:]), 1):
            ((least, most), count), = waits[attempt].items()
            assert count == 1 and least <= (now - before) // 1000 <= most, (waits, since_us)
        assert since_us[1] > 750_000 and since_us[2] - since_us[1] > 1_750_000, since_us
        assert tool.maps()["@caused_by"] == {"timer": len(again)}
        _check_documented(tool, "synack_backoff.bt")


def test_time_in_state() -> None:
    """time_in_state.bt: each state of a session once for each end that was in it"""
    with Recorder() as it, TwoHosts(delay_ms=5) as hosts:
        with Tool("time_in_state.bt") as tool:
            sessions.greet(hosts)
            sessions.await_end(it)
            loopback.reuse_port_in_time_wait(it)
        times = {state: buckets(h) for state, h in tool.maps()["@us"].items()}
        counts = {state: sum(h.values()) for state, h in times.items()}
        # Two connections to their end, and the third at most begun.
        assert counts["TIME-WAIT"] == 1 and counts["CLOSE-WAIT"] >= 2, counts
        for state in ("SYN-SENT", "SYN-RECEIVED", "LISTEN", "FIN-WAIT-1", "LAST-ACK"):
            assert counts[state] >= 2, (state, counts)
        assert counts["ESTABLISHED"] >= 4, counts
        # A handshake across 5 ms each way takes 10 at least.
        assert max(first for first, _last in times["SYN-SENT"]) >= 8192, times
        _check_documented(tool, "time_in_state.bt")


def test_retransmits_by_cause() -> None:
    """retransmits_by_cause.bt: as many segments, by cause, as were recorded"""
    with Recorder() as it, TwoHosts(delay_ms=10) as hosts:
        with Tool("retransmits_by_cause.bt") as tool:
            hosts.drop(SERVER, provoke.EVERY_HUNDREDTH)
            provoke.transfer(hosts, 300_000)
            hosts.stop_dropping(SERVER)
            provoke.lose_data(it, hosts)
        recorded: Counter[str] = Counter()
        for event in it.events("retransmit"):
            cause = it.schema.name_of("retransmit_cause", event["retransmit_cause"])
            recorded[cause] += event["retransmit_segs"]
        told = tool.maps()["@segments"]
        assert told["fast retransmit"] == recorded["fast_retransmit"] > 0, told
        assert told["timeout"] == recorded["rto"] > 0, told
        assert sum(told.values()) == sum(recorded.values()), told
        assert tool.maps()["@peers"] == {"::ffff:10.77.0.2,5000": sum(told.values())}
        _check_documented(tool, "retransmits_by_cause.bt")


def test_half_open() -> None:
    """half_open.bt: a queue that fills up to its limit and turns others away"""
    with Recorder() as it, TwoHosts() as hosts:
        with Tool("half_open.bt") as tool:
            provoke.crowd(it, hosts, backlog=4, clients=10)
        listener = it.events("request")[0]["listener"]
        key = f"5000,{listener}"
        assert tool.maps()["@half_open_most"] == {key: 5}, tool.output
        assert tool.maps()["@accept_most"] == {key: 5}, tool.output
        assert tool.maps()["@limit_of_both"] == {key: 4}, tool.output
        assert tool.maps()["@turned_away"][f"{key},half-open queue full"] >= 5
        assert sum(tool.maps()["@turned_away"].values()) == len(it.events("refused"))
        _check_documented(tool, "half_open.bt")


def test_cwnd_at_loss() -> None:
    """cwnd_at_loss.bt: windows at fast retransmits and at a timeout"""
    with Recorder() as it, TwoHosts(delay_ms=10) as hosts:
        for host in (CLIENT, SERVER):
            hosts.sysctl(host, "net.ipv4.tcp_congestion_control=reno")
        with Tool("cwnd_at_loss.bt") as tool:
            hosts.drop(SERVER, provoke.EVERY_HUNDREDTH)
            provoke.transfer(hosts, 300_000)
            hosts.stop_dropping(SERVER)
            provoke.lose_data(it, hosts)
        windows = {state: buckets(h) for state, h in tool.maps()["@cwnd"].items()}
        assert windows["Loss"] == {(10, 19): 1}, windows
        recoveries = [e["cwnd"] for e in it.events("ca_state") if e["ca_state"] == 3]
        assert windows["Recovery"] == Counter(
            (c // 10 * 10, c // 10 * 10 + 9) for c in recoveries), windows
        # Reno halves, rounding down.
        assert 45 <= tool.maps()["@percent_left"]["Recovery"] <= 50, tool.output
        assert tool.maps()["@percent_left"]["Loss"] == 50, tool.output
        _check_documented(tool, "cwnd_at_loss.bt")


def test_every_tool_is_tested() -> None:
    """No tool in scripts/bpftrace is without its test here"""
    tools = {path.stem for path in TOOLS.glob("*.bt")}
    assert tools <= {name.removeprefix("test_") for name in globals()}, tools
