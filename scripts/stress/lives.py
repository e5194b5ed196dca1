# SPDX-License-Identifier: GPL-2.0
"""Whatever begins in the records must end there, and end only if it had begun.

Three things live under one cookie, one after the other or for a moment together:

    request    from `request` to `completed` or `request_end`
    socket     from its first state, or `completed`, to CLOSED
    small sock from `time_wait` (started) to `time_wait_end`

Recorded must be all that was: from the load of the module on, and nothing lost.
"""

from __future__ import annotations

from collections import Counter

from renoscope_lib.ring.schema import Event, Schema

KINDS = ("request", "completed", "request_end", "state", "time_wait", "time_wait_end")

Life = tuple[str, int]                  # what, and its cookie


class Lives:
    """Feed it every event of KINDS."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._alive: set[Life] = set()
        self.begun: Counter[str] = Counter()
        self.unbegun: list[Life] = []   # what ended and had not begun

    def add(self, event: Event) -> None:
        """One event."""
        cookie = event["cookie"]
        if event.kind == "request":
            self._begin(("request", cookie))
        elif event.kind == "completed":
            self._alive.discard(("request", cookie))    # a SYN cookie has none
            self._begin(("socket", cookie))
        elif event.kind == "request_end":
            self._end(("request", cookie))
        elif event.kind == "time_wait_end":
            self._end(("time_wait", cookie))
        elif event.kind == "time_wait":
            if self._word(event, "time_wait_step") == "started":
                self._begin(("time_wait", cookie))
        else:
            self._enter(cookie, self._word(event, "old_state"), self._word(event, "state"))

    def _enter(self, cookie: int, old_state: str, state: str) -> None:
        if state == "CLOSED":
            self._end(("socket", cookie))
        elif old_state == "CLOSED":
            self._begin(("socket", cookie))

    def _word(self, event: Event, name: str) -> str:
        return self._schema.name_of(self._schema.field_named(name).unit, event[name])

    def _begin(self, life: Life) -> None:
        self._alive.add(life)
        self.begun[life[0]] += 1

    def _end(self, life: Life) -> None:
        if life in self._alive:
            self._alive.remove(life)
        else:
            self.unbegun.append(life)

    def check(self, missed: int = 0) -> str:
        """Nothing may be alive still, or have ended twice; what lived, in words.

        So many events may lack as the kernel skipped calls of probes, which `missed` tells;
        of one `completed` that lacks, the request has no end and the socket no beginning.
        """
        assert self.begun, "nothing began"
        wrong = len(self._alive) + len(self.unbegun)
        assert wrong <= 2 * missed, (
            f"{len(self._alive)} without an end: {self._some()}; {len(self.unbegun)} ended "
            f"without having begun: {self.unbegun[:5]}; {missed} calls of probes missed")
        return ", ".join(f"{number} {what}" for what, number in sorted(self.begun.items()))

    def _some(self) -> list[Life]:
        return sorted(self._alive)[:5]
