# SPDX-License-Identifier: GPL-2.0
"""The schema text, its faults, and records decoded by it."""

import struct
import sys
import unittest
from typing import Any

from renoscope_lib.errors import BAD_INPUT, Problem
from renoscope_lib.ring.schema import SCOPE_ALL, SchemaError
from renoscope_lib.ring.schema_parser import NEEDED_DETAILS, parse_schema
from renoscope_lib.views.show import Clock, LineWriter

from . import support
from .support import Scene


class Parsing(unittest.TestCase):
    def refused(self, text: str, *words: str) -> None:
        """It is refused in one line that has these words."""
        with self.assertRaises(SchemaError) as caught:
            parse_schema(text)
        self.assertEqual(caught.exception.exit_code, BAD_INPUT)
        self.assertNotIn("\n", str(caught.exception))
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_control_characters_do_not_reach_a_terminal(self) -> None:
        self.refused(support.schema_text() + "value state 1 \033[2J\n",
                     "control characters")

    def changed(self, old: str, new: str) -> str:
        self.assertEqual(support.schema_text().count(old), 1, old)
        return support.schema_text().replace(old, new)

    def test_record_is_192_bytes_without_gaps(self) -> None:
        schema = support.schema()
        self.assertEqual(schema.record_bytes, 192)
        common = [f for f in schema.fields if f.scope == "all"]
        position = 0
        for field in common:
            self.assertEqual(field.offset, position, field.name)
            position = field.end
        self.assertEqual(position, 152)

    def test_details_share_the_place_behind_the_common_fields(self) -> None:
        schema = support.schema()
        self.assertEqual(schema.field_named("comm").offset, 152)
        self.assertEqual(schema.field_named("lost_events").offset, 152)

    def test_offsets_are_those_counted_by_hand(self) -> None:
        """Counted by hand from event_fields.h."""
        offsets = {f.name: f.offset for f in support.schema().fields}
        self.assertEqual(
            [offsets[name] for name in ("cookie", "kind", "local_addr",
                                        "local_port", "cpu", "snd_isn",
                                        "seg_seq", "cwnd", "srtt_us")],
            [16, 28, 32, 64, 68, 72, 92, 112, 128])

    def test_a_field_that_a_kind_lacks_is_a_fault_of_the_input(self) -> None:
        """A flipped bit makes it another one, which only who asks for it can know."""
        schema = parse_schema(self.changed(
            "field synack_timeout_us u32 164 4 us completed",
            "field syoack_timeout_us u32 164 4 us completed"))
        event = schema.decode(Scene().pack("completed"))
        with self.assertRaises(SchemaError) as caught:
            event["synack_timeout_us"]  # pylint: disable=pointless-statement
        self.assertEqual(caught.exception.exit_code, BAD_INPUT)
        self.assertIn("kind completed has no field synack_timeout_us",
                      str(caught.exception))

    def test_another_version_is_refused(self) -> None:
        self.refused(self.changed("version 1\n", "version 2\n"),
                     "version 2", "not supported")

    def test_each_head_line_must_be_there(self) -> None:
        for line in ("version 1\n", "record_bytes 192\n",
                     f"byte_order {sys.byteorder}\n"):
            with self.subTest(line):
                self.refused(self.changed(line, ""), "broken",
                             line.split()[0])

    def test_an_empty_text_is_refused(self) -> None:
        self.refused("", "broken", "version")

    def test_garbage_line_is_named(self) -> None:
        self.refused(self.changed("kind 2 state", "kin 2 state"),
                     "line", "kin 2 state")

    def test_a_cut_line_is_refused(self) -> None:
        self.refused(support.schema_text() + "field x u8 3", "broken", "line")

    def test_a_kind_given_twice_is_refused(self) -> None:
        self.refused(self.changed("kind 3 ack", "kind 2 ack"), "second kind")

    def test_a_field_outside_the_record_is_refused(self) -> None:
        self.refused(self.changed("retrans_segs u32 176", "retrans_segs u32 190"),
                     "retrans_segs", "does not lie")

    def test_overlapping_fields_are_refused(self) -> None:
        self.refused(self.changed("field cwnd u32 112", "field cwnd u32 111"),
                     "cwnd", "overlaps")

    def test_a_size_that_is_not_its_types_is_refused(self) -> None:
        self.refused(self.changed("field cwnd u32 112 4", "field cwnd u32 112 8"),
                     "cwnd", "u32 of 8 bytes")

    def test_a_field_of_no_kind_is_refused(self) -> None:
        self.refused(self.changed("state state the state being left",
                                  "state stat the state being left"),
                     "old_state", "no kind")

    def test_types_that_cannot_be_reckoned_with_are_refused(self) -> None:
        wider = self.changed("record_bytes 192", "record_bytes 1024")
        for name, old, new in (("seg_len", "u32 100 4", "addr 512 16"),
                               ("remote_addr", "addr 48 16", "u64 512 8"),
                               ("backoff", "u8 110 1", "u64 512 8")):
            self.assertIn(f"field {name} {old} ", wider)
            self.refused(wider.replace(f"field {name} {old} ", f"field {name} {new} "),
                         f"broken: field {name} is a {new.split()[0]}")

    def test_a_missing_field_that_is_needed_is_named(self) -> None:
        text = "".join(line for line in
                       support.schema_text().splitlines(keepends=True)
                       if not line.startswith("field snd_una "))
        self.refused(text, "no field snd_una")

    def test_a_missing_detail_that_is_needed_is_named(self) -> None:
        for kind, name in (("synack_retransmit", "by_timer"),
                           ("refused", "refusal"), ("mark", "kinds_on"),
                           ("retransmit", "retransmit_cause"),
                           ("segment", "sack3_right")):
            with self.subTest(kind):
                text = "".join(
                    line for line in
                    support.schema_text().splitlines(keepends=True)
                    if not (line.startswith(f"field {name} ")
                            and f" {kind} " in line))
                self.refused(text, kind, name)

    def test_kinds_share_a_layout(self) -> None:
        """A field of several kinds has a line for each, at the same place."""
        places = [f for f in support.schema().fields if f.name == "half_open"]
        self.assertEqual(len(places), 8)
        self.assertEqual(len({f.scope for f in places}), 8)
        self.assertEqual({(f.offset, f.size) for f in places}, {(168, 4)})

    def test_a_recording_from_before_the_new_kinds_is_read(self) -> None:
        """Version 1 began with nine kinds."""
        new = {name for name, _ in support.source().kinds[9:]}
        place_of_kind = {"kind": 2, "field": 6}
        lines = []
        for line in support.schema_text().splitlines(keepends=True):
            words = line.split()
            place = place_of_kind.get(words[0])
            if place and words[place] in new:
                continue
            if not line.startswith("field listener "):
                lines.append(line)
        schema = parse_schema("".join(lines))
        self.assertEqual(len(schema.kinds), 9)
        event = schema.decode(Scene().pack("retransmit", seg_flags=0x10, retransmit_cause=1))
        line = LineWriter(schema, Clock()).line(event)
        self.assertIn("sent again [ACK]", line)

    def test_what_is_needed_is_all_that_is_asked_for(self) -> None:
        """A sentence reads other fields with values.get(): an older schema may lack them."""
        schema = parse_schema("".join(
            line for line in support.schema_text().splitlines(keepends=True)
            if not line.startswith("field ") or (words := line.split())[6] == SCOPE_ALL
            or words[1] in NEEDED_DETAILS.get(words[6], ())))
        for kind in schema.kind_meanings:
            ones: dict[str, Any] = {
                field.name: 1 for field in schema.fields_of(kind)
                if field.type not in ("addr", "text")
                and field.name not in ("kind", "family")}
            with self.subTest(kind):
                LineWriter(schema, Clock()).line(schema.decode(Scene().pack(kind, **ones)))

    def test_record_bytes_must_be_a_number(self) -> None:
        self.refused(self.changed("record_bytes 192", "record_bytes x"),
                     "record_bytes")


