# SPDX-License-Identifier: GPL-2.0
"""From the module's `schema` text to a Schema, or to what is wrong with it.

The text may come from a recording, and so from anywhere: whatever it says, a schema
that passes here can be decoded by, and has what the scripts look at.
"""

from __future__ import annotations

import struct

from .schema import (BYTE_ORDERS, LOST, SCOPE_ALL, TYPE_FORMATS, Field, Schema, SchemaError,
                     fields_of)

SUPPORTED_VERSION = 1

# What stands there once.
SETTINGS = ("version", "record_bytes", "byte_order")

# What the scripts themselves look at in every record.
NEEDED_FIELDS = (
    "serial", "time_ns", "cookie", "netns", "kind", "family", "state",
    "ca_state", "local_addr", "remote_addr", "local_port", "remote_port",
    "cpu", "snd_isn", "rcv_isn", "snd_una", "snd_nxt", "rcv_nxt", "seg_seq",
    "seg_ack", "seg_len", "seg_window", "seg_flags", "sock_flags",
    "snd_wscale", "rcv_wscale", "backoff", "cwnd", "ssthresh", "srtt_us",
    "rto_us",
)

# Of these the scripts shift by as many bits: a byte's worth, or memory is gone.  And a
# kind is looked up by its byte.
BYTES = ("snd_wscale", "rcv_wscale", "backoff", "kind")

# Far above what a module has (256 kinds there can be): a schema from elsewhere may say
# anything, and what it says takes memory and time.
MAX_RECORD_BYTES = 1 << 12
MAX_FIELDS = 1 << 10

HANDSHAKE_DETAILS = (
    "listener", "since_synack_us", "half_open", "accept_queue",
    "accept_limit", "syn_backlog", "num_timeout",
)

# And what they look at in the records of one kind, where there is that kind.
# Schemas of version 1 began without most kinds: recordings made then stay good.
NEEDED_DETAILS = {
    "lost": ("lost_events",),
    "state": ("old_state",),
    "synack_retransmit": (
        "since_synack_us", "synack_timeout_us", "half_open", "accept_queue",
        "accept_limit", "num_retrans", "num_timeout", "by_timer",
        "max_retries",
    ),
    "ca_state": ("old_ca_state",),
    "retransmit": ("retransmit_cause", "retransmit_segs"),
    "reset_sent": ("reset_reason",),
    "destroy": (
        "bytes_acked", "bytes_received", "segs_out", "segs_in",
        "retrans_segs",
    ),
    "syn": HANDSHAKE_DETAILS,
    "request": HANDSHAKE_DETAILS,
    "synack": (*HANDSHAKE_DETAILS, "synack_type"),
    "refused": (*HANDSHAKE_DETAILS, "refusal"),
    "completed": HANDSHAKE_DETAILS,
    "request_end": (*HANDSHAKE_DETAILS, "request_ending"),
    "cookie_checked": (*HANDSHAKE_DETAILS, "cookie_verdict"),
    "time_wait": ("time_wait_us", "time_wait_step"),
    "time_wait_end": ("time_wait_ending",),
    "loss_probe": ("probe_retransmits",),
    "probe": ("probe_cause", "probes_out", "probe_carries_data"),
    "zero_window": ("window_side", "window_change"),
    "error": ("sk_error",),
    "segment": (
        "tsval", "tsecr", "sack1_left", "sack1_right", "sack2_left",
        "sack2_right", "sack3_left", "sack3_right", "urgent_pointer",
        "option_mss", "option_wscale", "header_words", "sack_blocks",
        "segment_flags",
    ),
    "mark": ("kinds_on", "mark_cause"),
    "reno_phase": ("old_phase", "phase", "reno_cause"),
    "reno_round": ("old_cwnd", "round_acked", "round_rtt_us"),
    "reno_reduction": ("new_ssthresh", "reno_cause"),
    "reno_undo": ("new_cwnd",),
}


