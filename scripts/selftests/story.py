# SPDX-License-Identifier: GPL-2.0
"""What the records tell, as it grows: looked up in words, waited for, joined."""

from __future__ import annotations

from typing import Any

from raw_tcp import packed
from recorder import Recorder, wait_until
from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp.flows import Joiner

# Units whose values are sets of bits, not words.
BIT_UNITS = ("tcp_flags", "sock_flags", "segment_flags", "kinds")


class Story:
    """All events since the module was loaded, in order of time."""

    def __init__(self, it: Recorder) -> None:
        self.schema = it.schema
        self._units = {field.name: field.unit for field in self.schema.fields}
        self._reader = it.reader()
        self._events: list[Event] = []
        self._joined: list[Event] = []
        self._joined_of = 0

    def close(self) -> None:
        """Stop listening."""
        self._reader.close()

    def all(self) -> list[Event]:
        """Every event so far; none may have been overwritten unread."""
        new = self._reader.read()
        lost = [e for e in new if e.kind == "lost"]
        assert not lost, f"the ring is too small for this test: {lost}"
        self._events += new
        return self._events

    def word(self, event: Event, name: str) -> Any:
        """A field's value, as the word it stands for if it stands for one."""
        unit = self._units[name]
        if unit in BIT_UNITS:
            return event[name]
        return self.schema.values.get(unit, {}).get(event[name], event[name])

    def _fits(self, event: Event, wanted: dict[str, Any]) -> bool:
        for name, value in wanted.items():
            if isinstance(value, str) and name in ("local_addr", "remote_addr"):
                value = packed(value)
            if self.word(event, name) != value:
                return False
        return True

    def of(self, kind: str, **wanted: Any) -> list[Event]:
        """The events of a kind whose fields have these values, or words."""
        return [e for e in self.all() if e.kind == kind and self._fits(e, wanted)]

    def wait(self, kind: str, count: int = 1, **wanted: Any) -> list[Event]:
        """Those events, as soon as there are so many."""
        wait_until(f"{count} events {kind} with {wanted}",
                   lambda: len(self.of(kind, **wanted)) >= count)
        return self.of(kind, **wanted)

    def one(self, kind: str, **wanted: Any) -> Event:
        """The one such event, waited for; there must not be a second."""
        found = self.wait(kind, **wanted)
        assert len(found) == 1, (kind, wanted, [e.values for e in found])
        return found[0]

    def joined(self) -> list[Event]:
        """All events, each under the connection it belongs to."""
        events = self.all()
        if len(events) != self._joined_of:
            joiner = Joiner(self.schema)
            self._joined = [e for event in events for e in joiner.feed(event)]
            self._joined += joiner.flush()
            self._joined_of = len(events)
        return self._joined

    def of_connection(self, cookie: int) -> list[Event]:
        """Everything under one connection id."""
        return [e for e in self.joined() if e["cookie"] == cookie]

    def steps(self, cookie: int) -> list[tuple[str, int]]:
        """The states one connection went through and when it entered each.

        A request is SYN-RECEIVED before there is a socket to say so; and what
        closes as TIME-WAIT, or FIN-WAIT-2 with no process left, begins is only
        the full socket.
        """
        steps: list[tuple[str, int]] = []
        small = False
        for event in self.of_connection(cookie):
            state = self._state_after(event, small)
            small |= event.kind == "time_wait" and bool(state)
            if state and (not steps or steps[-1][0] != state):
                steps.append((state, event["time_ns"]))
        return steps

    def _state_after(self, event: Event, small: bool) -> str:
        """The state that an event tells of, empty if it tells of none."""
        if event.kind in ("time_wait_end", "request_end"):
            return "CLOSED"
        if event.kind == "time_wait":
            says = self.word(event, "time_wait_step") in ("started", "timer_set")
        else:
            says = event.kind == "request" or (
                event.kind == "state"
                and not (small and self.word(event, "state") == "CLOSED"))
        return str(self.word(event, "state")) if says else ""

    def life(self, cookie: int) -> list[str]:
        """The states alone."""
        return [state for state, _time in self.steps(cookie)]
