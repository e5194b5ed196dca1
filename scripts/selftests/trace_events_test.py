# SPDX-License-Identifier: GPL-2.0
"""renoscope's own tracepoints: they say what is recorded, to whoever listens."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import ftrace
import loopback
import provoke
import recorder
import sending
import sessions
from ftrace import EVENTS, TRACING, Ftrace, Traced
from hosts import TwoHosts, run
from ktap_output import Skip
from recorder import PARAMETERS, Recorder
from renoscope_lib.ring.schema import LOST, Event

# Kinds that nothing simple provokes: one is off by default, one is not TCP's.
HARD_TO_PROVOKE = {"segment", "mark", LOST}
RELOADS = 10

# For a tracer to run: nothing is recorded while it does not look yet, or no more.
RECORD_A_REFUSAL = ("sh", "-c", f"""echo all > {PARAMETERS}/events
python3 -c "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
echo none > {PARAMETERS}/events""")


def _provoke_everything(it: Recorder) -> None:
    loopback.provoke_everything(it)
    with TwoHosts(delay_ms=5) as hosts:
        provoke.lose_third_segment(it, hosts, 1)
        provoke.lose_data(it, hosts)
        provoke.reset_half_open(it, hosts)


def _provoke_our_congestion_control(it: Recorder) -> None:
    """A round or two, a timeout that is undone, and a rest."""
    with sending.path(), sending.sender(it, "renoscope") as flow:
        flow.send(5)
        sending.time_out_for_nothing(flow)
        flow.rest()
        flow.send(1)
    (PARAMETERS / "filter").write_text("none")


def _check_same(it: Recorder, traced: list[Traced], recorded: list[Event]) -> None:
    """Event by event, matched by CPU and serial, field by field.

    The mark that the load leaves comes before anybody can trace.
    """
    recorded = [event for event in recorded if event.kind != "mark"]
    traced = [event for event in traced if event.kind != "mark"]
    by_serial = {(e["cpu"], e["serial"]): e for e in recorded}
    assert len(by_serial) == len(recorded)
    traced_serials = {(t.values["cpu"], t.values["serial"]) for t in traced}
    assert traced_serials == set(by_serial), (
        [t for t in traced if (t.values["cpu"], t.values["serial"]) not in by_serial],
        [by_serial[serial] for serial in set(by_serial) - traced_serials])
    for event in traced:
        same = by_serial[event.values["cpu"], event.values["serial"]]
        assert event.kind == same.kind, (event, same)
        expected = {**same.values, "schema": it.schema.version}
        assert event.values == expected, (event.kind, {
            name: (event.values.get(name), expected[name]) for name in expected
            if event.values.get(name) != expected[name]})


def test_formats_are_the_schema() -> None:
    """Each kind but lost has a tracepoint with the fields of the schema"""
    with Recorder("events=none") as it:
        present = {path.name for path in EVENTS.iterdir() if path.is_dir()}
        kinds = set(it.schema.kinds.values())
        assert present == kinds - {LOST}, present ^ kinds
        for kind in present:
            fields = sorted(it.schema.fields_of(kind), key=lambda f: f.offset)
            assert ftrace.format_of(kind) == [
                (f.type, f.name, f.size) for f in fields], kind


def test_ftrace_sees_what_is_recorded() -> None:
    """Every event that is recorded is traced, with the same value in every field"""
    with Recorder("events=none") as it, Ftrace() as tracer:
        (PARAMETERS / "events").write_text("all")
        _provoke_everything(it)
        _provoke_our_congestion_control(it)
        (PARAMETERS / "events").write_text("none")
        recorded, traced = it.events(), tracer.events()
        _check_same(it, traced, recorded)
        missing = set(it.schema.kinds.values()) - {t.kind for t in traced}
        assert missing <= HARD_TO_PROVOKE, missing


def test_one_kind_alone() -> None:
    """With one tracepoint on, the others stay silent, and all is recorded"""
    with Recorder() as it, Ftrace("destroy") as tracer:
        with TwoHosts() as hosts:
            sessions.greet(hosts)
        recorded = it.events()
        destroyed = [e for e in recorded if e.kind == "destroy"]
        assert destroyed and len(destroyed) < len(recorded)
        _check_same(it, tracer.events(), destroyed)


def _check_holds(switch: Path, system: Path) -> None:
    """A tracer behind `switch` holds the module; `unload` names the system's."""
    switch.write_text("1")
    try:
        assert "in use" in recorder.run_rmmod(), switch
        done = recorder.renoscope("unload")
        assert done.returncode, done
        assert f"run: echo 0 | sudo tee {system}/enable\n" in done.stdout + done.stderr, done
    finally:
        switch.write_text("0")
    assert recorder.references() == 0, switch


def test_ftrace_holds_the_module() -> None:
    """rmmod is refused while ftrace has an event; unload names what to do"""
    instance = TRACING / "instances" / "renoscope_test"
    with Recorder():
        _check_holds(EVENTS / "enable", EVENTS)
        _check_holds(EVENTS / "ack" / "enable", EVENTS)
        instance.mkdir()
        try:
            system = instance / "events" / "renoscope"
            _check_holds(system / "state" / "enable", system)
        finally:
            instance.rmdir()


def test_perf_holds_the_module_and_reads() -> None:
    """perf record sees the same events, and holds the module as it does"""
    if not shutil.which("perf"):
        raise Skip("perf is not installed (linux-perf)")
    with Recorder("events=none") as it:
        run("perf", "record", "-q", "-a", "-e", "renoscope:*", "-o", "/tmp/perf.data",
            *RECORD_A_REFUSAL)
        text = run("perf", "script", "-i", "/tmp/perf.data", "-F", "event,trace")
        traced = ftrace.parse(text.replace("renoscope:", ": "))
        assert traced
        _check_same(it, traced, it.events())


def test_trace_cmd_reads() -> None:
    """trace-cmd records and reports the same events"""
    if not shutil.which("trace-cmd"):
        raise Skip("trace-cmd is not installed")
    with Recorder("events=none") as it:
        run("trace-cmd", "record", "-q", "-e", "renoscope", "-o", "/tmp/trace.dat",
            *RECORD_A_REFUSAL)
        traced = ftrace.parse(run("trace-cmd", "report", "-i", "/tmp/trace.dat"))
        assert traced
        _check_same(it, traced, it.events())


def test_load_trace_unload_many_times() -> None:
    """Ten times loaded, traced, unloaded: nothing in the kernel log"""
    before = recorder.kernel_log()
    for _ in range(RELOADS):
        with Recorder() as it:
            with Ftrace() as tracer, socket.socket() as s:
                s.connect_ex(("127.0.0.1", 9))
                _check_same(it, tracer.events(), it.events())
                assert it.events("state"), "nothing was traced"
        assert not EVENTS.exists()
    assert not recorder.log_since(before), recorder.log_since(before)
