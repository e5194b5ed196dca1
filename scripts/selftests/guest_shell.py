# SPDX-License-Identifier: GPL-2.0
"""What `make guest` does inside the guest: guest_shell.py KERNEL MODULE.

Loads the module, makes two hosts, and runs a shell. Nothing is undone: all of it goes
with the guest.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts, run

SCRIPTS = Path(__file__).resolve().parent.parent
BUILT = SCRIPTS.parent / "module" / "tcp_renoscope.ko"
COMMANDS = {"renoscope": SCRIPTS / "renoscope",
            "chatter": SCRIPTS / "selftests" / "guest_chatter.py"}
COMMANDS_FOLDER = Path("/usr/local/bin")
# The user is root, and `sudo` is in what the documentation has one type: this runs the rest.
SUDO, RUNS_THE_REST = COMMANDS_FOLDER / "sudo", Path("/usr/bin/env")
CHANGES = Path("/run/renoscope/kernel-modules")
DELAY_MS = 20

GREETING = """\
Linux {release} in a guest, with tcp_renoscope loaded. `exit` ends it.
Two hosts, {delay} ms apart: {client} and {server} (ip netns exec client ss -tan).
  chatter &           TCP sessions between them, over a wire that loses one segment in 20
  renoscope show      what the kernel's TCP does, event by event; Ctrl-C ends
  renoscope explain   what went wrong, and why
  renoscope top       who suffers, live; q ends
  renoscope doctor    whether all is in order
"""
# What the demo needs has none: it is there if it was before.
WITH_BPFTRACE = """\
  scripts/bpftrace/   ready-made tools for bpftrace, as half_open.bt; Ctrl-C ends
"""


def put_headers(kernel: Path, release: str) -> None:
    """What the kernel's headers packages would have put in place; both halves.

    make is content with `build`, bpftrace wants `source`, which is the common half.
    """
    modules = Path("/lib/modules", release)
    changes, work = CHANGES / "changes", CHANGES / "work"
    for folder in (changes, work):
        folder.mkdir(parents=True)
    run("mount", "-t", "overlay", "-o", f"lowerdir={modules},upperdir={changes},workdir={work}",
        "overlay", str(modules))
    link(modules / "build", kernel / "build")
    common, = kernel.glob("usr/src/linux-headers-*-common")
    link(modules / "source", common)


def link(path: Path, target: Path) -> None:
    """A link, in place of whatever was there."""
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def prepare(kernel: Path, module: Path, release: str) -> None:
    """All that the greeting promises."""
    put_headers(kernel, release)
    # Where make would have left it: load finds it after an unload.
    shutil.copyfile(module, BUILT)
    run("insmod", str(module))
    COMMANDS_FOLDER.mkdir(parents=True, exist_ok=True)
    for name, program in COMMANDS.items():
        link(COMMANDS_FOLDER / name, program)
    if not shutil.which("sudo"):
        link(SUDO, RUNS_THE_REST)
    TwoHosts(DELAY_MS).__enter__()


def on_terminal() -> int:
    """A shell for a person, whose last command's failure is nobody's business."""
    signal.signal(signal.SIGINT, lambda number, frame: None)
    subprocess.call(["bash", "--noprofile", "--norc", "-i"],
                    env={**os.environ, "PS1": r"guest:\W# "})
    return 0


def from_pipe() -> int:
    """A shell for a script, which has a pipe for its output, too: no colours."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as cat:
        shell = subprocess.Popen(["bash", "--noprofile", "--norc"], stdout=cat.stdin,
                                 stderr=subprocess.STDOUT, start_new_session=True)
        code = shell.wait()
        # What it left running, if anything, would hold the pipe for ever.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
    return code


def main() -> int:
    """Prepare, greet, and let the user work."""
    kernel, module = map(Path, sys.argv[1:])
    release = os.uname().release
    try:
        prepare(kernel, module, release)
    except (RuntimeError, OSError) as error:
        sys.exit(f"guest: {error}")
    greeting = GREETING.format(release=release, delay=DELAY_MS, client=ADDRESSES[CLIENT][0],
                               server=ADDRESSES[SERVER][0])
    print(greeting + (WITH_BPFTRACE if shutil.which("bpftrace") else ""), flush=True)
    if os.environ["TERM"] == "dumb":
        os.environ["NO_COLOR"] = "1"
    return on_terminal() if sys.stdin.isatty() else from_pipe()


if __name__ == "__main__":
    sys.exit(main())
