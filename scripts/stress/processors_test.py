# SPDX-License-Identifier: GPL-2.0
"""Processors that go and come back, readers that wait, tasks that are frozen, memory.

The ring has a part for each CPU, made when the CPU first comes up. The guest boots
with two of its four CPUs up, so that both sorts are met: those that had their part
when the module was loaded, and those that get it later.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import faults
import following
import memory
import module_calls
import recorder
from chatter import Chatter
from hog import Hog
from ktap_output import Skip, comment
from leftovers import Before, make_connections
from measure import part
from recorder import FOLDER, MODULE, PARAMETERS, Reader, Recorder, wait_until
from saved import Saved
from waiting import Waiting

HOTPLUGS = 100
SLEEPS = 20
SIZES = (16, 1024, 65536)
LARGEST = 1 << 20
RECORD_BYTES = 192
CPUS = Path("/sys/devices/system/cpu")
STATE = Path("/sys/power/state")
PM_TEST = Path("/sys/power/pm_test")


def _set_online(cpu: int, online: bool) -> None:
    (CPUS / f"cpu{cpu}" / "online").write_text(str(int(online)))


def _is_online(cpu: int) -> bool:
    file = CPUS / f"cpu{cpu}" / "online"
    return not file.exists() or file.read_text().strip() == "1"


def _others() -> list[int]:
    """The CPUs that can go: all but the first."""
    return sorted(int(folder.name[3:]) for folder in CPUS.glob("cpu[0-9]*")
                  if (folder / "online").exists() and folder.name != "cpu0")


@contextmanager
def _as_it_was() -> Iterator[list[int]]:
    """The CPUs that can go; afterwards those are up that were."""
    others = _others()
    if not others:
        raise Skip("no CPU of this machine can be taken away")
    up = {cpu: _is_online(cpu) for cpu in others}
    try:
        yield others
    finally:
        for cpu, online in up.items():
            if _is_online(cpu) != online:
                _set_online(cpu, online)


def _written(cpu: int) -> int:
    return recorder.stats().get(cpu, {"written": 0})["written"]


def _check_ring_of(cpu: int, reader: Reader) -> None:
    """Traffic kept on a CPU is written there, and a reader that is there reads it."""
    before = _written(cpu)
    with Chatter(cpu=cpu):
        wait_until(f"events on CPU {cpu}", lambda: _written(cpu) > before + 100)
    counts = recorder.stats()[cpu]
    assert not counts["unwritten"], counts
    assert any(event["serial"] > before for event in reader.read()
               if event.kind != "lost"), f"nothing of CPU {cpu} can be read"


def _readers(it: Recorder, stack: ExitStack, cpus: list[int]) -> dict[int, Reader]:
    """One for each CPU alone, opened before that CPU goes or first comes."""
    readers = {cpu: it.reader(f"per_cpu/cpu{cpu}/trace_raw") for cpu in cpus}
    for reader in readers.values():
        stack.callback(reader.close)
    return readers


def test_hotplug() -> None:
    """CPUs go and come back under traffic: every event is read or told lost, on each of them"""
    with ExitStack() as stack:
        cpus = stack.enter_context(_as_it_was())
        it = stack.enter_context(Recorder("ring_records=1024"))
        late = [cpu for cpu in cpus if not _is_online(cpu)]
        readers = _readers(it, stack, cpus)
        with Saved() as one, Saved() as other, Chatter(3):
            for number in range(part(HOTPLUGS)):
                for cpu in cpus:
                    _set_online(cpu, not _is_online(cpu))
                if number % 10 == 0:
                    for cpu in cpus:
                        if _is_online(cpu):
                            _check_ring_of(cpu, readers[cpu])
            for cpu in cpus:
                if not _is_online(cpu):
                    _set_online(cpu, True)
                _check_ring_of(cpu, readers[cpu])
        memory.check()
        assert set(recorder.stats()) == {0, *cpus}
    comment(f"{part(HOTPLUGS)} times {len(cpus)} CPUs, {len(late)} of them first up after "
            f"the module was loaded; {one.read} read + {one.lost} lost, "
            f"{other.read} read + {other.lost} lost")


def _keep_on(cpu: int, count: str) -> None:
    """Traffic on a CPU until a hundred more of its events are so counted."""
    def counted() -> int:
        return recorder.stats().get(cpu, {}).get(count, 0)

    before = counted()
    with Chatter(cpu=cpu):
        wait_until(f"events on CPU {cpu}, {count}", lambda: counted() > before + 100)


@contextmanager
def _followed(it: Recorder, cpu: int) -> Iterator[list[following.Account]]:
    """Each file is followed from its first event until the block ends: the accounts."""
    accounts: list[following.Account] = []
    files = ("trace_raw", "trace_pipe", f"per_cpu/cpu{cpu}/trace_raw")
    stop, stopper = os.pipe()
    readers = [following.Reader(it, file, False, stop, stopper) for file in files]
    try:
        yield accounts
        os.close(stopper)
        accounts += [reader.finish() for reader in readers]
    finally:
        for reader in readers:
            reader.end()
        os.close(stop)


def _check_law(accounts: list[following.Account], cpu: int) -> None:
    """Each has the same of a CPU: all that was written, and lost at least what has no place."""
    counts = recorder.stats()[cpu]
    for account in accounts:
        assert not account.misplaced, account
        assert account.read[cpu] + account.lost[cpu] == counts["written"], (account, counts)
        assert account.lost[cpu] >= counts["unwritten"], (account, counts)


def _read_now(it: Recorder, cpu: int) -> list[following.Account]:
    """What readers have that come now, and who takes a snapshot comes to an end."""
    with _followed(it, cpu) as accounts:
        pass
    with (FOLDER / "trace").open("rb") as snapshot:
        subprocess.run(["cat"], stdin=snapshot, stdout=subprocess.DEVNULL, check=True,
                       timeout=recorder.PATIENCE_S)
    return accounts


def _allocator_of_slots() -> str:
    name, = (name for name in faults.functions_that_fail(MODULE) if "vzalloc" in name)
    return name


def _come_up_without_memory(cpu: int) -> None:
    """The CPU comes up all the same, and the module tells of it."""
    before = recorder.kernel_log()
    with closing(faults.FailingCalls(_allocator_of_slots(), 0)) as calls:
        outcome = calls.run(1, lambda: _set_online(cpu, True))
    assert outcome == faults.Outcome(hit=True, error=0), outcome
    told = recorder.kernel_log().removeprefix(before)
    assert f"CPU {cpu} has no ring: its events will be lost" in told, told


def _live_without_ring(it: Recorder, cpu: int) -> None:
    """No event of it has a place: each is told lost, to whom reads already and who comes."""
    with Waiting(f"per_cpu/cpu{cpu}/trace_raw") as waiting:
        waiting.fall_asleep()
        _come_up_without_memory(cpu)
        _keep_on(cpu, "unwritten")
        waiting.check_woken(f"events on CPU {cpu}, which has no ring")
    accounts = _read_now(it, cpu)
    counts = recorder.stats()[cpu]
    assert counts["unwritten"] == counts["written"] == counts["oldest"] - 1, counts
    _check_law(accounts, cpu)
    assert not any(account.read[cpu] for account in accounts), accounts


def _live_with_ring(it: Recorder, cpu: int) -> None:
    """It has its ring the next time, and no more events are without a place."""
    unwritten = recorder.stats()[cpu]["unwritten"]
    _set_online(cpu, True)
    memory.check()
    _keep_on(cpu, "written")
    assert recorder.stats()[cpu]["unwritten"] == unwritten, recorder.stats()
    accounts = _read_now(it, cpu)
    _check_law(accounts, cpu)
    assert all(account.read[cpu] for account in accounts), accounts


def _check_without_memory(cpu: int, size: int) -> None:
    if _is_online(cpu):
        _set_online(cpu, False)
    with Recorder(f"ring_records={size}", "events=state") as it:
        with _followed(it, cpu) as accounts, Saved() as saved:
            _live_without_ring(it, cpu)
            _set_online(cpu, False)
            _live_with_ring(it, cpu)
        _check_law(accounts, cpu)
        assert all(account.read[cpu] for account in accounts), accounts
        counts = recorder.stats()[cpu]
    comment(f"{size} records: {counts['written']} written on CPU {cpu}, {counts['unwritten']} "
            f"of them without a ring; record: {saved.read} read + {saved.lost} lost")


def test_cpu_without_memory() -> None:
    """A CPU first up while memory fails has no ring: its events are told lost; it gets one later"""
    with _as_it_was() as cpus, faults.call_failer():
        # Fewer records than events are without a place, and more.
        for size in (SIZES[0], SIZES[-1]):
            _check_without_memory(cpus[-1], size)


def _check_order(it: Recorder) -> int:
    """On each CPU serials run on and time does not run back; how many were read."""
    with closing(it.reader()) as reader:
        return _count_in_order(reader)


def _count_in_order(reader: Reader) -> int:
    last: dict[int, tuple[int, int]] = {}
    count = 0
    for event in reader.read():
        serial, time_ns = last.get(event["cpu"], (0, 0))
        count += 1
        if event.kind == "lost":
            last[event["cpu"]] = event["serial"] + event["lost_events"] - 1, time_ns
            continue
        assert event["serial"] == serial + 1, (event.values, serial)
        assert event["time_ns"] >= time_ns, (event.values, time_ns)
        last[event["cpu"]] = event["serial"], event["time_ns"]
    assert count, "nothing was there to be looked at"
    return count


def _check_woken_by_events(waiting: Waiting) -> None:
    """By the first event that there is, and where more come than the ring holds."""
    waiting.fall_asleep()
    make_connections()
    waiting.check_woken("a connection")
    waiting.fall_asleep()
    enough = recorder.written() + 4 * SIZES[0] * len(recorder.stats())
    while recorder.written() < enough:
        make_connections()
    waiting.check_woken("more events than the ring holds")


def _check_woken_by_freeze(waiting: Waiting) -> None:
    """By the mark that recording stops, not by what is not recorded, by the mark of the thaw."""
    frozen = PARAMETERS / "frozen"
    waiting.fall_asleep()
    frozen.write_text("1")
    waiting.check_woken("a freeze")
    waiting.fall_asleep()
    make_connections()
    waiting.check_asleep("frozen")
    frozen.write_text("0")
    waiting.check_woken("a thaw")


def test_waiting_readers_are_woken() -> None:
    """read() and poll() end with a first event, a ring overrun, a new CPU's event, freeze, thaw"""
    with _as_it_was() as cpus, ExitStack() as stack:
        cpu = cpus[-1]
        if _is_online(cpu):
            _set_online(cpu, False)
        stack.enter_context(Recorder(f"ring_records={SIZES[0]}", "events=state"))
        of_cpu = stack.enter_context(Waiting(f"per_cpu/cpu{cpu}/trace_raw"))
        of_all = stack.enter_context(Waiting("trace_raw", "trace_pipe"))
        of_cpu.fall_asleep()
        _check_woken_by_events(of_all)
        _check_woken_by_freeze(of_all)
        _set_online(cpu, True)
        of_all.fall_asleep()
        of_cpu.check_asleep("its CPU has no event")
        with Chatter(cpu=cpu):
            of_cpu.check_woken(f"events on CPU {cpu}")
            of_all.check_woken(f"events on CPU {cpu}")


