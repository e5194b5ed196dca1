# SPDX-License-Identifier: GPL-2.0
"""renoscope and its peers: how each is switched on and off, and what it recorded.

Every tool is asked for the same: each segment that reaches a connection, with the
addresses, the numbers and cwnd that it can give. Where it can, the tool stands at
tcp:tcp_probe, where our `ack` kind stands. Afterwards each is asked how much it
recorded, by its own output: a tool that lost events is cheap for that.
"""

from __future__ import annotations

import functools
import os
import re
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "selftests"))

import recorder  # noqa: E402  (found through the lines above)
from beside import Process  # noqa: E402
from hosts import run  # noqa: E402
from needs import Unavailable, lay_out_headers, need  # noqa: E402

TRACING = Path("/sys/kernel/tracing")
RECORD_BYTES = 192


@dataclass(frozen=True)
class Recorded:
    """What came of some turns, by the tool's own output."""

    events: int
    lost: int = 0
    file_bytes: int = 0


class Peer:
    """A tool that may be switched on and off as often as one likes."""

    name = ""
    title = ""
    saves = False           # a reader writes all of it to a file
    quick = True            # on and off within a second or so

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on(self) -> None:
        """From now on it records."""

    def off(self) -> None:
        """It does no longer, and what it did is counted."""

    def recorded(self) -> Recorded | None:
        """In all turns so far; None where nothing is recorded."""
        return None

    def end(self) -> None:
        """After the last turn."""


class Renoscope(Peer):
    """The module, with some kinds, and `renoscope record` beside it or not."""

    def __init__(self, folder: Path, name: str, kinds: str, title: str,
                 saves: bool = False) -> None:
        super().__init__(folder)
        self.name, self.title, self.saves = name, title, saves
        self._kinds = kinds
        self._events = self._lost = self._bytes = 0
        self._process: Process | None = None

    def on(self) -> None:
        run("insmod", str(recorder.MODULE), f"events={self._kinds}")
        if self.saves:
            self._process = Process(
                [sys.executable, str(recorder.COMMAND), "record",
                 str(self._folder / "bench.renoscope")], self._folder / "record.log")
            self._process.wait_for("recording to")
            self._process.wait_idle()

    def off(self) -> None:
        if self._process:
            self._count(self._process.interrupt())
            self._process = None
        else:
            self._events += recorder.written()
        recorder.wait_until("the module to be free", lambda: not recorder.run_rmmod())

    def _count(self, said: str) -> None:
        found = re.search(r"(\d+) events?, (\d+) lost", said)
        if not found:
            raise Unavailable(f"renoscope record said: {said[-300:]}")
        self._events += int(found[1])
        self._lost += int(found[2])
        self._bytes += (self._folder / "bench.renoscope").stat().st_size

    def recorded(self) -> Recorded | None:
        return Recorded(self._events, self._lost, self._bytes)


class RenoscopeCat(Renoscope):
    """The same bytes saved by cat, or only read: what of the cost is the kernel's part."""

    def on(self) -> None:
        run("insmod", str(recorder.MODULE), f"events={self._kinds}")
        into = self._folder / "bench.renoscope" if self.saves else os.devnull
        self._process = Process(
            ["sh", "-c", 'exec cat "$1" > "$0"', str(into),
             str(recorder.FOLDER / "trace_raw")], self._folder / "record.log")
        self._process.wait_idle()

    def _count(self, said: str) -> None:
        if not self.saves:
            self._events += recorder.written()
            return
        size = (self._folder / "bench.renoscope").stat().st_size
        self._events += size // RECORD_BYTES
        self._bytes += size


class Unloaded(Peer):
    """The module loaded and unloaded again: what it leaves behind."""

    name, title = "unloaded", "renoscope, loaded once and unloaded"

    def on(self) -> None:
        with recorder.Recorder():
            pass


class Ftrace(Peer):
    """The kernel's own event, into ftrace's own ring, which nobody reads."""

    name, title = "ftrace", "ftrace, ``tcp:tcp_probe``"
    _switch = TRACING / "events" / "tcp" / "tcp_probe" / "enable"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._events = 0

    def on(self) -> None:
        (TRACING / "trace").write_text("")
        self._switch.write_text("1")

    def off(self) -> None:
        self._switch.write_text("0")
        for stats in TRACING.glob("per_cpu/cpu*/stats"):
            counts = dict(line.split(": ") for line in stats.read_text().splitlines()
                          if ": " in line)
            self._events += int(counts["entries"]) + int(counts["overrun"])

    def recorded(self) -> Recorded | None:
        return Recorded(self._events)


