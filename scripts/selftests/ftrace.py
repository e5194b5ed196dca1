# SPDX-License-Identifier: GPL-2.0
"""renoscope's events as ftrace sees them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

TRACING = Path("/sys/kernel/tracing")
EVENTS = TRACING / "events" / "renoscope"
LINE = re.compile(r": (\w+):\s+(serial=.*)$")
VALUE = re.compile(r"(\w+)=(.*?)(?= \w+=|$)")
FIELD = re.compile(r"field:(\w+) (\w+)(\[16\])?;\toffset:\d+;\tsize:(\d+);")


@dataclass(frozen=True)
class Traced:
    """One event in ftrace's words."""

    kind: str
    values: dict[str, int | bytes]


def _value(name: str, text: str) -> int | bytes:
    if name.endswith("_addr"):
        return ipaddress.IPv6Address(text).packed
    return text.encode().ljust(16, b"\0") if name == "comm" else int(text)


def parse(text: str) -> list[Traced]:
    """The events in what ftrace, perf script or trace-cmd report printed."""
    found = []
    for line in text.splitlines():
        match = LINE.search(line)
        if match:
            found.append(Traced(match[1], {
                name: _value(name, value) for name, value in VALUE.findall(match[2].rstrip())}))
    return found


def format_of(kind: str) -> list[tuple[str, str, int]]:
    """Type, name and size of each field in a tracepoint's format file."""
    fields = []
    text = (EVENTS / kind / "format").read_text()
    for type_, name, array, size in FIELD.findall(text):
        if not name.startswith("common_"):
            if array:
                type_ = "text" if type_ == "char" else "addr"
            fields.append((type_, name, int(size)))
    return fields


class Ftrace:
    """Our events switched on, all or one kind, for the time of a with block."""

    def __init__(self, kind: str = "") -> None:
        self.switch = EVENTS / kind / "enable"

    def __enter__(self) -> Ftrace:
        (TRACING / "trace").write_text("")
        self.switch.write_text("1")
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.switch.write_text("0")

    @staticmethod
    def events() -> list[Traced]:
        """What was traced so far."""
        return parse((TRACING / "trace").read_text())