@contextmanager
def _no_further_than(step: str) -> Iterator[None]:
    """Let the machine fall asleep up to that step, and wake up again."""
    PM_TEST.write_text(step)
    try:
        yield
    finally:
        PM_TEST.write_text("none")


def test_readers_are_frozen_and_thawed() -> None:
    """All tasks are frozen for a suspend, some in the midst of a read: they read on, all of it"""
    if not PM_TEST.exists() or "freeze" not in STATE.read_text().split():
        raise Skip("this kernel has no pm_test, or cannot suspend to idle")
    with Recorder() as it, (FOLDER / "trace_pipe").open("rb") as pipe:
        reading = subprocess.Popen(["cat"], stdin=pipe, stdout=subprocess.DEVNULL)
        try:
            with Saved() as saved, Chatter(2), _no_further_than("freezer"):
                for _ in range(part(SLEEPS)):
                    STATE.write_text("freeze")
            assert reading.poll() is None, "the freezer ended a read"
        finally:
            reading.kill()
            reading.communicate()
        pipe.close()
        count = _check_order(it)
    comment(f"{saved.read} read + {saved.lost} lost; {count} looked at in order")


def test_ring_of_another_size() -> None:
    """A ring keeps its size while it is read; reloading changes it, and the law holds at each"""
    with Chatter(2):
        for size in SIZES:
            with Recorder(f"ring_records={size}") as it:
                _check_size_stays(it, size)


