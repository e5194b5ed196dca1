# SPDX-License-Identifier: GPL-2.0
"""What `top` shows of an interval: in which order, in which columns, in how much room.

Columns are those of `ss -ti`, as far as events tell them (queues in bytes they do
not).  Where room is short, addresses lose their beginning, as a port at the end
tells more, and the columns that matter least are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from ..tcp.tcp_states import CLOSED, ESTABLISHED, SYN_RECEIVED
from ..views.losses_text import HEADINGS
from ..words import clock, connection, or_dash, plural, spaced, ssthresh_words
from .frame import Connection, Frame, Listening
from .top import LOSS

Row = TypeVar("Row", Connection, Listening)

# As ss spells them; the others are the same.
SS_NAMES = {ESTABLISHED: "ESTAB", SYN_RECEIVED: "SYN-RECV", CLOSED: "CLOSED"}

# Nothing of it: dots leave the eye free for the numbers.
NONE = "."

# Blanks between columns, and in a narrow terminal.
BETWEEN, CLOSE = 2, 1
NARROW = 100

# Stands for an address's beginning.
CUT = ".."

# Addresses are not cut to less, and only for columns of a lower rank than this.
LEAST_ADDRESS = 12
CORE = 6


class Order(NamedTuple):
    """A way to sort: its key on the keyboard, what it is called, what decides."""

    key: str
    title: str
    column: str
    rank: Callable[[Any], tuple[float, ...]]


def _by_again(row: Connection) -> tuple[float, ...]:
    """Who waits for a timer that has doubled suffers, if silently."""
    return row.again_now, row.backoff, row.again_in_all, row.lost, row.srtt_us


def _by_half_open(row: Connection) -> tuple[float, ...]:
    return row.state == SYN_RECEIVED, row.again, *_by_again(row)


CONNECTION_ORDERS: dict[str, Order] = {
    "retrans": Order("r", "retransmits", "retr", _by_again),
    "rtt": Order("t", "RTT", "rtt/var", lambda row: (row.srtt_us,)),
    "cwnd": Order("c", "cwnd", "cwnd", lambda row: (row.cwnd,)),
    "half-open": Order("h", "half-open first", "State", _by_half_open),
    "rto": Order("o", "RTO", "rto", lambda row: (row.rto_us,)),
    "unacked": Order("u", "unacked", "unack", lambda row: (row.unacked, row.lost)),
    "traffic": Order("b", "traffic", "acked",
                     lambda row: (row.acked_now + row.received_now,)),
}

LISTENER_ORDERS: dict[str, Order] = {
    "half-open": Order("h", "half-open", "half-open",
                       lambda row: (row.half_open, row.accept_queue)),
    "retrans": Order("r", "SYN-ACKs sent again", "again",
                     lambda row: (row.now.synacks_sent_again,
                                  row.in_all.synacks_sent_again)),
    "accept-queue": Order("a", "accept queue", "accept-q",
                          lambda row: (row.accept_queue, row.half_open)),
    "refused": Order("f", "refused", "refused",
                     lambda row: (row.now.refused, row.in_all.refused)),
    "syns": Order("s", "SYNs", "SYNs/s", lambda row: (row.now.syns,)),
}

CONNECTIONS, LISTENERS = "connection", "listener"
ORDERS = {CONNECTIONS: CONNECTION_ORDERS, LISTENERS: LISTENER_ORDERS}


@dataclass
class Choice:
    """What the user wants to see of a frame."""

    by: str = CONNECTIONS
    order: str = "retrans"
    is_reversed: bool = False
    limit: int = 0

    @property
    def sorting(self) -> Order:
        """The order in full."""
        return ORDERS[self.by][self.order]

    def rows(self, frame: Frame) -> list[Any]:
        """Those of the frame, the most first, not limited yet."""
        of_frame: Sequence[Any] = frame.listeners
        if self.by == CONNECTIONS:
            of_frame = frame.connections
        rank = self.sorting.rank
        return sorted(of_frame, key=lambda row: (rank(row), row.cookie),
                      reverse=not self.is_reversed)


def suffers(row: Connection | Listening) -> bool:
    """Whether something went wrong with it in this interval."""
    if isinstance(row, Connection):
        return row.again_now > 0
    return row.now.refused > 0 or row.now.synacks_sent_again > 0


# ---- cells

def _ms(us: int) -> str:
    """Microseconds as milliseconds, about three digits, as in ss -i."""
    if us < 1000:
        return f"{us / 1000:.3f}"
    if us < 10_000:
        return f"{us / 1000:.2f}"
    return f"{us / 1000:.1f}" if us < 1_000_000 else f"{us / 1000:.0f}"


def _bits(rate: float) -> str:
    """Bits a second, as ss writes them."""
    if rate < 1:
        return "<1bps"
    for unit in ("", "K", "M"):
        if rate < 999.5:
            return f"{rate:.3g}{unit}bps"
        rate /= 1000
    return f"{rate:.3g}Gbps"


def _count(number: int) -> str:
    return str(number) if number else NONE


def events_rate(frame: Frame) -> str:
    """Events a second."""
    return _per_second(frame.events, frame)


def _per_second(count: int, frame: Frame) -> str:
    rate = frame.per_second(count)
    return f"{rate:.0f}" if rate >= 9.95 or not rate else f"{rate:.1f}"


def _rate(count: int, frame: Frame) -> str:
    return _per_second(count, frame) if count else NONE


def _bit_rate(count: int, frame: Frame) -> str:
    return _bits(8 * frame.per_second(count)) if count else NONE


def state_word(row: Connection) -> str:
    """As ss spells it; ? if it may be over."""
    return SS_NAMES.get(row.state, row.state) + ("?" if row.may_have_ended else "")


def _ssthresh(row: Connection) -> str:
    if not row.cwnd:
        return "-"
    return ssthresh_words(row.ssthresh)


def _rtt(row: Connection) -> str:
    if not row.srtt_us:
        return "-"
    return f"{_ms(row.srtt_us)}/{_ms(row.rttvar_us)}"


def _rto(row: Connection) -> str:
    doubled = f"(2^{row.backoff})" if row.backoff else ""
    return f"{_ms(row.rto_us)}{doubled}" if row.rto_us else "-"


def _why(row: Listening) -> str:
    """The reasons of this interval, or else those of before."""
    reasons = row.reasons_now or row.reasons
    return ", ".join(f"{spaced(reason)} {count}" for reason, count in
                     sorted(reasons.items(), key=lambda pair: -pair[1])) or NONE


def _of_limit(length: int, limit: int | None) -> str:
    return f"{length}/{or_dash(limit)}"


class Column(NamedTuple, Generic[Row]):
    """Of less room those with the higher `rank` are left out first."""

    heading: str
    rank: int
    cell: Callable[[Row, Frame], str]
    is_left: bool = False
    is_address: bool = False


LOCAL, PEER = "Local Address:Port", "Peer Address:Port"

CONNECTION_COLUMNS: tuple[Column[Connection], ...] = (
    Column("State", 4, lambda row, _: state_word(row), True),
    Column(LOCAL, 5, lambda row, _: row.local, True, True),
    Column(PEER, 0, lambda row, _: row.remote, True, True),
    Column("id", 13, lambda row, _: connection(row.cookie), True),
    Column("retr", 1, lambda row, _: _count(row.again_now)),
    Column("total", 6, lambda row, _: _count(row.again_in_all)),
    Column("cause", 7, lambda row, _: HEADINGS.get(row.cause, NONE), True),
    Column("lost", 9, lambda row, _: _count(row.lost)),
    Column("unack", 12, lambda row, _: _count(row.unacked)),
    Column("rtt/var", 2, lambda row, _: _rtt(row)),
    Column("min", 16, lambda row, _: _ms(row.min_rtt_us) if row.min_rtt_us else "-"),
    Column("cwnd", 3, lambda row, _: str(row.cwnd or "-")),
    Column("ssthresh", 15, lambda row, _: _ssthresh(row)),
    Column("ca", 10, lambda row, _: row.ca_state or "-", True),
    Column("rto", 8, lambda row, _: _rto(row)),
    Column("acked", 11, lambda row, frame: _bit_rate(row.acked_now, frame)),
    Column("received", 14, lambda row, frame: _bit_rate(row.received_now, frame)),
)

LISTENER_COLUMNS: tuple[Column[Listening], ...] = (
    Column(LOCAL, 0, lambda row, _: row.address, True, True),
    Column("id", 8, lambda row, _: connection(row.cookie), True),
    Column("half-open", 1, lambda row, _: _of_limit(row.half_open, row.limit)),
    Column("accept-q", 2, lambda row, _: _of_limit(row.accept_queue, row.limit)),
    Column("SYNs/s", 3, lambda row, frame: _rate(row.now.syns, frame)),
    Column("new/s", 9, lambda row, frame: _rate(row.now.completed, frame)),
    Column("again/s", 6, lambda row, frame: _rate(row.now.synacks_sent_again, frame)),
    Column("refused", 4, lambda row, _: _count(row.now.refused)),
    Column("total", 10, lambda row, _: _count(row.in_all.refused)),
    Column("cookies", 7, lambda row, _: _count(row.now.cookies_sent)),
    Column("expired", 11, lambda row, _: _count(row.now.expired)),
    Column("why refused", 5, lambda row, _: _why(row), True),
)

COLUMNS: dict[str, Sequence[Column[Any]]] = {
    CONNECTIONS: CONNECTION_COLUMNS, LISTENERS: LISTENER_COLUMNS}

HOW_TO_READ = {
    CONNECTIONS: (
        "retr: segments sent again in this interval; total: since the connection "
        "began, as far as is known; cause: of the last one. lost, unack: segments "
        "believed lost, not acknowledged. rtt/var, min, rto: ms, (2^n) after n "
        "doublings. acked, received: payload in this interval. State with ?: may "
        "be over, events were lost. Numbers are those of the connection's last event.",
        "cause is one of: RTO, the timer fired; fast, duplicate ACKs, SACK or RACK; "
        "recov, what else was lost after an RTO; TLP, a tail loss probe; SYN, SYN-ACK, "
        "not answered; zerowin, into a zero window."),
    LISTENERS: (
        "half-open, accept-q: requests without the last ACK, connections not yet "
        "accepted, each of its limit. new/s: handshakes completed. again/s: SYN-ACKs "
        "sent again. refused: SYNs and last ACKs dropped in this interval; total: "
        "since watching began. cookies: SYN cookies sent; expired: given up.",),
}


def shortened(address: str, width: int) -> str:
    """Its end, with the port."""
    if len(address) <= width:
        return address
    end = address[len(address) - max(width - len(CUT), 0):]
    return CUT + end if width > len(CUT) else address[-width:]


class Table(NamedTuple):
    """Lines, the heading first, and what was left out."""

    heading: str
    lines: list[str]
    rows: list[Any]
    left_out: int


def _between(width: int | None) -> int:
    return CLOSE if width is not None and width < NARROW else BETWEEN


def _fitting(widths: Sequence[int], columns: Sequence[Column[Any]],
             width: int) -> dict[int, int]:
    """Which columns there is room for, and how wide each is.

    Whole addresses are worth more than columns of little weight, and less than
    those that a table cannot do without.
    """
    by_rank = sorted(range(len(columns)), key=lambda i: columns[i].rank)
    between = _between(width)
    core = [i for i in by_rank if columns[i].rank < CORE]
    if sum(widths[i] + between for i in core) <= width + between:
        return _first_of(by_rank, widths, width, between)
    short = [min(wide, LEAST_ADDRESS) if column.is_address else wide
             for wide, column in zip(widths, columns)]
    chosen = _first_of(core, short, width, between)
    free = width + between - sum(wide + between for wide in chosen.values())
    for i in sorted(chosen, key=lambda i: columns[i].rank):
        more = min(widths[i] - chosen[i], max(free, 0))
        chosen[i] += more
        free -= more
    return chosen


def _first_of(by_rank: Sequence[int], widths: Sequence[int], width: int,
              between: int) -> dict[int, int]:
    """As many as fit; the first one in any case."""
    chosen: dict[int, int] = {}
    free = width + between
    for i in by_rank:
        if widths[i] + between > free and chosen:
            break
        chosen[i] = min(widths[i], width)
        free -= widths[i] + between
    return {i: chosen[i] for i in sorted(chosen)}


def table(frame: Frame, choice: Choice, width: int | None = None,
          height: int | None = None) -> Table:
    """So many rows as there is room for; None is no bound."""
    columns = COLUMNS[choice.by]
    rows = choice.rows(frame)
    most = min(bound for bound in (choice.limit or len(rows), height, len(rows))
               if bound is not None)
    shown = rows[:most]
    cells = [[column.cell(row, frame) for column in columns] for row in shown]
    widths = [_width(column, [line[i] for line in cells], width)
              for i, column in enumerate(columns)]
    chosen = (dict(enumerate(widths)) if width is None
              else _fitting(widths, columns, width))
    blanks = " " * _between(width)
    heading = blanks.join(_heading(columns[i], wide) for i, wide in chosen.items())
    return Table(
        heading.rstrip(),
        [blanks.join(_cell(columns[i], line[i], wide)
                     for i, wide in chosen.items()).rstrip() for line in cells],
        shown, len(rows) - len(shown))


def _width(column: Column[Any], cells: Sequence[str], width: int | None) -> int:
    """What a column wants; an address's heading may be cut where room is short."""
    heading = (column.heading.split()[0] if column.is_address and width is not None
               else column.heading)
    return max(map(len, (heading, *cells)))


