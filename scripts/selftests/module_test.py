# SPDX-License-Identifier: GPL-2.0
"""The module as a kernel object: load, parameters, unload."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import kernel_text
import loopback
import recorder
from hosts import run
from ktap_output import Skip, comment
from recorder import FOLDER, MODULE, NAME, PARAMETERS, Recorder, renoscope

RELOADS = 50
# Each of them switches off, for the whole machine, what our kprobes need.
FTRACE_SWITCH = Path("/proc/sys/kernel/ftrace_enabled")
SWITCHES = (Path("/sys/kernel/debug/kprobes/enabled"), FTRACE_SWITCH)


def _load_fails(parameter: str) -> str:
    before = recorder.kernel_log()
    try:
        run("insmod", str(MODULE), parameter)
    except RuntimeError:
        return recorder.log_since(before)
    run("rmmod", NAME)
    raise AssertionError(f"loaded with {parameter}")


def test_load_and_unload_many_times() -> None:
    """50 loads and unloads leave nothing in the kernel log"""
    before = recorder.kernel_log()
    for _ in range(RELOADS):
        with Recorder():
            assert FOLDER.is_dir()
        assert not FOLDER.exists()
    log = recorder.log_since(before)
    assert not log, log


def test_bad_parameters_are_named() -> None:
    """A bad parameter stops the load, and the log names the word"""
    assert "'1000' is not a power of two" in _load_fails("ring_records=1000")
    assert "'8'" in _load_fails("ring_records=8")
    assert "'nonsense'" in _load_fails("ring_records=nonsense")
    assert "'sate' is no kind" in _load_fails("events=state,sate")


def test_good_parameters_are_shown() -> None:
    """Parameters given at load are in force and can be read back"""
    with Recorder("ring_records=64", "events=ack,state"):
        assert (PARAMETERS / "ring_records").read_text() == "64\n"
        assert (PARAMETERS / "events").read_text() == "state,ack\n"
        attached = {place for place, status in recorder.sources().items()
                    if status == "attached"}
        assert attached == {"sock:inet_sock_set_state", "tcp:tcp_probe",
                            "kprobe:tcp_rcv_state_process"}, attached
        assert "records_per_cpu 64\n" in (FOLDER / "stats").read_text()


def test_events_can_change_while_loaded() -> None:
    """Writing `events` attaches and detaches; a bad word changes nothing"""
    events = PARAMETERS / "events"
    with Recorder():
        by_default = {status for place, status in recorder.sources().items()
                      if not place.startswith("netfilter:")}
        assert by_default == {"attached"}, recorder.sources()
        assert "segment" not in events.read_text()
        events.write_text("all")
        assert set(recorder.sources().values()) == {"attached"}
        events.write_text("none\n")
        assert events.read_text() == "none\n"
        assert set(recorder.sources().values()) == {"off"}
        events.write_text("reset_sent, destroy")
        assert events.read_text() == "reset_sent,destroy\n"
        events.write_text("+rto\t-destroy")
        assert events.read_text() == "reset_sent,rto\n"
        before = events.read_text()
        for bad in ("\n", "lost", "state;ack", "STATE", "state,none",
                    "ack all", "-all", "+", "mark", "x" * 3000):
            try:
                events.write_text(bad)
            except OSError:
                assert events.read_text() == before
            else:
                raise AssertionError(f"took {bad!r}")
        events.write_text("all")
        assert set(recorder.sources().values()) == {"attached"}


@contextlib.contextmanager
def _module_that_misses(function: str) -> Iterator[tuple[Path, str]]:
    """A copy of the module that looks for another name instead; and that name."""
    other = "no" + function[2:]
    code = MODULE.read_bytes()
    name = f"\0{function}\0".encode()
    assert name in code, function
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, MODULE.name)
        copy.write_bytes(code.replace(name, f"\0{other}\0".encode()))
        yield copy, other


def test_function_that_this_kernel_lacks() -> None:
    """Without tcp_make_synack() to probe: stats name it, a SYN cookie's SYN seems not refused"""
    with (_module_that_misses("tcp_make_synack") as (module, name),
          Recorder(module=module) as it):
        status = recorder.sources()[f"kprobe:{name}"]
        assert status == "missing: this kernel has no such function", status
        loopback.answer_with_cookie(it)
        assert it.events("syn") and not it.events("synack")
        assert not it.events("refused"), it.events("refused")


