# SPDX-License-Identifier: GPL-2.0
"""A recording as a capture: headers as recorded, comments where they belong.

tshark is the judge of what a reader makes of it; without it those tests are skipped.
"""

import random
import re
import shutil
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any, NamedTuple

from renoscope_lib.export import pcapng
from renoscope_lib.export.capture_file import HELD_EVENTS, MOST_COMMENTS, CaptureFile
from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp import packets
from renoscope_lib.tcp.wanted import Filter

from . import support
from .support import (ACK, CLIENT, ESTABLISHED, FIN, ISN_A, ISN_B, MS, PSH, SECOND,
                      SERVER, SYN, SYN_SENT, Scene, number_of)
from .test_export import anything

RENOSCOPE = support.SCRIPTS / "renoscope"
OFFSET_NS = 700_000_000 * SECOND
OUT, MSS, WSCALE, SACK_PERMITTED, TIMESTAMPS, FASTOPEN, OTHER = (
    1, 2, 4, 8, 16, 32, 64)
CLIENTS, SERVERS = 4026532001, 4026532002


class Block(NamedTuple):
    """A packet as the file has it."""

    interface: int
    time_ns: int
    data: bytes
    original: int
    comments: list[str]
    flags: int


def options_of(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(data):
        code, length = struct.unpack_from("<HH", data, at)
        if code == 0:
            assert (length, at + 4) == (0, len(data))
            break
        found.append((code, data[at + 4:at + 4 + length]))
        at += 4 + length + -length % 4
    return found


def blocks_of(data: bytes) -> tuple[list[str], list[Block]]:
    """Interfaces' names and packets, read by hand."""
    interfaces, blocks, at, first = [], [], 0, True
    while at < len(data):
        type_, length = struct.unpack_from("<II", data, at)
        assert length % 4 == 0 and struct.unpack_from("<I", data, at + length - 4)[0] == length
        assert first == (type_ == 0x0A0D0D0A)
        first = False
        body = data[at + 8:at + length - 4]
        if type_ == 1:
            told = dict(options_of(body[8:]))
            assert struct.unpack_from("<H", body)[0] == 101 and told[9] == b"\x09"
            interfaces.append(told[2].decode())
        elif type_ == 6:
            place, high, low, captured, original = struct.unpack_from("<IIIII", body)
            options = options_of(body[20 + captured + -captured % 4:])
            blocks.append(Block(
                place, high << 32 | low, body[20:20 + captured], original,
                [value.decode() for code, value in options if code == 1],
                struct.unpack("<I", dict(options)[2])[0]))
        at += length
    return interfaces, blocks


class Scenes(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()
        self.at = 0

    def event(self, kind: str, **values: Any) -> Event:
        self.at += MS
        return self.scene.event(kind, self.at, **{
            "netns": CLIENTS, "state": ESTABLISHED, "snd_isn": ISN_A, "rcv_isn": ISN_B,
            "snd_una": ISN_A + 1, "snd_nxt": ISN_A + 1, "rcv_nxt": ISN_B + 1,
            "cwnd": 10, "ssthresh": 12, "srtt_us": 36020, "rto_us": 236000} | values)

    def segment(self, outgoing: bool = True, **values: Any) -> Event:
        first, second = (ISN_A, ISN_B) if outgoing else (ISN_B, ISN_A)
        flags = values.pop("segment_flags", 0) | (OUT if outgoing else 0)
        return self.event("segment", **{
            "seg_seq": first + 1, "seg_ack": second + 1, "seg_flags": ACK,
            "header_words": 5, "segment_flags": flags, "seg_window": 501} | values)

    def capture(self, *events: Event, wanted: Filter = Filter(),
                netns: int | None = None) -> tuple[list[str], list[Block]]:
        written = bytearray()
        self.file = CaptureFile(support.schema(), OFFSET_NS, wanted, netns,
                                written.extend)
        self.file.begin(support.META)
        for event in events:
            self.file.feed(event)
        self.file.finish()
        return blocks_of(bytes(written))

    def comments(self, *events: Event, **more: Any) -> list[list[str]]:
        """Of each packet, but where its connection stood."""
        _names, blocks = self.capture(*events, **more)
        return [block.comments[1:] for block in blocks]


class Comments(Scenes):
    def test_where_it_stood(self) -> None:
        _names, (block,) = self.capture(self.segment())
        self.assertEqual(block.comments, [
            "sk:5 in ESTABLISHED: una=1 nxt=1 rcv=1 cwnd=10 ssthresh=12 srtt=36.02 ms "
            "rto=236 ms ca=Open"])

    def test_what_came_before_stands_with_the_next(self) -> None:
        told = self.comments(
            self.segment(), self.event("rto", seg_seq=ISN_A + 1, seg_len=8),
            self.event("ca_state", ca_state=4), self.event("ack"),
            self.segment(cookie=6, local_port=7), self.segment(seg_seq=ISN_A + 9))
        self.assertEqual(told[0], [])
        self.assertEqual(told[1], [], "another connection's")
        self.assertEqual(told[2], [
            "RTO of 236 ms fired: [] seq=1 len=8 next=9",
            "congestion state Open -> Loss"])

    def test_a_retransmission_says_why(self) -> None:
        """The event follows the segment, and the peer's may come in between."""
        told = self.comments(
            self.segment(seg_len=8), self.segment(False), self.segment(seg_len=8),
            self.segment(False, netns=SERVERS), self.event(
                "retransmit", seg_seq=ISN_A + 1, seg_len=8, seg_flags=PSH | ACK,
                retransmit_cause=number_of("retransmit_cause", "rto")),
            self.segment(seg_seq=ISN_A + 9))
        self.assertEqual(told[0], [], "the first time there was no reason")
        self.assertRegex(told[2][0], r"^sent again .* \(RTO, Open\)$")
        self.assertEqual([told[i] for i in (1, 3, 4)], [[], [], []])

    def test_what_became_of_a_syn(self) -> None:
        syn = {"cookie": 0, "seg_flags": SYN, "snd_isn": 0, "snd_una": 0, "snd_nxt": 0,
               "rcv_nxt": 0, "seg_ack": 0}
        told = self.comments(self.segment(False, **syn), self.event(
            "refused", **syn | {"seg_seq": ISN_B + 1},
            refusal=number_of("refusal", "half_open_queue_full")))
        self.assertIn("SYN refused: half-open queue full", told[0][0])

    def test_the_last_packet_has_what_came_after(self) -> None:
        told = self.comments(self.segment(), self.event("destroy", segs_out=3))
        self.assertEqual(told, [["after this: destroyed; segments: 3 out, 0 in, 0 sent again"]])

    def test_a_loss_is_told(self) -> None:
        told = self.comments(self.segment(), self.event("lost", lost_events=3),
                             self.segment(cookie=6))
        self.assertIn("3 events LOST", told[1][0])
        self.assertIn("3 events LOST", self.file.gaps.remarks()[0])

    def test_no_end_of_comments(self) -> None:
        told = self.comments(*(self.event("ca_state") for _ in range(100)),
                             self.segment(), *(self.event(
                                 "reset_sent", seg_seq=ISN_B + 1) for _ in range(5)))
        self.assertLessEqual(len(told[0]), MOST_COMMENTS + 1)

    def test_packets_do_not_wait_for_ever(self) -> None:
        written = bytearray()
        file = CaptureFile(support.schema(), None, Filter(), None, written.extend)
        file.begin({})
        for _ in range(HELD_EVENTS + 10):
            file.feed(self.segment())
        self.assertEqual(len(blocks_of(bytes(written))[1]), 9)
        file.flush()
        self.assertEqual(len(blocks_of(bytes(written))[1]), HELD_EVENTS + 10)


class Who(Scenes):
    def server(self, event: Event, **values: Any) -> Event:
        """The same segment as the other end sees it."""
        turned = {"local_addr": event["remote_addr"], "remote_addr": event["local_addr"],
                  "local_port": event["remote_port"], "remote_port": event["local_port"],
                  "segment_flags": event["segment_flags"] ^ OUT, "cookie": 9}
        return Event("segment", event.values | turned | values)

    def test_each_namespace_is_an_interface(self) -> None:
        sent = self.segment()
        names, blocks = self.capture(sent, self.server(sent, netns=SERVERS))
        self.assertEqual(names, [f"netns {CLIENTS}", f"netns {SERVERS}"])
        self.assertEqual([(b.interface, b.flags) for b in blocks], [(0, 2), (1, 1)])
        self.assertEqual(blocks[0].data, blocks[1].data)
        self.assertEqual(self.file.both_ends, {CLIENTS, SERVERS})

    def test_what_each_namespace_is(self) -> None:
        """Told by a SYN, or by what a socket says of itself."""
        passive = 1 << support.number_of("sock_flags", "passive")
        for name, more, listens in (("SYN", {"seg_flags": SYN}, {}),
                                    ("socket", {}, {"sock_flags": passive})):
            with self.subTest(name):
                sent = self.segment(**more)
                self.capture(sent, self.server(sent, netns=SERVERS, **listens))
                self.assertEqual(self.file.namespaces.words(CLIENTS),
                                 f"{CLIENTS} (10.77.0.1, a client)")
                self.assertEqual(self.file.namespaces.words(SERVERS),
                                 f"{SERVERS} (10.77.0.2, its listener 5000)")

    def test_a_namespace_that_is_more_than_one_thing(self) -> None:
        self.capture(*(self.segment(False, local_port=port, seg_flags=SYN,
                                    local_addr=f"10.77.0.{port}")
                       for port in (1, 2, 3, 4)), self.segment(seg_flags=SYN))
        self.assertEqual(self.file.namespaces.words(CLIENTS), f"{CLIENTS} (10.77.0.1, "
                         "10.77.0.2 ..., its listeners 1, 2 ..., and clients)")

    def test_of_what_no_segment_tells_nothing_is_said(self) -> None:
        for state, more in (("TIME-WAIT", {}), ("FIN-WAIT-2", {"cwnd": 0})):   # a small sock
            self.capture(self.segment(state=support.number_of("state", state), **more))
            self.assertEqual(self.file.namespaces.words(CLIENTS), f"{CLIENTS} (10.77.0.1)")
        self.assertEqual(self.file.namespaces.words(SERVERS), f"{SERVERS}")

    def test_one_namespace_can_be_chosen(self) -> None:
        sent = self.segment()
        names, blocks = self.capture(sent, self.server(sent, netns=SERVERS),
                                     netns=SERVERS)
        self.assertEqual((names, len(blocks)), ([f"netns {SERVERS}"], 1))
        self.assertEqual(self.file.both_ends, set())

    def test_loopback_has_each_segment_once(self) -> None:
        sent = self.segment(seg_len=8)
        _names, blocks = self.capture(sent, self.server(sent, seg_len=8),
                                      self.server(self.segment(seg_len=8), seg_seq=7))
        self.assertEqual(len(blocks), 2, "the other one is another segment")
        self.assertIn("received here too, by sk:9 in ESTABLISHED", blocks[0].comments[1])

    def test_a_connections_syn_has_no_id_yet(self) -> None:
        syn = self.segment(False, cookie=0, seg_flags=SYN, local_port=5000)
        other = self.segment(False, cookie=0, seg_flags=SYN, local_port=5001)
        _names, blocks = self.capture(syn, other, self.segment(local_port=5000),
                                      wanted=Filter(cookie=5))
        self.assertEqual(len(blocks), 2)

    def test_a_port_chooses(self) -> None:
        _names, blocks = self.capture(self.segment(local_port=1), self.segment(),
                                      wanted=Filter(port=1))
        self.assertEqual(len(blocks), 1)

    def test_times_are_the_wall_clocks(self) -> None:
        _names, (block,) = self.capture(self.segment())
        self.assertEqual(block.time_ns, OFFSET_NS + 1000 * SECOND + MS)


class Headers(Scenes):
    def test_a_syn_has_its_options_as_linux_lays_them(self) -> None:
        packet = packets.packet_of(self.segment(
            seg_flags=SYN, seg_ack=0, seg_seq=ISN_A, header_words=10,
            segment_flags=MSS | WSCALE | SACK_PERMITTED | TIMESTAMPS, option_mss=1460,
            option_wscale=7, tsval=3, tsecr=4))
        self.assertEqual(packet.notes, [])
        self.assertEqual(packet.original_bytes, 60)
        ip, tcp = packet.headers[:20], packet.headers[20:]
        self.assertEqual(ip[12:], bytes([10, 77, 0, 1, 10, 77, 0, 2]))
        self.assertEqual(packets.checksum(ip), 0)
        pseudo = ip[12:] + struct.pack("!BBH", 0, 6, len(tcp))
        self.assertEqual(packets.checksum(pseudo + tcp), 0)
        self.assertEqual(struct.unpack("!HHIIBB", tcp[:14]),
                         (40112, 5000, ISN_A, 0, 10 << 4, SYN))
        self.assertEqual(tcp[20:].hex(), "020405b4" "0402" "080a" "00000003" "00000004"
                                         "01" "030307", "as Linux lays them")

    def test_four_sack_blocks_take_the_timestamps_place(self) -> None:
        edges = {f"sack{n}_{side}": 10 * n + (side == "right")
                 for n in (1, 2, 3) for side in ("left", "right")}
        packet = packets.packet_of(self.segment(
            header_words=14, sack_blocks=4, tsval=40, tsecr=41, **edges))
        self.assertEqual(packet.headers[40:44].hex(), "01010522")
        self.assertEqual(struct.unpack("!8I", packet.headers[44:76]),
                         (10, 11, 20, 21, 30, 31, 40, 41))

    def test_what_is_not_as_it_was_is_told(self) -> None:
        for values, note in (
                ({"header_words": 3}, "its data offset said 3 words"),
                ({"segment_flags": FASTOPEN, "header_words": 8}, "Fast Open"),
                ({"segment_flags": OTHER, "header_words": 6}, "an option that was not"),
                ({"segment_flags": TIMESTAMPS, "header_words": 6},
                 "no room for its option timestamps"),
                ({"seg_len": 100_000}, "its payload is 100000 bytes")):
            with self.subTest(note):
                packet = packets.packet_of(self.segment(**values))
                self.assertIn(note, " ".join(packet.notes))
                self.assertLessEqual(packet.original_bytes, 65535)
                _names, (block,) = self.capture(self.segment(**values))
                self.assertIn(note, " ".join(block.comments))

    def test_a_long_comment_is_cut(self) -> None:
        written = bytearray()
        writer = pcapng.PcapngWriter(written.extend)
        writer.begin("a", "b", "c")
        writer.interface("d", "e")
        writer.packet(0, 2**70, b"12345", 6, True, ["x" * 100_000, "\udc80ü"])
        _names, (block,) = blocks_of(bytes(written))
        self.assertEqual(len(block.comments[0]), 65000)
        self.assertEqual((block.comments[1], block.data), ("?ü", b"12345"))


@unittest.skipUnless(shutil.which("tshark"), "no tshark here: scripts/install-deps test")
class Tshark(Scenes):
    def read(self, recording: bytes, *fields: str, show: str = "",
             ) -> list[dict[str, list[str]]]:
        """What tshark makes of an exported recording."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "a.pcapng"
            subprocess.run([RENOSCOPE, "export", "-", "--format", "pcapng", "-o", file],
                           input=recording, check=True, capture_output=True)
            command: list[str | Path] = [
                "tshark", "-n", "-r", file, "-T", "fields", "-E", "separator=/t",
                "-E", "aggregator=|", "-o", "tcp.check_checksum:TRUE",
                "-o", "ip.check_checksum:TRUE", "-Y", show or "frame"]
            done = subprocess.run(
                [*command, *(word for name in fields for word in ("-e", name))],
                check=False, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [dict(zip(fields, (cell.split("|") for cell in line.split("\t"))))
                for line in done.stdout.splitlines()]

    def test_any_segments(self) -> None:
        """Whatever a record holds: no malformed packet, and the header's fields."""
        random_ = random.Random(3)
        blobs = [self.plausible(random_) for _ in range(400)]
        recording = support.recording(*blobs)
        self.assertEqual(self.read(recording, "frame.number", show=(
            "_ws.malformed or _ws.short or ip.checksum.status == 0 "
            "or tcp.checksum.status == 0")), [])
        names = ("tcp.srcport", "tcp.dstport", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags",
                 "tcp.window_size_value", "tcp.urgent_pointer", "tcp.len")
        rows = self.read(recording, *names)
        events = [support.schema().decode(blob) for blob in blobs]
        self.assertEqual(len(rows), len(events))
        for row, event in zip(rows, events):
            ports = [event["local_port"], event["remote_port"]]
            if not event["segment_flags"] & OUT:
                ports.reverse()
            told = [int(row[name][0], 0) for name in names]
            self.assertEqual(told, [*ports, *(event[name] for name in (
                "seg_seq", "seg_ack", "seg_flags", "seg_window", "urgent_pointer",
                "seg_len"))])

    @staticmethod
    def plausible(random_: random.Random) -> bytes:
        """Any segment, but a payload that an IP header can tell of."""
        record = bytearray(anything(random_, "segment"))
        for name, value in (("seg_len", random_.choice((0, 1, 1448, 60_000))),
                            ("family", random_.choice((4, 6))),
                            ("local_port", random_.randrange(1, 65536)),
                            ("netns", random_.choice((CLIENTS, SERVERS)))):
            field = support.schema().field_named(name)
            struct.pack_into("=" + support.CODES[field.type], record, field.offset, value)
        return bytes(record)

    def test_relative_numbers_options_and_comments(self) -> None:
        stamps = {"segment_flags": TIMESTAMPS, "tsval": 7, "tsecr": 8}
        first = {"snd_una": 0, "snd_nxt": 0, "rcv_nxt": 0, "state": SYN_SENT}
        blobs = [self.packed(event) for event in (
            self.segment(seg_flags=SYN, seg_seq=ISN_A, seg_ack=0, header_words=8,
                         segment_flags=MSS | WSCALE | SACK_PERMITTED, option_mss=1460,
                         option_wscale=7, **first),
            self.segment(False, seg_flags=SYN | ACK, seg_seq=ISN_B, header_words=8,
                         segment_flags=MSS | WSCALE | SACK_PERMITTED, option_mss=1440,
                         option_wscale=8),
            self.segment(header_words=8, **stamps),
            self.segment(False, seg_flags=PSH | ACK, seg_len=8, header_words=8, **stamps),
            self.event("retransmit", seg_seq=ISN_A + 1, seg_len=0),
            self.segment(seg_flags=FIN | ACK, seg_ack=ISN_B + 9, header_words=11,
                         sack_blocks=1, sack1_left=ISN_B + 1449, sack1_right=ISN_B + 2897,
                         **stamps))]
        rows = self.read(support.recording(*blobs), "tcp.seq", "tcp.ack", "tcp.len",
                         "tcp.nxtseq", "tcp.options.mss_val",
                         "tcp.options.wscale.shift", "tcp.options.timestamp.tsval",
                         "tcp.options.sack_le", "tcp.options.sack_re", "frame.comment",
                         "frame.interface_name", "tcp.window_size")
        numbers = [[row[f"tcp.{name}"][0] for name in ("seq", "ack", "len", "nxtseq")]
                   for row in rows]
        self.assertEqual(numbers, [
            ["0", "0", "0", "1"], ["0", "1", "0", "1"], ["1", "1", "0", "1"],
            ["1", "1", "8", "9"], ["1", "9", "0", "2"]])
        self.assertEqual([row["tcp.options.mss_val"][0] for row in rows[:2]],
                         ["1460", "1440"])
        self.assertEqual([row["tcp.options.wscale.shift"][0] for row in rows[:2]],
                         ["7", "8"])
        self.assertEqual(rows[2]["tcp.options.timestamp.tsval"], ["7"])
        self.assertEqual((rows[4]["tcp.options.sack_le"], rows[4]["tcp.options.sack_re"]),
                         (["1449"], ["2897"]))
        self.assertEqual(rows[4]["tcp.window_size"], [str(501 << 7)])
        self.assertEqual(rows[0]["frame.interface_name"], [f"netns {CLIENTS}"])
        self.assertIn("sk:5 in SYN-SENT", rows[0]["frame.comment"][0])
        self.assertIn("sent again", rows[2]["frame.comment"][1])

    def test_the_filter_in_the_manual_finds_what_was_sent_again(self) -> None:
        """And nothing whose end counts what was."""
        wanted = re.search(r"-Y '(frame.comment \S+ .*sent again.*)'",
                           (support.SCRIPTS.parent / "Documentation/commands.rst").read_text())
        assert wanted
        blobs = [self.packed(event) for event in (
            self.segment(False),
            self.event("retransmit", seg_seq=ISN_A + 1, seg_len=1), self.segment(seg_len=1),
            self.event("synack_retransmit"), self.segment(seg_flags=SYN | ACK),
            self.event("destroy", segs_out=3, segs_in=1), self.segment(seg_flags=FIN | ACK))]
        rows = self.read(support.recording(*blobs), "frame.number", "frame.comment",
                         show=wanted[1])
        self.assertEqual([row["frame.number"] for row in rows], [["2"], ["3"]])
        rows = self.read(support.recording(*blobs), "frame.number",
                         show='frame.comment contains "sent again"')
        self.assertEqual(len(rows), 3)

    @staticmethod
    def packed(event: Event) -> bytes:
        values = {name: value for name, value in event.values.items()
                  if name not in ("kind", "local_addr", "remote_addr")}
        return support.pack(event.kind, local_addr=CLIENT, remote_addr=SERVER, **values)


class Command(unittest.TestCase):
    def test_a_damaged_recording_gives_what_there_is(self) -> None:
        recording = support.recording(Scene().pack("segment", header_words=5)) + b"x"
        done = subprocess.run([RENOSCOPE, "export", "-", "--format", "pcapng"],
                              input=recording, capture_output=True, check=False)
        self.assertEqual(len(blocks_of(done.stdout)[1]), 1)
        self.assertIn(b"there is something behind its end", done.stderr)
        self.assertEqual(done.returncode, 2)

    def test_which_end_is_which(self) -> None:
        scene, header = Scene(), {"header_words": 5, "seg_flags": SYN}
        recording = support.recording(
            scene.pack("segment", 0, netns=CLIENTS, segment_flags=OUT, **header),
            scene.pack("segment", MS, netns=SERVERS, cookie=0, local_addr=SERVER,
                       remote_addr=CLIENT, local_port=5000, remote_port=40112, **header))
        done = subprocess.run([RENOSCOPE, "export", "-", "--format", "pcapng"],
                              input=recording, capture_output=True, check=True)
        self.assertIn(f"for one end: --netns {CLIENTS} (10.77.0.1, a client) or --netns "
                      f"{SERVERS} (10.77.0.2, its listener 5000)\n", done.stderr.decode())

    def test_without_segments_there_is_no_capture(self) -> None:
        done = subprocess.run([RENOSCOPE, "export", "-", "--format", "pcapng"],
                              input=support.recording(Scene().pack("ack")),
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"no segment event is in it", done.stderr)
        self.assertIn(b"echo +segment | sudo tee", done.stderr)
        self.assertEqual(done.stderr.count(b"\n"), 1)


if __name__ == "__main__":
    unittest.main()
