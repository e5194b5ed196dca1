# SPDX-License-Identifier: GPL-2.0
"""What every view tells of one recording, connection by connection.

In an emulated machine a command needs seconds to start, and there are many: so they run
in this process, one after another.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from missing import Missing
from renoscope_lib import cli
from renoscope_lib.commands import flow
from renoscope_lib.errors import BAD_INPUT, OK
from renoscope_lib.ladder.replay import Replay
from renoscope_lib.ring.schema import OWN_KINDS, Event

Row = dict[str, Any]

NOBODY = ("*:*", "[*]:*")
SAMPLE = re.compile(r"renoscope_(?P<name>\w+?)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
LABEL = re.compile(r'(\w+)="([^"]*)"')


class Key(NamedTuple):
    """A connection, as views name it: a socket may have several, one after another.

    Or a listener.
    """

    netns: int
    connection: str
    local: str
    remote: str

    def __str__(self) -> str:
        return f"{self.connection} {self.local} - {self.remote}"


class LadderEnd(NamedTuple):
    """One end of a connection in its ladder."""

    ladder: Row
    end: int

    def rungs(self) -> Iterator[Row]:
        """What this end sent."""
        return (rung for rung in self.ladder["rungs"] if rung["from_end"] == self.end)

    def states(self) -> list[Row]:
        """The states it entered."""
        return [line for line in self.ladder["states"] if line["end"] == self.end]

    def leads_straight_on(self) -> bool:
        """Whether it is in FIN-WAIT-1, and the peer's FIN came."""
        return [step["state"] for step in self.states()][-1:] == ["FIN-WAIT-1"] and any(
            "FIN" in rung["flags"] and rung["received_ns"] is not None
            for rung in self.ladder["rungs"] if rung["from_end"] != self.end)

    def is_heard_of_after(self, moment_ns: int) -> bool:
        """Whether its ladder goes on behind a moment."""
        return any(line["end"] == self.end and line["time_ns"] > moment_ns
                   for line in self.ladder["facts"] + self.ladder["states"]) or any(
                       (rung["sent_ns"] or 0) > moment_ns for rung in self.rungs())

    def facts(self, kind: str) -> list[Row]:
        """What is said of it, by kind."""
        return [line for line in self.ladder["facts"]
                if line["end"] == self.end and line["kind"] == kind]


def run(*words: str, exits: tuple[int, ...] = (OK,)) -> str:
    """What a command prints."""
    printed, complaint = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaint):
        code = cli.main(words)
    assert code in exits, f"renoscope {' '.join(words)}: exit {code}: {_text(complaint)}"
    return _text(printed)


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


class ReadOnce:
    """A file's events for flow, which would read it twice for each ladder."""

    def __init__(self, file: str) -> None:
        replay = Replay(file)
        self._events = list(replay.first())
        self.source = replay.source

    def first(self) -> Iterator[Event]:
        """All events."""
        return iter(self._events)

    second = first

    def close(self) -> None:
        """Everything was read."""


def key_of(row: Row) -> Key:
    """Whom a row is about."""
    return Key(row["netns"], row["connection"], row["local"], row["remote"])


def by_key(rows: Iterable[Row]) -> dict[Key, Row]:
    """The connections of a view, without listeners and what it names twice."""
    rows = [row for row in rows if row["connection"] != "sk:-"
            and row["remote"] not in NOBODY]
    count = Counter(map(key_of, rows))
    return {key_of(row): row for row in rows if count[key_of(row)] == 1}


def _endpoint(addr: str, port: int) -> str:
    return f"[{addr}]:{port}" if ":" in addr else f"{addr}:{port}"


def key_of_event(event: Row) -> Key:
    """Whom an exported event is about."""
    return Key(event["netns"], event["connection"],
               _endpoint(event["local_addr"], event["local_port"]),
               _endpoint(event["remote_addr"], event["remote_port"]))