class Decoding(unittest.TestCase):
    def test_every_field_of_every_kind_comes_back(self) -> None:
        """Each field gets a value of its own, as large as it can hold."""
        schema = support.schema()
        for kind in schema.kind_meanings:
            values: dict[str, Any] = {}
            for number, field in enumerate(schema.fields_of(kind), 1):
                if field.type == "addr":
                    values[field.name] = f"2001:db8::{number:x}"
                elif field.type == "text":
                    values[field.name] = bytes([number]) * field.size
                elif field.name != "kind":
                    values[field.name] = (1 << 8 * field.size) - number
            event = schema.decode(support.pack(kind, **values))
            self.assertEqual(event.kind, kind)
            for name, value in values.items():
                if isinstance(value, str):
                    value = support.ip(value)
                self.assertEqual(event[name], value, (kind, name))

    def test_the_other_byte_order_is_decoded(self) -> None:
        text = support.schema_text().replace(
            f"byte_order {sys.byteorder}", "byte_order big")
        schema = parse_schema(text)
        record = bytearray(192)
        record[28] = 3
        struct.pack_into(">I", record, 112, 24)
        self.assertEqual(schema.decode(bytes(record))["cwnd"], 24)

    def test_an_unknown_kind_is_damage(self) -> None:
        record = bytearray(192)
        record[28] = 200
        with self.assertRaisesRegex(Problem, "kind 200"):
            support.schema().decode(bytes(record))

    def test_numbers_and_bits_have_names(self) -> None:
        schema = support.schema()
        self.assertEqual(schema.name_of("state", 3), "SYN-RECEIVED")
        self.assertEqual(schema.name_of("ca_state", 4), "Loss")
        self.assertEqual(schema.name_of("state", 99), "unknown(99)")
        self.assertEqual(schema.bit_names("tcp_flags", 0x12), ["SYN", "ACK"])
        self.assertEqual(schema.bit_names("sock_flags", 0x101),
                         ["passive", "bit8"])
        self.assertEqual(schema.name_of("refusal", 1), "accept_queue_full")
        self.assertEqual(schema.bit_names("segment_flags", 0x11),
                         ["outgoing", "timestamps"])


if __name__ == "__main__":
    unittest.main()