class TraceCmd(Peer):
    """The same event, saved by trace-cmd."""

    name, title, saves = "trace-cmd", "``trace-cmd record -e tcp:tcp_probe``", True
    _switch = Ftrace._switch

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        need("trace-cmd", "trace-cmd")
        self._file = folder / "trace.dat"
        self._events = self._lost = self._bytes = 0
        self._process: Process

    def on(self) -> None:
        self._process = Process(["trace-cmd", "record", "-e", "tcp:tcp_probe", "-o",
                                 str(self._file)], self._folder / "trace-cmd.log")
        self._process.wait_until("switch the event on",
                                 lambda: self._switch.read_text().strip() == "1")
        self._process.wait_idle()

    def off(self) -> None:
        said = self._process.interrupt()
        self._bytes += sum(map(int, re.findall(r"\((\d+) uncompressed\)", said)))
        told = run("trace-cmd", "report", "--stat", "-i", str(self._file))
        if "read events: " not in told:
            raise Unavailable(f"trace-cmd report --stat says: {told[-300:]}")
        self._lost += sum(map(int, re.findall(r"overrun: (\d+)", told)))
        # What was left in the kernel's buffer on Ctrl-C is saved, too.
        self._events += sum(map(int, re.findall(r"(?:read events|entries): (\d+)", told)))

    def recorded(self) -> Recorded | None:
        return Recorded(self._events, self._lost, self._bytes)


class Perf(Peer):
    """The same event, saved by perf; switched on and off by its control pipe."""

    name, title, saves = "perf", "``perf record -e tcp:tcp_probe``", True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        need("perf", "linux-perf")
        self._file = folder / "perf.data"
        self._process: Process | None = None
        self._control, self._answers = folder / "control", folder / "answers"

    def _start(self) -> None:
        for pipe in (self._control, self._answers):
            os.mkfifo(pipe)
        self._process = Process(
            ["perf", "record", "-a", "-B", "-N", "-D", "-1", "-e", "tcp:tcp_probe",
             "-o", str(self._file),
             f"--control=fifo:{self._control},{self._answers}"],
            self._folder / "perf.log")
        self._process.wait_for("Events disabled")
        self._process.wait_idle()

    def _say(self, word: str) -> None:
        answers = os.open(self._answers, os.O_RDWR)
        control = os.open(self._control, os.O_WRONLY)
        try:
            os.write(control, word.encode() + b"\n")
            if not os.read(answers, 16).startswith(b"ack"):
                raise Unavailable(f"perf does not answer {word}")
        finally:
            os.close(control)
            os.close(answers)

    def on(self) -> None:
        if not self._process:
            self._start()
        self._say("enable")

    def off(self) -> None:
        self._say("disable")

    def end(self) -> None:
        if self._process:
            self._process.interrupt()

    def recorded(self) -> Recorded | None:
        told = run("perf", "report", "--stats", "-i", str(self._file))
        samples = re.search(r"SAMPLE events:\s+(\d+)", told)
        lost = re.search(r"LOST_SAMPLES events:\s+(\d+)", told)
        return Recorded(int(samples[1]) if samples else 0, int(lost[1]) if lost else 0,
                        self._file.stat().st_size)


class _Interrupted(Peer):
    """A tool that is started for each turn and says on Ctrl-C what it saw."""

    quick = False
    program = package = ""
    ready = ""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        need(self.program, self.package)
        self._events = self._lost = self._bytes = 0
        self._process: Process

    def command(self) -> list[str]:
        """What to type."""
        raise NotImplementedError

    def count(self, said: str) -> tuple[int, int]:
        """Events recorded and lost, from what it said and wrote."""
        raise NotImplementedError

    @property
    def file(self) -> Path:
        """Where its output goes."""
        return self._folder / f"{self.name}.out"

    def on(self) -> None:
        self._process = Process(self.command(), self._folder / f"{self.name}.log")
        if self.ready:
            self._process.wait_for(self.ready)
        self._process.wait_idle()

    def off(self) -> None:
        said = self._process.interrupt()
        events, lost = self.count(said)
        self._events += events
        self._lost += lost
        if self.saves and self.file.exists():
            self._bytes += self.file.stat().st_size

    def recorded(self) -> Recorded | None:
        return Recorded(self._events, self._lost, self._bytes)


class Tcpdump(_Interrupted):
    """What went over the wire: no cwnd, no RTT, but every header."""

    name, title, saves = "tcpdump", "``tcpdump -s 96 -w FILE``", True
    program = package = "tcpdump"
    ready = "listening on"
    quick = True

    def command(self) -> list[str]:
        return ["tcpdump", "-i", "lo", "-n", "-s", "96", "-Z", "root", "-w",
                str(self.file), "tcp"]

    def count(self, said: str) -> tuple[int, int]:
        dropped = re.search(r"(\d+) packets dropped by kernel", said)
        return packets_in(self.file), int(dropped[1]) if dropped else 0


def packets_in(file: Path) -> int:
    """How many packets a capture holds."""
    count = 0
    with file.open("rb") as capture:
        capture.read(24)
        while head := capture.read(16):
            capture.seek(struct.unpack_from("=I", head, 8)[0], os.SEEK_CUR)
            count += 1
    return count


class BpftracePrintf(_Interrupted):
    """A line for each event, as many of its values as one would print."""

    name, title, saves = "bpftrace-printf", "``bpftrace``, ``printf`` to a file", True
    program = package = "bpftrace"
    _program = (
        'tracepoint:tcp:tcp_probe { printf("%lld %d %d %u %u %u %u %u\\n", nsecs, '
        'args->sport, args->dport, args->snd_nxt, args->snd_una, args->snd_cwnd, '
        'args->ssthresh, args->srtt); }')

    def command(self) -> list[str]:
        return ["bpftrace", "-o", str(self.file), "-e", self._program]

    def count(self, said: str) -> tuple[int, int]:
        with self.file.open("rb") as lines:
            events = sum(1 for line in lines if line[:1].isdigit())
        text = said + self.file.read_text(errors="replace")[-2000:]
        return events, sum(map(int, re.findall(r"Lost (\d+) events", text)))