@contextlib.contextmanager
def _switched_off(switch: Path) -> Iterator[None]:
    switch.write_text("0")
    try:
        yield
    finally:
        switch.write_text("1")


def _words_of_kprobes() -> set[str]:
    return {status for place, status in recorder.sources().items()
            if place.startswith("kprobe:")}


def _record_a_moment() -> str:
    """What `renoscope record` says of a recording in which nothing happens."""
    with tempfile.NamedTemporaryFile() as file:
        done = renoscope("record", "--duration", "0.1", file.name)
    return done.stdout + done.stderr


def test_kprobes_switched_off_by_hand() -> None:
    """Kprobes or ftrace switched off: stats, doctor and record say so while it lasts"""
    with Recorder():
        for switch in SWITCHES:
            with _switched_off(switch):
                words, = _words_of_kprobes()
                assert words == "missing: kprobes are switched off on this machine", words
                assert (recorder.sources()["ftrace:__tcp_select_window"] == "attached") == (
                    switch != FTRACE_SWITCH), recorder.sources()
                assert recorder.sources()["tcp:tcp_probe"] == "attached"
                doctor = renoscope("doctor")
                assert doctor.returncode == 1, doctor
                line, = (line for line in doctor.stdout.splitlines()
                         if line.startswith("FAIL"))
                said = line.partition("  —")[0].partition("switched off on this machine: ")[2]
                assert said == ("ftrace and kprobes" if switch == FTRACE_SWITCH
                                else "kprobes"), doctor
                # The mend is true: it switches both on again.
                subprocess.run(["sh", "-c", line.partition("mend: ")[2].replace(
                    "sudo ", "")], check=True, stdout=subprocess.DEVNULL)
                assert _words_of_kprobes() == {"attached"}, line
            with _switched_off(switch):
                said = _record_a_moment()
                assert said.count("not complete: nothing from kprobes, which are "
                                  "switched off") == 1, said
            assert _words_of_kprobes() == {"attached"}, switch
            said = _record_a_moment()
            assert "nothing from" not in said, said


def test_kernel_is_called_as_it_calls_itself() -> None:
    """__tcp_select_window() is asked by a direct call: an indirect one would be a BUG under IBT"""
    if os.uname().machine != "x86_64":
        raise Skip("only x86's calls are known here")
    with Recorder():
        asked = kernel_text.function("__tcp_select_window")
        asks = kernel_text.function("ask_for_window", NAME)
        comment("__tcp_select_window() begins with "
                + kernel_text.read(asked)[:4].hex(" "))
        assert asked.start in kernel_text.directly_called(asks), (asks, asked)


def test_open_file_holds_the_module() -> None:
    """rmmod is refused while a file is open, and works afterwards"""
    with Recorder() as it:
        for file in ("trace", "trace_pipe", "trace_raw", "schema", "stats",
                     "per_cpu/cpu0/trace_raw"):
            fd = os.open(FOLDER / file, os.O_RDONLY)
            assert "in use" in recorder.run_rmmod(), file
            os.close(fd)
        assert it.schema.record_bytes == 192


def test_files_are_read_only() -> None:
    """Every file is 0400, as lockdown asks, and takes no write"""
    with Recorder():
        files = recorder.files()
        assert len(files) >= 6
        for path in files:
            assert path.stat().st_mode & 0o777 == 0o400, path
            try:
                os.close(os.open(path, os.O_WRONLY))
            except OSError:
                continue
            fd = os.open(path, os.O_WRONLY)
            try:
                os.write(fd, b"x")
            except OSError:
                continue
            finally:
                os.close(fd)
            raise AssertionError(f"{path} took a write")


def test_sysctl_loads_an_installed_module() -> None:
    """Choosing renoscope by sysctl loads the installed module by itself"""
    modules = Path("/lib/modules", os.uname().release)
    run("mount", "-t", "tmpfs", "tmpfs", str(modules))
    try:
        shutil.copy(MODULE, modules)
        run("depmod")
        assert not recorder.is_loaded()
        run("sysctl", "-w", "net.ipv4.tcp_congestion_control=renoscope")
        assert recorder.is_loaded()
    finally:
        run("sysctl", "-w", "net.ipv4.tcp_congestion_control=cubic")
        recorder.run_rmmod()
        run("umount", str(modules))
