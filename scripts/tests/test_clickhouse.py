# SPDX-License-Identifier: GPL-2.0
"""A real ClickHouse answers as reckoned by hand from the same events."""

import ipaddress
import json
import re
import subprocess
import tempfile
import unittest
from typing import Any

from renoscope_lib.ring.schema import Event, Field

from . import handshake_scene as handshake
from . import servers, support
from .fleet_figures import BY_HAND, Row
from .handshake_scene import ListenerScene
from .support import MS, SECOND, Scene, number_of, pack

CLICKHOUSE = support.SCRIPTS / "clickhouse"
QUERIES = CLICKHOUSE / "queries"
NOT_HERE = servers.missing(servers.CLICKHOUSE, servers.CLICKHOUSE_CLIENT)

Packed = list[bytes]

SYN_SENT, ESTABLISHED, CLOSED = (number_of("state", name) for name in (
    "SYN-SENT", "ESTABLISHED", "CLOSED"))


# ---- three hosts in trouble

def listener_host() -> Packed:
    """A web server: crowded, its SYN-ACKs lost, and once overrun."""
    listener = ListenerScene(limit=2)
    events: list[Event] = []
    for number, peer in enumerate(("10.1.0.5", "10.1.0.6", "2001:db8:7::1"), 1):
        events += listener.queued(number, 100, number, peer=peer, local_addr=(
            "2001:db8::2" if ":" in peer else support.SERVER))
    events += [listener.again(1 + 2 ** n, 100, 1, n, n, peer="10.1.0.5")
               for n in range(5)]
    events += [listener.again(4, 100, 2, 0, 0, peer="10.1.0.6", by_timer=False),
               listener.request_end(63, 100, 1, handshake.EXPIRED, peer="10.1.0.5")]
    events += [listener.refused(70 + n, 200 + n, handshake.ACCEPT_FULL,
                                peer="10.1.0.9") for n in range(4)]
    events += [listener.last_ack_refused(75, 100, 2, peer="10.1.0.6"),
               listener.refused(76, 300, handshake.OTHER)]
    return [repacked(event) for event in events]


def repacked(event: Any) -> bytes:
    """The record of an event that a scene made."""
    values = {name: str(ipaddress.IPv6Address(value)) if isinstance(value, bytes)
              else value for name, value in event.values.items() if name != "kind"}
    return pack(event.kind, **values)


def client_host(seed: int) -> Packed:
    """Many connections to three networks: some slow, some lossy, some refused."""
    scene = Scene(start_ns=(1000 + seed) * SECOND)
    records = []
    for number in range(1, 60):
        peer = ("10.9.8.7", "10.9.9.1", "fd00:1:2::3")[number % 3]
        ends = {"cookie": number, "local_port": 30_000 + number,
                "remote_addr": peer, "family": 6 if ":" in peer else 4}
        at = number * SECOND
        took = (3100 if number % 20 == 0 else 30 + number) * MS
        fails = number % 17 == 0
        records += [
            scene.pack("state", at, old_state=CLOSED, state=SYN_SENT, **ends),
            scene.pack("state", at + took, old_state=SYN_SENT, snd_isn=5,
                       state=CLOSED if fails else ESTABLISHED, **ends)]
        for cause in ("rto", "fast_retransmit", "tail_loss_probe")[:number % 4]:
            records.append(scene.pack(
                "retransmit", at + took, retransmit_segs=1 + number % 2,
                retransmit_cause=number_of("retransmit_cause", cause), **ends))
        if number % 4:
            records.append(scene.pack("rto", at + took, **ends))
        records.append(scene.pack(
            "destroy", at + took + MS, state=CLOSED, segs_out=100 + number,
            retrans_segs=(number % 4) * seed, data_segs_out=number % 5 * 20,
            srtt_us=0 if fails else 1000 * number + seed, **ends))
        if number % 10 == 0:
            records += [scene.pack("reset_sent", at + took, state=ESTABLISHED,
                                   reset_reason=support.NO_SOCKET, **ends),
                        scene.pack("reset_received", at + took, state=ESTABLISHED,
                                   **ends)]
    records += [
        scene.pack("destroy", 70 * SECOND, cookie=99, remote_port=0),
        pack("lost", serial=1, lost_events=1000, time_ns=scene.start_ns),
        pack("lost", serial=5000, lost_events=11 * seed,
             time_ns=scene.start_ns + 71 * SECOND)]
    return records


