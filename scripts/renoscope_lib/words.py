# SPDX-License-Identifier: GPL-2.0
"""How single values read: addresses, connection ids, durations, wall clock."""

from __future__ import annotations

import errno
import functools
import ipaddress
import os
import shlex
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from .ring.schema import Event

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# An ssthresh that was never set (TCP_INFINITE_SSTHRESH).
INFINITE_SSTHRESH = 0x7fffffff

# Both clocks are made to run faster or slower as one, so what is between them changes
# only by steps; reading one after the other is taken for none.
CLOCK_MOVED_NS = 100_000_000

UNSET = (bytes(16), bytes(10) + b"\xff\xff" + bytes(4))


@functools.lru_cache(maxsize=4096)
def address(raw: bytes) -> str:
    """A 16-byte address; ::ffff:a.b.c.d is IPv4."""
    parsed = ipaddress.IPv6Address(raw)
    return str(parsed.ipv4_mapped or parsed)


def raw_address(parsed: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    """The 16 bytes that `address` reads."""
    return b"".join((UNSET[1][:12] if parsed.version == 4 else b"", parsed.packed))


def is_unset(raw: bytes) -> bool:
    """No address yet, or the wildcard: 0.0.0.0 or ::."""
    return raw in UNSET


def _endpoint(raw: bytes, port: int) -> str:
    if is_unset(raw):
        return f"*:{port or '*'}"
    text = address(raw)
    host = f"[{text}]" if ":" in text else text
    return f"{host}:{port or '*'}"


def local_endpoint(event: Event) -> str:
    """Our address and port; * stands for what is not set."""
    return _endpoint(event["local_addr"], event["local_port"])


def remote_endpoint(event: Event) -> str:
    """The peer's address and port; * stands for what is not set."""
    return _endpoint(event["remote_addr"], event["remote_port"])


def connection(cookie: int) -> str:
    """A connection id as `ss -e` prints it; sk:- where there is no socket."""
    return f"sk:{cookie:x}" if cookie else "sk:-"


def _trimmed(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".")


def duration(us: int) -> str:
    """Microseconds in the unit a person would choose."""
    if us >= 1_000_000:
        return f"{_trimmed(us / 1_000_000)} s"
    if us >= 1000:
        return f"{_trimmed(us / 1000)} ms"
    return f"{us} us"


def clock_moved(moved_ns: int) -> str:
    """What is wrong with times of day; empty where nothing a person would see."""
    if abs(moved_ns) < CLOCK_MOVED_NS:
        return ""
    how_far = duration(abs(moved_ns) // 1_000_000 * 1000)
    how = (f"{how_far} forward meanwhile (the machine slept, or it was set)" if moved_ns > 0
           else f"{how_far} back meanwhile (it was set)")
    return (f"the wall clock went {how}: times of day are by the clock as it was at the "
            "beginning")


def finite_ssthresh(segments: int) -> int | None:
    """For programs: null is none yet."""
    return None if segments >= INFINITE_SSTHRESH else segments


def ssthresh_words(segments: int, none_yet: str = "inf") -> str:
    """In segments; a word if it was never set."""
    return none_yet if segments >= INFINITE_SSTHRESH else str(segments)


def wall_clock(realtime_ns: int) -> str:
    """UTC, to the microsecond."""
    moment = EPOCH + timedelta(microseconds=realtime_ns // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def clock(realtime_ns: int) -> str:
    """`2023-11-14 22:13:20 UTC`; empty if it is no time that a calendar has."""
    try:
        return wall_clock(realtime_ns)[:len("YYYY-MM-DDTHH:MM:SS")].replace("T", " ") + " UTC"
    except (OverflowError, ValueError):
        return ""


def listed(words: Sequence[str], last: str) -> str:
    """Several words: `a, b and c` where `last` is `and`."""
    *most, final = words
    return f"{', '.join(most)} {last} {final}" if most else final


def plural(count: int, noun: str) -> str:
    """`1 event`, `2 events`."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def often(count: int) -> str:
    """`once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def share(part: float, whole: float) -> str:
    """`12%`; never 0% or 100% of what is not quite so."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.01:
        return "under 0.01%"
    if 99 < percent < 100:
        return f"{min(percent, 99.9):.1f}%"
    if percent < 1:
        return f"{percent:.2g}%"
    return f"{percent:.0f}%" if percent >= 10 else f"{percent:.1f}%"


def harmless(text: str) -> str:
    """On one line, and nothing in it that a terminal would obey."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def task_name(letters: bytes) -> str:
    """A task's name as a record has it; the kernel takes any bytes for one."""
    return harmless(letters.partition(b"\0")[0].decode("utf-8", "replace"))


def shell_word(text: str) -> str:
    """A word of a command to be pasted into bash, harmless where that is shown."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_escaped, os.fsencode(text))) + "'"


def file_word(name: str) -> str:
    """The same of a file, whose name may begin as an option does; - is none."""
    return shell_word(f"./{name}" if name.startswith("-") and name != "-" else name)


def _escaped(byte: int) -> str:
    sign = chr(byte)
    return sign if " " <= sign <= "~" and sign not in "\\'" else f"\\x{byte:02x}"


def errno_words(number: int) -> str:
    """`ETIMEDOUT` and so on."""
    return errno.errorcode.get(number, f"error {number}")


def spaced(word: str) -> str:
    """A word of the schema as people write it."""
    return word.replace("_", " ")


def or_dash(value: object | None) -> str:
    """A cell of a table; - for what was not seen."""
    return "-" if value is None else str(value)
