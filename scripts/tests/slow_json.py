# SPDX-License-Identifier: GPL-2.0
"""JSON lines the straightforward way: what json_lines.py must give, but fast."""

from __future__ import annotations

import errno
import json
from typing import Any

from renoscope_lib.ring.schema import Event, Schema
from renoscope_lib.tcp.flows import is_lost
from renoscope_lib.tcp.segments import (has_segment, has_socket, known_isn, sack_blocks,
                                        segment_isns, segment_window)
from renoscope_lib.tcp.sequence import relative
from renoscope_lib.tcp.synack_waits import SynackWaits, Wait
from renoscope_lib.words import address, connection, task_name, wall_clock


class SlowJson:
    """Events to objects, field by field, by the rules that the views use."""

    def __init__(self, schema: Schema, wall_offset_ns: int | None = None) -> None:
        self._schema = schema
        self._offset_ns = wall_offset_ns
        self._waits = SynackWaits()

    def line(self, event: Event) -> str:
        """The event's object."""
        return json.dumps(self.object(event), separators=(",", ":"))

    def object(self, event: Event) -> dict[str, Any]:
        """The event as plain data."""
        if is_lost(event):
            return {name: event[name] for name in
                    ("serial", "time_ns", "cpu", "lost_events")} | {
                        "kind": "lost"} | (
                            self._utc(event) if event["time_ns"] else {})
        if event.kind == "mark":
            return {name: event[name] for name in
                    ("serial", "time_ns", "cpu")} | {
                        "kind": "mark",
                        "mark_cause": self._value(event, "mark_cause",
                                                  "mark_cause"),
                        "kinds_on": self._schema.kinds_on(event)
                    } | self._utc(event)
        plain = {field.name: self._value(event, field.name, field.unit)
                 for field in self._schema.fields_of(event.kind)}
        plain |= self._utc(event)
        plain["connection"] = connection(event["cookie"])
        plain["relative"] = self._relative(event)
        if has_segment(event):
            plain["window"] = segment_window(event)
        if event.filled:
            plain["filled"] = sorted(event.filled)
        if event.kind == "error":
            plain["error"] = errno.errorcode.get(event["sk_error"], "unknown")
        if "listener" in plain:
            plain["listener"] = connection(event["listener"])
        if event.listener is not None:
            plain["listener"] = connection(event.listener)
        if event.kind == "synack_retransmit":
            plain["wait"] = self._wait(self._waits.see(event))
        return plain

    def _utc(self, event: Event) -> dict[str, str]:
        if self._offset_ns is None:
            return {}
        try:
            return {"time_utc": wall_clock(event["time_ns"] + self._offset_ns)}
        except OverflowError:
            return {}

    def _value(self, event: Event, name: str, unit: str) -> Any:
        value = event[name]
        if name == "kind":
            return event.kind
        if unit == "address":
            return address(value)
        if name == "comm":
            return task_name(value)
        if unit in ("tcp_flags", "sock_flags", "segment_flags"):
            return self._schema.bit_names(unit, value)
        if unit in self._schema.values:
            return self._schema.name_of(unit, value)
        return value

    @staticmethod
    def _relative(event: Event) -> dict[str, Any]:
        """Sequence numbers from their ISNs; those that are not known left out."""
        sent, received = (known_isn(event, name)
                          for name in ("snd_isn", "rcv_isn"))
        numbers = {}
        if has_socket(event):
            numbers = {"snd_una": sent, "snd_nxt": sent, "rcv_nxt": received}
        if has_segment(event):
            numbers["seg_seq"], numbers["seg_ack"] = segment_isns(event)
        shown: dict[str, Any] = {name: relative(event[name], isn)
                                 for name, isn in numbers.items() if isn}
        if event.kind == "segment" and numbers["seg_ack"]:
            shown["sack"] = [[relative(edge, numbers["seg_ack"])
                              for edge in block]
                             for block in sack_blocks(event)]
        return shown

    @staticmethod
    def _wait(wait: Wait) -> dict[str, Any]:
        return {"attempt": wait.attempt, "by": wait.by,
                "waited_us": wait.waited_us,
                "predicted_us": wait.predicted_us,
                "next_us": wait.next_us, "is_last": wait.is_last,
                "is_last_if_crowded": wait.is_last_if_crowded}