HOSTS = {"web1": listener_host(), "db1": client_host(1), "db2": client_host(2)}


class Schema(unittest.TestCase):
    """The table is written by hand; its columns are those of the record."""

    ADDED = {"host": "String", "time_utc": "String", "listener": "String",
             "error": "String"}
    UNITS_OF_WORDS = {"kind", "address", *support.schema().values}

    def columns(self) -> dict[str, str]:
        text = (CLICKHOUSE / "schema.sql").read_text()
        return dict(re.findall(r"^    ([a-z_]+) +([A-Z]\w+(?:\(String\))?)(?:,| M)",
                               text, re.MULTILINE))

    def test_columns_can_hold_their_fields(self) -> None:
        fields = {f.name: f for f in support.schema().fields}
        columns = self.columns()
        self.assertGreater(len(columns), 50)
        for name in ("time", "peer_prefix"):
            del columns[name]
        for name, type_ in columns.items():
            with self.subTest(name):
                self.assertEqual(type_, self.ADDED.get(name)
                                 or self.type_of(fields[name]))

    def type_of(self, field: Field) -> str:
        """What holds all that the field can say."""
        if field.unit == "tcp_flags":
            return "Array(String)"
        return ("String" if field.unit in self.UNITS_OF_WORDS or field.type == "text"
                else f"UInt{8 * field.size}")

    def test_only_addresses_are_read_as_such(self) -> None:
        """18.16 takes any text; later versions throw, whatever if() stands around it."""
        text = (CLICKHOUSE / "schema.sql").read_text()
        read = re.findall(r"IPv(\d)StringToNum\(\s*(.*?), '(.*?)'\)", text)
        self.assertEqual(read, [("6", "if(family = 6, remote_addr", "::"),
                                ("4", "if(family = 4, remote_addr", "0.0.0.0")])

    def test_every_query_is_reckoned_by_hand(self) -> None:
        self.assertEqual({path.stem for path in QUERIES.glob("*.sql")},
                         BY_HAND.keys())


@unittest.skipIf(NOT_HERE, NOT_HERE)
class Answers(unittest.TestCase):
    """One server for all; each host's recording is inserted twice."""

    server: servers.ClickHouse
    events: list[Row]

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = cls.enterClassContext(servers.ClickHouse(
            cls.enterClassContext(servers.folder_for_servers())))
        cls.server.run((CLICKHOUSE / "schema.sql").read_text())
        cls.server.run("SYSTEM STOP MERGES")    # they would take doubles away
        cls.events = []
        for host, records in HOSTS.items():
            data = support.recording(b"".join(records))
            with tempfile.NamedTemporaryFile() as file:
                file.write(data)
                file.flush()
                cls.events += cls.read(host, file.name)
                for _ in range(2):
                    cls.insert(host, file.name)

    @staticmethod
    def read(host: str, name: str) -> list[Row]:
        done = subprocess.run(
            [support.SCRIPTS / "renoscope", "export", "--format", "jsonl", name],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        return [json.loads(line) | {"host": host}
                for line in done.stdout.splitlines()]

    @classmethod
    def insert(cls, host: str, name: str) -> None:
        subprocess.run(["bash", "-o", "pipefail", "-c",
                        f"{support.SCRIPTS / 'renoscope'} export --format jsonl "
                        f"{name} 2>/dev/null | {cls.server.insertion(host)}"], check=True)

    def test_all_events_are_there_once(self) -> None:
        count, = self.server.rows("SELECT count() AS n FROM renoscope.events FINAL")
        self.assertEqual(count["n"], sum(len(packed) for packed in HOSTS.values()))
        self.assertEqual(len(self.events), count["n"])

    def test_what_each_query_answers(self) -> None:
        for name, by_hand in BY_HAND.items():
            with self.subTest(name):
                expected = by_hand(self.events)
                self.assertTrue(expected)
                self.assertEqual(self.server.rows(
                    (QUERIES / f"{name}.sql").read_text()), expected)
