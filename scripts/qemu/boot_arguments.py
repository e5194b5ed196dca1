# SPDX-License-Identifier: GPL-2.0
"""The command line of scripts/qemu/boot."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import boot_codes

LIMIT_S = 300

ENDING = f"""\
{boot_codes.EXPLAINED}
environment:
  RENOSCOPE_ACCEL=kvm  use KVM, which is much faster where it works

examples:
  scripts/qemu/boot --kernel "$(scripts/qemu/fetch-kernel 6.12)" --root host -- uname -r
  scripts/qemu/boot --kernel "$(scripts/qemu/fetch-kernel 6.12)" --interactive -- sh
"""


def file_argument(text: str) -> tuple[Path, str]:
    """SRC[:DEST] as a host file and a guest path."""
    source, _, destination = text.partition(":")
    path = Path(source)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"no such file: {source}")
    if destination and not destination.startswith("/"):
        raise argparse.ArgumentTypeError(f"the guest's path must begin with '/': {destination}")
    return path, destination or f"/{path.resolve().name}"


def directory_argument(text: str) -> Path:
    """An existing directory, as an absolute path."""
    path = Path(text).absolute()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"no such directory: {text}")
    return path


def _add_guest(add: Callable[..., object]) -> None:
    """What is in the guest, and how it is reached."""
    add("--kernel", type=Path, required=True, metavar="DIR",
        help="what fetch-kernel or build-kernel printed")
    add("--root", choices=("initramfs", "host"), default="initramfs",
        help="what the command sees: busybox alone, or this machine's files; "
        "either way its changes are lost when it ends (default: initramfs)")
    add("--file", type=file_argument, action="append", default=[], metavar="SRC[:DEST]",
        help="put a file or a directory into the guest (default: at /NAME)")
    add("--share", type=directory_argument, action="append", default=[], metavar="DIR",
        help="let the guest write to this directory, under the same path")
    add("--module", action="append", default=[], metavar="NAME",
        help="insert one of the kernel's own modules before the command runs")
    add("--interactive", action="store_true",
        help="let the command read what this one reads: from a terminal as it is typed, on a "
        "terminal of that size, until Ctrl-] ends the guest; from a file or a pipe to its end, "
        "before the guest starts")


def _add_machine(add: Callable[..., object]) -> None:
    """What it runs on, and for how long."""
    add("--timeout", type=float, metavar="SEC",
        help=f"default: {LIMIT_S}, and none with --interactive")
    add("--smp", type=int, default=2, metavar="N", help="processors (default: 2)")
    add("--memory", type=int, default=1024, metavar="MB", help="default: 1024")
    add("--append", default="", metavar="STR", help="more for the kernel's command line")
    add("--icount", action="store_true",
        help="let the guest's clock count instructions, on one processor")
    add("--parallel", action="store_true",
        help="run the processors at the same time, each on a thread of its own: only for a "
        "kernel that does not patch its code, such as the one build-kernel makes")
    add("--taint", default="", metavar="LETTERS",
        help="kernel taint that the command brings about: W where it provokes a warning")
    add("--log", type=Path, metavar="FILE", help="keep the kernel's log here")


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """All of it; `timeout` is infinite where there is none."""
    parser = argparse.ArgumentParser(
        prog="boot", description="Boot a kernel under QEMU and run one command in it, as root.",
        epilog=ENDING, formatter_class=argparse.RawDescriptionHelpFormatter)
    _add_guest(parser.add_argument)
    _add_machine(parser.add_argument)
    parser.add_argument(
        "command", nargs="+", metavar="COMMAND",
        help="after '--': a single word is read as shell text, several as a command and its "
        "arguments")
    options = parser.parse_args(arguments)
    if options.timeout is None:
        options.timeout = math.inf if options.interactive else LIMIT_S
    return options
