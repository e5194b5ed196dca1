# SPDX-License-Identifier: GPL-2.0
"""A recording as a trace that Perfetto and chrome://tracing draw.

Each network namespace is a process, each connection a thread in it: its states as
slices, what happened to it as instants; beside it a second thread with the states of
congestion avoidance (but Open), and counters of cwnd, ssthresh, srtt and packets
out.  What cannot be put on one connection, a loss of events above all, stands across
the whole trace.

Instants, counters and congestion states are written as they come; only the states
wait for the end, in states.States, as that knows when each truly began and ended.

Source: Trace Event Format (the JSON that Chrome's tracing defined).  Times are
microseconds of CLOCK_MONOTONIC with three decimals.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..ring.schema import Event, Schema
from ..tcp.ca_states import OPEN
from ..tcp.flows import is_of_recording
from ..tcp.life import Life
from ..tcp.segments import has_socket
from ..tcp.tcp_states import CLOSED, LISTEN, TIME_WAIT
from ..tcp.wanted import ChoiceSeen, Filter
from ..views.show import Clock, LineWriter
from ..views.states import States
from ..words import INFINITE_SSTHRESH, connection, plural
from .json_lines import dumps

# Connections whose counters and threads are remembered at once.
REMEMBERED = 200_000

# Namespaces that are told apart.
MOST_NAMESPACES = 4096

RECORDING = 0  # the process of what concerns no connection

INSTANTS = {
    "retransmit": "sent again", "synack_retransmit": "SYN-ACK sent again",
    "rto": "RTO", "loss_probe": "tail loss probe", "probe": "probe",
    "zero_window": "zero window", "reset_sent": "RST sent",
    "reset_received": "RST received", "refused": "refused", "error": "error",
    "bad_checksum": "wrong checksum", "request_end": "request ended",
    "reno_reduction": "reduction", "reno_undo": "undo", "reno_restart": "restart",
}

# Field, unit, and how much of the name goes to the track.
COUNTERS = (("cwnd", "segments", "cwnd"), ("ssthresh", "segments", "ssthresh"),
            ("srtt_us", "us", "srtt"), ("packets_out", "segments", "packets out"))

STATE_WITHOUT_WINDOW = (LISTEN, TIME_WAIT, CLOSED)


def _us(time_ns: int) -> str:
    """Microseconds, exactly."""
    return f"{time_ns // 1000}.{time_ns % 1000:03d}"


class PerfettoFile:
    """Feed it joined events between begin() and finish()."""

    def __init__(self, schema: Schema, wanted: Filter,
                 write: Callable[[bytes], None]) -> None:
        self._schema = schema
        self._wanted = wanted
        self._write = write
        self._lines = LineWriter(schema, Clock())
        self._states = States(schema)
        self._processes: dict[int, int] = {}
        self._threads: OrderedDict[int, int] = OrderedDict()
        self._next_thread = 1
        self._counters: OrderedDict[int, list[int | None]] = OrderedDict()
        self._ca: OrderedDict[int, tuple[Event, int]] = OrderedDict()
        self._separator = "\n"
        self.gaps = self._states.gaps
        self.chosen = ChoiceSeen(wanted, schema)
        self.connections = 0

    # ---- the file

    def begin(self, about: dict[str, Any]) -> None:
        """What stands before all; `about` is a recording's META."""
        told = {name: str(about[name]) for name in ("kernel", "machine")
                if name in about}
        self._text(f'{{"displayTimeUnit":"ns","otherData":{dumps(told)},"traceEvents":[')
        self._name("process", RECORDING, 0, "recording")

    def _text(self, text: str) -> None:
        self._write(text.encode(errors="replace"))

    def _event(self, phase: str, process: int, thread: int, name: str, time_ns: int,
               more: str = "", /, **arguments: Any) -> None:
        self._text(f'{self._separator}{{"ph":"{phase}","pid":{process},"tid":{thread},'
                   f'"name":{dumps(name)},"ts":{_us(time_ns)}{more},'
                   f'"args":{dumps(arguments)}}}')
        self._separator = ",\n"

    def _name(self, what: str, process: int, thread: int, name: str) -> None:
        self._event("M", process, thread, f"{what}_name", 0, name=name)

    def _process(self, netns: int) -> int:
        number = self._processes.get(netns)
        if number is None:
            if len(self._processes) >= MOST_NAMESPACES:
                return RECORDING
            number = self._processes[netns] = len(self._processes) + 1
            self._name("process", number, 0, f"netns {netns}")
        return number

    def _thread(self, key: int) -> int:
        """The connection's; the next number is its congestion state's."""
        number = self._threads.get(key)
        if number is None:
            number = self._threads[key] = self._next_thread
            self._next_thread += 2
            if len(self._threads) > REMEMBERED:
                self._threads.popitem(last=False)
        return number

    # ---- events in

    def feed(self, event: Event) -> None:
        """The next event."""
        self._states.feed(event)
        self.chosen.see(event)
        if is_of_recording(event):
            self._event("i", RECORDING, 0, self._lines.line(event).strip(" -"),
                        event["time_ns"], ',"s":"g"')
        elif event.kind in INSTANTS and self._wanted.chooses(event):
            self._event("i", self._process(event["netns"]),
                        self._thread(event.key) if event["cookie"] else 0,
                        INSTANTS[event.kind], event["time_ns"], ',"s":"t"',
                        what=self._lines.what(event))
        else:
            self._lines.note(event)
        if event["cookie"] and self._wanted.chooses(event):
            self._see_congestion(event)

    def _see_congestion(self, event: Event) -> None:
        key = event.key
        if event.kind == "destroy":
            self._end_ca(key, event["time_ns"])
            self._counters.pop(key, None)
            return
        if event.kind == "ca_state":
            self._end_ca(key, event["time_ns"])
            if self._schema.name_of("ca_state", event["ca_state"]) != OPEN:
                self._ca[key] = event, self._thread(key)
                if len(self._ca) > REMEMBERED:
                    self._end_ca(next(iter(self._ca)), event["time_ns"])
        state = self._schema.name_of("state", event["state"])
        if event["cwnd"] and has_socket(event) and state not in STATE_WITHOUT_WINDOW:
            self._count(event)

    def _count(self, event: Event) -> None:
        """Those counters that changed."""
        before = self._counters.setdefault(event.key, [None] * len(COUNTERS))
        if len(self._counters) > REMEMBERED:
            self._counters.popitem(last=False)
        for place, (field, unit, name) in enumerate(COUNTERS):
            value = event[field]
            if value == before[place] or not value and before[place] is None:
                continue
            if (field == "ssthresh" and value >= INFINITE_SSTHRESH
                    and before[place] is None):
                continue  # none yet; a counter that once stands must say so itself
            before[place] = value
            self._event("C", self._process(event["netns"]), 0,
                        f"{connection(event['cookie'])} {name} ({unit})", event["time_ns"],
                        **{name: value})

    def _end_ca(self, key: int, time_ns: int) -> None:
        began, thread = self._ca.pop(key, (None, 0))
        if began is None:
            return
        process = self._process(began["netns"])
        self._slice(process, thread + 1,
                    self._schema.name_of("ca_state", began["ca_state"]),
                    began["time_ns"], time_ns, cwnd=began["cwnd"],
                    ssthresh=began["ssthresh"])
        self._name("thread", process, thread + 1,
                   f"{connection(began['cookie'])} congestion state")

    def _slice(self, process: int, thread: int, name: str, began_ns: int,
               ended_ns: int, /, **arguments: Any) -> None:
        self._event("X", process, thread, name, began_ns,
                    f',"dur":{_us(max(ended_ns - began_ns, 0))}', **arguments)

    # ---- the end

    def finish(self, end_ns: int | None) -> None:
        """The states, and what still lasts."""
        until_ns = self.gaps.known_until_ns(end_ns)
        for key in list(self._ca):
            self._end_ca(key, until_ns)
        for life in self._states.kept:
            if self._wanted.includes(life):
                self._life(life, until_ns)
        self._text("\n]}\n")

    def _life(self, life: Life, until_ns: int) -> None:
        self.connections += 1
        process, thread = self._process(life.netns), self._thread(life.key)
        self._name("thread", process, thread,
                   f"{connection(life.cookie)} {life.local} - {life.remote}")
        for stay in life.stays:
            if stay.state == CLOSED:
                continue
            began_ns = stay.began_ns
            unseen = {} if began_ns is not None else {"beginning": "not seen"}
            if stay.ended_ns is None:
                unseen["end"] = "not seen"
            if began_ns is None:
                began_ns = self.gaps.first_ns or 0
            ended_ns = until_ns if stay.ended_ns is None else stay.ended_ns
            self._slice(process, thread, stay.state, began_ns, ended_ns,
                        **{name: told for name, told in (
                            ("left_by", stay.left_by), ("process", stay.process)) if told},
                        **unseen)

    def summary(self) -> str:
        """What came of it, in one line."""
        return (f"{plural(self.connections, 'connection')} in "
                f"{plural(len(self._processes), 'network namespace')}; open it at "
                "ui.perfetto.dev")