class BpftraceCount(_Interrupted):
    """Only how many there were."""

    name, title = "bpftrace-count", "``bpftrace``, ``count()``"
    program = package = "bpftrace"

    def command(self) -> list[str]:
        return ["bpftrace", "-e", "tracepoint:tcp:tcp_probe { @events = count(); }"]

    def count(self, said: str) -> tuple[int, int]:
        found = re.search(r"@events: (\d+)", said)
        return int(found[1]) if found else 0, 0


class _Bcc(_Interrupted):
    """A tool of bcc: it compiles against the kernel's headers when it starts."""

    package = "bpfcc-tools"

    def on(self) -> None:
        lay_out_headers()
        super().on()


class BccTrace(_Bcc):
    """bcc's trace: a line for each event, formatted by Python."""

    name, title, saves = "bcc-trace", "bcc, ``trace-bpfcc`` to a file", True
    program = "trace-bpfcc"

    def command(self) -> list[str]:
        return ["sh", "-c", 'exec trace-bpfcc -u "$@" > "$0"', str(self.file),
                't:tcp:tcp_probe "%d %d %u %u %u %u", args->sport, args->dport, '
                'args->snd_nxt, args->snd_una, args->snd_cwnd, args->srtt']

    def count(self, said: str) -> tuple[int, int]:
        text = self.file.read_text(errors="replace")
        lost = sum(map(int, re.findall(r"lost (\d+) samples", text + said)))
        return text.count("tcp_probe"), lost


class BccCount(_Bcc):
    """bcc's funccount: only how many there were."""

    name, title = "bcc-count", "bcc, ``funccount-bpfcc``"
    program = "funccount-bpfcc"

    def command(self) -> list[str]:
        return ["funccount-bpfcc", "t:tcp:tcp_probe"]

    def count(self, said: str) -> tuple[int, int]:
        found = re.search(r"tcp_probe\S*\s+(\d+)\s*$", said, re.MULTILINE)
        if not found:
            raise Unavailable("instead of its counts it says: "
                              + said.strip().rpartition("\n")[2])
        return int(found[1]), 0


class BccRtt(_Bcc):
    """bcc's tcprtt: a histogram of RTTs, at the same place."""

    name, title = "bcc-tcprtt", "bcc, ``tcprtt-bpfcc``: a histogram of RTTs"
    program = "tcprtt-bpfcc"

    def command(self) -> list[str]:
        return ["tcprtt-bpfcc"]

    def count(self, said: str) -> tuple[int, int]:
        return histogram_total(said), 0


class LibbpfRtt(_Interrupted):
    """libbpf-tools' tcprtt: the same histogram, with nothing to compile."""

    name, title = "libbpf-tcprtt", "libbpf-tools, ``tcprtt``: a histogram of RTTs"
    program = "tcprtt"
    package = "libbpf-tools"

    def command(self) -> list[str]:
        return ["tcprtt"]

    def count(self, said: str) -> tuple[int, int]:
        return histogram_total(said), 0


def histogram_total(said: str) -> int:
    """All counts of a histogram's lines, `low -> high : count |****|`."""
    return sum(map(int, re.findall(r"^\s*\d+ -> \d+\s*: (\d+)", said, re.MULTILINE)))


RENOSCOPES = (("none", "none", "events off"), ("ack", "ack", "``ack`` alone"),
              ("default", "default", "the default kinds"), ("all", "all", "all kinds"))
OTHERS = (Ftrace, TraceCmd, Perf, Tcpdump, BpftracePrintf, BpftraceCount, LibbpfRtt,
          BccTrace, BccCount, BccRtt)


def makers() -> dict[str, tuple[str, Callable[[Path], Peer]]]:
    """Every way to record, by name: how it is called, and what makes it."""
    made: dict[str, tuple[str, Callable[[Path], Peer]]] = {
        Unloaded.name: (Unloaded.title, Unloaded)}
    for word, kinds, title in RENOSCOPES:
        for saves in (False, True) if word != "none" else (False,):
            name = f"renoscope-{word}" + "-saved" * saves
            title_ = f"renoscope, {title}" + ", ``renoscope record``" * saves
            made[name] = (title_, functools.partial(
                Renoscope, name=name, kinds=kinds, title=title_, saves=saves))
    for name, saves, command in (
            ("renoscope-ack-read", False, "``cat trace_raw``, not saved"),
            ("renoscope-ack-cat", True, "``cat trace_raw``")):
        title = f"renoscope, ``ack`` alone, {command}"
        made[name] = (title, functools.partial(
            RenoscopeCat, name=name, kinds="ack", title=title, saves=saves))
    for other in OTHERS:
        made[other.name] = (other.title, other)
    return made