def _heading(column: Column[Any], wide: int) -> str:
    heading = (column.heading if len(column.heading) <= wide
               else column.heading.split()[0])
    return _justified(column, heading[:wide], wide)


def _cell(column: Column[Any], cell: str, wide: int) -> str:
    return _justified(column, shortened(cell, wide) if column.is_address else cell,
                      wide)


def _justified(column: Column[Any], text: str, wide: int) -> str:
    return text.ljust(wide) if column.is_left else text.rjust(wide)


# ---- the words around it

def states_line(frame: Frame) -> str:
    """Connections by state, and listeners."""
    total = sum(frame.states.values())
    parts = [f"{count} {SS_NAMES.get(state, state)}" for state, count in
             sorted(frame.states.items(), key=lambda pair: -pair[1])]
    words = plural(total, "connection") + (": " if parts else "") + ", ".join(parts)
    return f"{words}; {plural(len(frame.listeners), 'listener')}"


def loss_line(frame: Frame) -> str:
    """What was lost; empty if nothing ever was."""
    if not frame.lost:
        return ""
    return (f"*** {plural(frame.lost_now, 'event')} LOST in this interval, "
            f"{frame.lost} in all: {LOSS} ***")


def forgotten_line(frame: Frame) -> str:
    """Connections and listeners that were too many; empty if none were."""
    parts = [plural(count, what) for count, what in (
        (frame.forgotten, "connection"), (frame.listeners_forgotten, "listener"))
        if count]
    return f"{' and '.join(parts)} left out: too many to keep" if parts else ""


