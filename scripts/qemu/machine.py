# SPDX-License-Identifier: GPL-2.0
"""Start QEMU, pass on what the guest sends, and be sure that QEMU ends.

The first serial port is the kernel's console and goes to a file.  The second
carries the command's output, and what the user types where there is a terminal for
it: a serial port because its driver is built into every kernel, while virtio's may be
a module that is not there yet.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from guest_files import share_tag
from host_tsc import tsc_khz
from keyboard import Keyboard
from result_stream import Ending, ResultStream

QEMU = "qemu-system-x86_64"
READ_SIZE = 65536
# From the guest's last line to QEMU's end: powering off takes a fraction.
POWER_OFF_S = 20
# QEMU says this and then waits for ever: the processor it was given cannot
# run the guest, as on some clouds whose /dev/kvm looks usable.
KVM_IS_BROKEN = "KVM internal error"

# Every line of the kernel's log is wanted; an oops must end the guest rather
# than leave it half alive; the rest saves seconds under emulation and changes
# nothing that a test of TCP can see: the clock is known to be good (host_tsc.py),
# and the crypto self-tests and the timer's check have nothing to find.
KERNEL_ARGUMENTS = (
    "console=ttyS0 loglevel=8 printk.devkmsg=on panic=-1 oops=panic "
    "tsc=reliable no_timer_check cryptomgr.notests random.trust_cpu=on"
)


@dataclass(frozen=True)
class Machine:
    """The guest's hardware."""

    image: Path
    initrd: Path
    log: Path
    root: str
    shares: Sequence[Path]
    smp: int
    memory_mb: int
    append: str
    icount: bool
    parallel: bool

    def command_line(self) -> list[str]:
        """The whole QEMU command."""
        return [
            *_dies_with_us(),
            QEMU,
            *self._processor(),
            # Of the machine "pc" the table of interrupts is a loop in ACPI's byte code.
            # A kernel with every checker can take longer for that than ACPI allows
            # (30 s), and then has no interrupt for the host's files. q35 has a list.
            *("-machine", "q35,usb=off,sata=off"),
            *("-m", str(self.memory_mb)),
            *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
            *("-kernel", str(self.image)),
            *("-initrd", str(self.initrd)),
            *("-append", " ".join([KERNEL_ARGUMENTS, *self._clock(), self.append]).strip()),
            *("-chardev", f"file,id=log,path={_escape(self.log)}", "-serial", "chardev:log"),
            *("-chardev", "stdio,id=results,signal=off", "-serial", "chardev:results"),
            *self._exports(),
        ]

    def _clock(self) -> list[str]:
        """Its rate, where the guest's is the host's own."""
        is_the_hosts = not self.icount and os.environ.get("RENOSCOPE_ACCEL") != "kvm"
        khz = tsc_khz() if is_the_hosts else None
        return [f"tsc_early_khz={khz}"] if khz else []

    def _processor(self) -> list[str]:
        if self.icount:
            # The guest's clock counts instructions: figures that repeat. Without ERMS, as
            # a kernel that has it copies with one `rep movsb`, which is counted once for
            # each byte, though a processor takes them by the cache line.
            return ["-accel", "tcg", "-cpu", "max,-erms", "-icount", "shift=0,sleep=off",
                    "-smp", "1"]
        if os.environ.get("RENOSCOPE_ACCEL") == "kvm":
            return ["-accel", "kvm", "-cpu", "host", "-smp", str(self.smp)]
        # Before QEMU 8.1 a processor that translates a page of code while another
        # one writes to it can keep the old code (mended by QEMU's commits
        # cb62bd15e14e and deba78709ae8).  A kernel that patches its own text, as
        # every one with static keys does, then meets a breakpoint that nobody
        # expects any more: "Oops: int3", once in some hundred boots with a thread
        # for each processor.  So the processors take turns on one thread, unless
        # they must be truly parallel.
        threads = "multi" if self.parallel else "single"
        return ["-accel", f"tcg,thread={threads}", "-cpu", "max", "-smp", str(self.smp)]

    def _exports(self) -> list[str]:
        """The host directories that the guest may mount over 9p."""
        exports = []
        if self.root == "host":
            exports += _export("host", Path("/"), "readonly=on,")
        for index, path in enumerate(self.shares):
            exports += _export(share_tag(index), path, "")
        return exports