class Told:
    """Every view of one recording, each asked once, when somebody wants to know."""

    def __init__(self, file: Path, run_command: Callable[..., str] = run,
                 missing: Missing = Missing()) -> None:
        self._file = str(file)
        self._run = run_command
        self.missing = missing
        self._wholes: dict[str, Any] = {}
        self._rows: dict[str, dict[Key, Row]] = {}

    def whole(self, command: str, *words: str) -> Any:
        """All that a command tells to programs."""
        name = " ".join((command, *words))
        if name not in self._wholes:
            self._wholes[name] = json.loads(
                self._run(command, self._file, *words, "--json"))
        return self._wholes[name]

    def rows(self, command: str) -> dict[Key, Row]:
        """A view's connections."""
        if command not in self._rows:
            name = "handshakes" if command == "handshakes" else "connections"
            self._rows[command] = by_key(self.whole(command)[name])
        return self._rows[command]

    def listeners(self, command: str, *words: str) -> dict[Key, Row]:
        """A view's listeners."""
        return {Key(row["netns"], row["listener"], row["local"], "*"): row
                for row in self.whole(command, *words)["listeners"]}

    @functools.cached_property
    def findings(self) -> dict[Key, list[Row]]:
        """What explain found of each connection, by its rules."""
        found: dict[Key, list[Row]] = {}
        for report in self.whole("explain")["reports"]:
            for finding in report["findings"]:
                if not finding["is_listener"] and finding["remote"] not in NOBODY:
                    found.setdefault(key_of(finding), []).append(finding)
        return found

    @functools.cached_property
    def events(self) -> list[Row]:
        """Every event, as it is exported."""
        text = self._run("export", self._file, "--format", "jsonl")
        return [json.loads(line) for line in text.splitlines()]

    @functools.cached_property
    def seen_to_begin(self) -> set[Key]:
        """Connections whose opening is in the recording from its first event on."""
        return {key_of_event(event) for event in self.events
                if event["kind"] == "request" or (
                    event["kind"] == "state" and event["state"] == "SYN-SENT")}

    @functools.cached_property
    def begun_behind_a_segment(self) -> set[Key]:
        """Connections of which the first event tells of a segment, as it goes again."""
        first: dict[Key, str] = {}
        for event in self.events:
            if event["kind"] not in OWN_KINDS:
                first.setdefault(key_of_event(event), event["kind"])
        return {key for key, kind in first.items()
                if kind in ("retransmit", "synack_retransmit", "loss_probe")}

    @functools.cached_property
    def completed(self) -> set[Key]:
        """Connections whose last ACK came; just behind that they enter ESTABLISHED."""
        return {key_of_event(event) for event in self.events if event["kind"] == "completed"}

    @functools.cached_property
    def samples(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """What Prometheus is told: by name and labels."""
        found = {}
        for line in self._run("metrics", self._file).splitlines():
            said = SAMPLE.fullmatch(line)
            if said:
                labels = tuple(sorted(LABEL.findall(said["labels"] or "")))
                found[said["name"], labels] = float(said["value"])
        return found

    def samples_by(self, name: str, label: str) -> dict[str, float]:
        """A metric's values, added up by one label."""
        found: Counter[str] = Counter()
        for (named, labels), value in self.samples.items():
            if named == name:
                found[dict(labels)[label]] += value    # type: ignore[assignment]
        return dict(found)

    @functools.cached_property
    def ladders(self) -> dict[Key, LadderEnd]:
        """Each end of every connection that has a ladder."""
        found = {}
        kept = ReadOnce(self._file)
        with mock.patch.object(flow, "Replay", lambda file: kept):
            self._tell_ladders()
        for row in self.flow_list:
            ladder = self.ladder_of(row)
            for end in (0, 1):
                key = self._key_in(ladder["ends"], end)
                if key is not None:
                    found[key] = LadderEnd(ladder, end)
        return found

    def ladder_of(self, row: Row) -> Row:
        """The ladder of one in the list."""
        ladder: Row = self.whole("flow", *filter(None, [row["choose"]]))
        return ladder

    def _tell_ladders(self) -> None:
        for row in self.flow_list:
            self.ladder_of(row)

    @functools.cached_property
    def flow_list(self) -> list[Row]:
        """The connections that `flow` lets one choose from: a usage error, as it says.

        One alone is told at once; it may have no id, if only a SYN was seen.
        """
        told: Row = json.loads(self._run(
            "flow", self._file, "--limit", "0", "--json", exits=(OK, BAD_INPUT)))
        if "rungs" not in told:
            return list(told["connections"])
        return [{"choose": None, "segments_sent_again": told["segments_sent_again"],
                 "ends": [end | {"state": None} for end in told["ends"]]}]

    @functools.cached_property
    def flow_ends(self) -> dict[Key, Row]:
        """Each end in that list."""
        return {key: row["ends"][end] for row in self.flow_list for end in (0, 1)
                if (key := self._key_in(row["ends"], end)) is not None}

    def _key_in(self, ends: list[Row], end: int) -> Key | None:
        """Whom an end of a ladder is, if it is one connection alone.

        A Fast Open SYN-ACK that goes again has an id of its own, which is no connection's.
        """
        here, there = ends[end], ends[1 - end]
        keys = [Key(here["netns"], connection, here["address"], there["address"])
                for connection in here["connections"]]
        known = [key for key in keys if key in self.rows("states")]
        return known[0] if len(known) == 1 else None