def span_words(frame: Frame) -> str:
    """How long the interval was."""
    if frame.is_history:
        return f"the {frame.took_s:.1f} s before"
    return f"{frame.took_s:.3g} s" if frame.took_s < 1000 else f"{frame.took_s:.0f} s"


def clock_words(frame: Frame, wall_offset_ns: int | None) -> str:
    """When it ended, to the second, where the wall clock is known."""
    return "" if wall_offset_ns is None else clock(frame.until_ns + wall_offset_ns)


def nothing_line(frame: Frame, choice: Choice) -> str:
    """What stands instead of a table without rows."""
    if choice.by == CONNECTIONS and frame.others:
        others = ("1 other was" if frame.others == 1
                  else f"{frame.others} others were")
        return f"No such connection was heard of; {others}."
    is_open = "open " if frame.states and choice.by == CONNECTIONS else ""
    return f"No {is_open}{choice.by} was heard of."


def title_line(frame: Frame, wall_offset_ns: int | None) -> str:
    """When, how long, how much."""
    at = "" if frame.first_ns is None else (
        f"at {max(frame.until_ns - frame.first_ns, 0) / 1e9:.3f} s")
    words = [word for word in (clock_words(frame, wall_offset_ns), at) if word]
    if frame.is_history and not frame.events:
        return f"{', '.join(words) or 'now'}: nothing came before"
    return (f"{', '.join(words) or 'now'}: {plural(frame.events, 'event')} in "
            f"{span_words(frame)} ({events_rate(frame)}/s)")


def plain(frame: Frame, choice: Choice, wall_offset_ns: int | None,
          width: int | None = None, told: Iterable[str] = ()) -> list[str]:
    """A block of lines; notes that were told before are not told again."""
    shown = table(frame, choice, width)
    known = set(told)
    lines = [title_line(frame, wall_offset_ns), states_line(frame)]
    lines += [line for line in (loss_line(frame), forgotten_line(frame)) if line]
    lines += [note for note in frame.notes if note not in known]
    if not shown.rows:
        return [*lines, nothing_line(frame, choice)]
    lines += [shown.heading, *shown.lines]
    if shown.left_out:
        lines.append(f"({shown.left_out} more not shown; sorted by "
                     f"{choice.sorting.title})")
    return lines
