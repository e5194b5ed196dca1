# SPDX-License-Identifier: GPL-2.0
"""How single values read on a page: rounded as far as a person compares them.

The other commands tell every digit; here three are enough.
"""

from __future__ import annotations

from .. import words
from ..output.tables import seconds
from .markup import Html, join, seemly, tag

UNKNOWN = "–"


def three_digits(number: float) -> str:
    """`7.43`, `12.2`, `143`, `1,430`."""
    if number >= 99.95:
        return f"{number:,.0f}"
    if number >= 9.995:
        return f"{number:.1f}".removesuffix(".0")
    return f"{number:.2f}".rstrip("0").removesuffix(".")


def span(us: int | None) -> str:
    """Microseconds in the unit a person would choose."""
    if us is None:
        return UNKNOWN
    if us >= 999_500:
        return f"{three_digits(us / 1e6)} s"
    if us >= 1000:
        return f"{three_digits(us / 1e3)} ms"
    return f"{us} µs"


def amount(size: int | None) -> str:
    """Bytes: `725 B`, `1.45 kB`, `8.39 MB`."""
    if size is None:
        return UNKNOWN
    if size < 1000:
        return f"{size} B"
    scaled = float(size)
    for unit in ("kB", "MB", "GB"):
        scaled /= 1000
        if scaled < 999.5:
            return f"{three_digits(scaled)} {unit}"
    return f"{three_digits(scaled / 1000)} TB"


def count(number: int | None) -> str:
    """`12,345`."""
    return UNKNOWN if number is None else f"{number:,}"


def some(number: int) -> str:
    """The same in a table of which most cells are 0: these stay empty."""
    return f"{number:,}" if number else ""


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 event`, `12,345 events`."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def share(part: int, whole: int) -> str:
    """The share, if there is anything to share."""
    return words.share(part, whole) if whole else UNKNOWN


def at(time_ns: int | None, first_ns: int | None) -> str:
    """Seconds from the first event on, cut as explain's evidence cuts them."""
    if time_ns is None or first_ns is None:
        return UNKNOWN
    return seconds(time_ns, first_ns)[:-3]


def big(words: str) -> Html:
    """A number of the summary."""
    return tag("strong", words)


def code(words: str) -> Html:
    """An address, an id, a command; lines are broken between words, never at `--`."""
    first, *others = seemly(words).split(" ")
    if not others:
        return tag("code", first)
    return tag("code", tag("span", first),
               [join(" ", tag("span", word)) for word in others])


def ends(local: str, remote: str) -> Html:
    """A connection's two ends, one below the other."""
    return join(code(local), tag("br"), code(remote))