class _Parser:
    """Collects the lines of one schema text; finish() checks the whole."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}
        self.kinds: dict[int, str] = {}
        self.kind_meanings: dict[str, str] = {}
        self.fields: list[Field] = []
        self.values: dict[str, dict[int, str]] = {}

    def line(self, line: str) -> None:
        """Take one line; ValueError if it is malformed."""
        word, _, rest = line.partition(" ")
        if word in SETTINGS:
            self._setting(word, rest)
        elif word == "kind":
            self._kind(*rest.split(" ", 2))
        elif word == "field":
            self._field(*rest.split(" ", 6))
        elif word == "value":
            unit, number, name = rest.split(" ", 2)
            self.values.setdefault(unit, {})[int(number)] = name
        else:
            raise ValueError("not a line of a schema")

    def _setting(self, word: str, text: str) -> None:
        if word in self.settings:
            raise ValueError(f"a second {word}")
        self.settings[word] = text
        if word == "version" and text != str(SUPPORTED_VERSION):
            raise SchemaError(f"version {text} is not supported, only version "
                              f"{SUPPORTED_VERSION}: use the scripts that came with that "
                              "module")

    def _kind(self, *words: str) -> None:
        number, name, meaning = words
        if not 0 <= int(number) < 256:
            raise ValueError("a kind is a byte")
        if int(number) in self.kinds or name in self.kind_meanings:
            raise ValueError(f"a second kind {number} or {name}")
        self.kinds[int(number)] = name
        self.kind_meanings[name] = meaning

    def _field(self, *words: str) -> None:
        if len(self.fields) == MAX_FIELDS:
            raise ValueError("too many fields")
        name, type_, offset, size, unit, scope, meaning = words
        self.fields.append(Field(name, type_, int(offset), int(size), unit, scope, meaning))

    def finish(self) -> Schema:
        """The schema, if its lines fit together."""
        for word in SETTINGS:
            if word not in self.settings:
                raise SchemaError(f"broken: it has no {word} line")
        order = next((known for known in BYTE_ORDERS
                      if known == self.settings["byte_order"]), None)
        if order is None:
            raise SchemaError(f"broken: byte_order is {self.settings['byte_order']!r}")
        record_bytes = self._record_bytes()
        self._check_fields(record_bytes)
        self._check_needed()
        return Schema(SUPPORTED_VERSION, record_bytes, order, self.kinds,
                      self.kind_meanings, self.fields, self.values)

    def _record_bytes(self) -> int:
        try:
            count = int(self.settings["record_bytes"])
        except ValueError:
            raise SchemaError("broken: record_bytes is no number") from None
        if not 0 < count <= MAX_RECORD_BYTES:
            raise SchemaError(f"broken: records of {count} bytes")
        return count

    def _check_fields(self, record_bytes: int) -> None:
        for place in self.fields:
            code = TYPE_FORMATS.get(place.type)
            if code is None or struct.calcsize(code) != place.size:
                raise SchemaError(f"broken: field {place.name} is a "
                                  f"{place.type} of {place.size} bytes")
            if place.offset < 0 or place.end > record_bytes:
                raise SchemaError(f"broken: field {place.name} does not lie "
                                  "in the record")
            if place.scope not in (SCOPE_ALL, *self.kind_meanings):
                raise SchemaError(f"broken: field {place.name} belongs to "
                                  f"{place.scope!r}, which is no kind")
        for kind in self.kind_meanings:
            self._check_overlap(kind)

    def _check_overlap(self, kind: str) -> None:
        names: set[str] = set()
        position = 0
        for place in fields_of(self.fields, kind):
            if place.offset < position or place.name in names:
                raise SchemaError(f"broken: field {place.name} overlaps "
                                  f"another one of kind {kind}")
            names.add(place.name)
            position = place.end

    def _check_needed(self) -> None:
        if LOST not in self.kind_meanings:
            raise SchemaError(f"broken: it has no kind {LOST}")
        common = {f.name for f in self.fields if f.scope == SCOPE_ALL}
        for name in NEEDED_FIELDS:
            if name not in common:
                raise SchemaError(f"broken: it has no field {name}")
        self._check_types({*NEEDED_FIELDS, *sum(NEEDED_DETAILS.values(), ())})
        for kind, names in NEEDED_DETAILS.items():
            have = {f.name for f in self.fields if f.scope == kind}
            for name in names:
                if kind in self.kind_meanings and name not in have:
                    raise SchemaError(f"broken: kind {kind} has no field "
                                      f"{name}")

    def _check_types(self, needed: set[str]) -> None:
        """Numbers are to be reckoned with, addresses and texts are not."""
        for place in self.fields:
            is_wrong = (place.type == "addr") != place.name.endswith("_addr") or (
                place.type == "text")
            if place.name in BYTES:
                is_wrong = place.type != "u8"
            if is_wrong and place.name in needed:
                raise SchemaError(f"broken: field {place.name} is a {place.type}")


def parse_schema(text: str) -> Schema:
    """Read what the debugfs file `schema` says."""
    parser = _Parser()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.isprintable():  # what it says ends up on terminals
            raise SchemaError(f"broken at line {number}: control characters")
        if not line or line.startswith("#"):
            continue
        try:
            parser.line(line)
        except ValueError as error:
            raise SchemaError(
                f"broken at line {number}: {line[:60]!r}: {error}") from None
    return parser.finish()