def _check_size_stays(it: Recorder, size: int) -> None:
    file = PARAMETERS / "ring_records"
    with Saved() as saved:
        before = recorder.written()
        for other in SIZES:
            try:
                file.write_text(str(other))
            except OSError:
                continue
            raise AssertionError("the size of a ring in use was changed")
        wait_until("a ring full of events",
                   lambda: recorder.written() > before + min(2 * size, 5000))
        assert file.read_text().strip() == str(size)
        memory.check()
        # Whoever wants another size unloads first, which waits for its readers.
        assert "in use" in recorder.run_rmmod()
    count = _check_order(it)
    comment(f"{size} records a CPU: {saved.read} read + {saved.lost} lost; {count} left")


def _oom_kills() -> int:
    text = Path("/proc/vmstat").read_text()
    return int(re.findall(r"^oom_kill (\d+)$", text, re.MULTILINE)[0])


def _check_refused_for_memory() -> None:
    """With ENOMEM, and a word on what to do."""
    before = recorder.kernel_log()
    try:
        module_calls.load(f"ring_records={LARGEST}")
    except OSError as error:
        assert error.errno == errno.ENOMEM, error
    else:
        raise AssertionError("a ring that has no room was made")
    told = recorder.kernel_log().removeprefix(before)
    assert (f"cannot make a ring of {LARGEST} records per CPU (error -12): no memory; "
            "load with a smaller ring_records") in told, told


def test_largest_ring() -> None:
    """The largest ring is made where it fits; elsewhere the load is refused, and nobody killed"""
    with Recorder(f"ring_records={LARGEST}"):
        comment(f"{memory.check() >> 20} MiB")
    before, kills = Before(), _oom_kills()
    # One CPU's part fits, the second one's does not.
    with Hog(left=LARGEST * RECORD_BYTES * 3 // 2) as hog:
        _check_refused_for_memory()
        assert hog.is_alive() and _oom_kills() == kills, "somebody was killed"
        before.check()
        assert not memory.of_the_module(), memory.of_the_module()
        with Recorder(f"ring_records={SIZES[-1]}"):
            memory.check()
        assert hog.is_alive() and _oom_kills() == kills, "somebody was killed"