def _export(tag: str, path: Path, options: str) -> list[str]:
    # multidevs=remap: the tree may span file systems with equal inode numbers.
    fsdev = f"local,id={tag},path={_escape(path)},{options}security_model=none,multidevs=remap"
    return ["-fsdev", fsdev, "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]


def _escape(path: Path) -> str:
    """A path inside a QEMU option list, where a comma must be doubled."""
    return str(path).replace(",", ",,")


def _dies_with_us() -> list[str]:
    """Have the kernel kill QEMU if this process is killed with no warning."""
    return ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []


@dataclass(frozen=True)
class Outcome:
    """How a guest's life went."""

    ending: Ending | None
    timed_out: bool
    qemu_code: int | None
    qemu_message: str
    seconds: float


def run(
    machine: Machine,
    token: str,
    timeout_s: float,
    show: Callable[[bytes], None],
    keyboard: Keyboard | None = None,
) -> Outcome:
    """Run a guest to its end or to the time limit; QEMU is gone on return."""
    started = time.monotonic()
    stream = ResultStream(token)
    with subprocess.Popen(
        machine.command_line(),
        stdin=subprocess.PIPE if keyboard else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as qemu:
        conversation = _Conversation(qemu, stream, show, keyboard)
        try:
            ended = conversation.pass_on(started + timeout_s)
        finally:
            qemu.kill()
    return Outcome(
        ending=stream.ending,
        timed_out=not ended,
        qemu_code=qemu.returncode if ended else None,
        qemu_message=conversation.complaints.decode(errors="replace").strip(),
        seconds=time.monotonic() - started,
    )


class _Conversation:
    """What QEMU says, shown; and what the user types, where there is a keyboard."""

    def __init__(
        self,
        qemu: subprocess.Popen[bytes],
        stream: ResultStream,
        show: Callable[[bytes], None],
        keyboard: Keyboard | None,
    ) -> None:
        self.complaints = b""
        self._qemu = qemu
        self._stream = stream
        self._show = show
        self._keyboard = keyboard
        self._selector = selectors.DefaultSelector()
        self._pipes = {pipe for pipe in (qemu.stdout, qemu.stderr) if pipe}
        for pipe in self._pipes:
            self._selector.register(pipe, selectors.EVENT_READ)

    def pass_on(self, deadline_s: float) -> bool:
        """Show the guest's output until QEMU ends; whether it did by then."""
        powering_off = False
        with self._selector:
            while self._pipes and time.monotonic() < deadline_s:
                if KVM_IS_BROKEN.encode() in self.complaints:
                    return False
                for key, _ in self._selector.select(_left(deadline_s)):
                    self._take(key.fd, key.fileobj)
                if self._stream.ending and not powering_off:
                    powering_off = True
                    deadline_s = time.monotonic() + POWER_OFF_S
        self._show(self._stream.rest())
        try:
            self._qemu.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def _take(self, fd: int, source: object) -> None:
        """What one of them has to say now."""
        if self._keyboard and fd == self._keyboard.fd:
            self._press(self._keyboard.typed())
            return
        data = os.read(fd, READ_SIZE)
        if not data:
            self._selector.unregister(fd)
            self._pipes = {pipe for pipe in self._pipes if pipe is not source}
        elif source is self._qemu.stderr:
            self.complaints += data
        else:
            self._pass_on_shown(self._stream.feed(data))

    def _pass_on_shown(self, shown: bytes) -> None:
        """The keys are the guest's from the command's first output to its end.

        Until then Ctrl-C ends a guest that does not come up, as it ends any program. They
        are lent before that output is shown: whoever answers it answers the guest.
        """
        if self._keyboard and shown and not self._stream.ending:
            self._lend(self._keyboard)
        self._show(shown)
        if self._keyboard:
            self._keyboard.saw(shown)
            if self._stream.ending:
                self._give_back(self._keyboard)

    def _lend(self, keyboard: Keyboard) -> None:
        if not keyboard.is_lent:
            keyboard.lend()
            self._selector.register(keyboard.fd, selectors.EVENT_READ)

    def _give_back(self, keyboard: Keyboard) -> None:
        if keyboard.is_lent:
            self._selector.unregister(keyboard.fd)
            keyboard.give_back()

    def _press(self, keys: bytes) -> None:
        """Type; what a guest that takes no keys leaves behind is lost, as on any terminal."""
        assert self._qemu.stdin
        os.set_blocking(self._qemu.stdin.fileno(), False)
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._qemu.stdin.fileno(), keys)


def _left(deadline_s: float) -> float | None:
    """The seconds until then; None for ever."""
    return None if deadline_s == math.inf else max(0.0, deadline_s - time.monotonic())
