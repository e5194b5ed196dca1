# SPDX-License-Identifier: GPL-2.0
"""Findings and rows by the wall clock, to be laid beside a program's log."""

import contextlib
import io
import json
import re
import tempfile
import unittest
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from unittest import mock

from renoscope_lib.cli import main
from renoscope_lib.recording.inputs import RecordingInput
from renoscope_lib.views.states import States

from . import support
from .support import SECOND
from .test_json_keys import recorded

DATED = ("explain", "handshakes", "states", "losses")

# The recording's CLOCK_MONOTONIC and wall clock are these apart.
AHEAD_NS = 1_699_999_000 * SECOND

# 2023-11-14T22:13:20 is its first second.
UTC = r"2023-11-14T22:13:\d\d\.\d{6}Z"


def said(command: str, *options: str, recording: bytes) -> tuple[str, str]:
    """What it prints, and what it complains of."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "all.renoscope")
        file.write_bytes(recording)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main([command, str(file), *options])
    return out.getvalue(), err.getvalue()


def told(command: str, *options: str, recording: bytes) -> str:
    """What it prints."""
    return said(command, *options, recording=recording)[0]


def rows(value: Any) -> Iterator[dict[str, Any]]:
    """Each that has a moment of its own."""
    if isinstance(value, dict):
        if {"began_ns", "time_ns"} & value.keys():
            yield value
        value = list(value.values())
    for part in value if isinstance(value, list) else ():
        yield from rows(part)


class Dated(unittest.TestCase):
    def test_rows_tell_programs_the_time_of_day(self) -> None:
        for command in DATED:
            with self.subTest(command):
                seen = list(rows(json.loads(told(command, "--json", recording=recorded()))))
                moments = [(row.get("began_ns", row.get("time_ns")), row["time_utc"])
                           for row in seen]
                self.assertTrue(any(time_ns for time_ns, _ in moments))
                for time_ns, utc in moments:
                    self.assertEqual(utc is None, time_ns is None)
                    if utc is not None:
                        self.assertEqual(round(datetime.fromisoformat(utc).replace(
                            tzinfo=timezone.utc).timestamp() * 1e6),
                            (time_ns + AHEAD_NS) // 1000)

    def test_without_a_wall_clock_programs_are_told_so(self) -> None:
        with mock.patch.object(support, "META", {"kernel": "6.12.0"}):
            old = recorded.__wrapped__()
        for command in DATED:
            with self.subTest(command):
                seen = list(rows(json.loads(told(command, "--json", recording=old))))
                self.assertTrue(seen)
                self.assertEqual({row["time_utc"] for row in seen}, {None})

    def test_a_wall_clock_that_was_set_meanwhile_is_told_where_times_are_by_it(self) -> None:
        for command in DATED:
            for option, is_told in (("--json", True), ("--absolute", True), ("", False)):
                with self.subTest(command, option=option), mock.patch.object(
                        RecordingInput, "wall_clock_moved_ns", return_value=5 * SECOND):
                    _, complaints = said(command, *filter(None, [option]), recording=recorded())
                    self.assertEqual("the wall clock went 5 s forward" in complaints, is_told)

    def absolute(self, command: str, *options: str) -> str:
        return told(command, "--absolute", *options, recording=recorded())

    def test_explain(self) -> None:
        text = self.absolute("explain", "-v")
        self.assertRegex(text, f"at {UTC} the timer fired after 1 s")
        self.assertIn("Times are UTC, as in `renoscope show --absolute`.",
                      re.sub(r"\s+", " ", text))
        self.assertNotRegex(text, r"\bat \d+\.\d{3} s\b")
        plain = told("explain", "-v", recording=recorded())
        self.assertIn("Times count from the first event", re.sub(r"\s+", " ", plain))
        self.assertNotRegex(plain, UTC)

    def test_states(self) -> None:
        text = self.absolute("states")
        self.assertRegex(text, rf"(?m)^ +at \(UTC\) +state .*\n +{UTC}  SYN-SENT ")
        self.assertNotIn("counts from the first event", text)

    def test_losses(self) -> None:
        text = self.absolute("losses", "-v")
        self.assertRegex(text, rf"(?m)^ +at \(UTC\) +what .*\n +{UTC}  ")
        self.assertRegex(text, f"    {UTC}  RTO after 1 s")

    def test_handshakes(self) -> None:
        text = self.absolute("handshakes", "--steps")
        for table in (r"no  by", "by  +outcome"):
            self.assertRegex(text, rf"(?m)^at \(UTC\) +connection .*{table}.*\n{UTC}  sk:")
        self.assertRegex(text, rf"(?m)^    {UTC}  SYN")
        self.assertNotIn("at (UTC)", told("handshakes", "--steps", recording=recorded()))

    def test_a_step_of_a_handshake_has_its_own_time(self) -> None:
        row, step = next(
            (row, step) for row in json.loads(told(
                "handshakes", "--json", recording=recorded()))["handshakes"]
            for step in row["steps"] if step["after_us"])
        at = datetime.fromisoformat(row["time_utc"]) + timedelta(microseconds=step["after_us"])
        self.assertIn(f"\n    {at:%Y-%m-%dT%H:%M:%S.%f}Z  {step['what']}",
                      self.absolute("handshakes", "--steps"))

    def test_marks_among_the_notes(self) -> None:
        """A freeze has its time like anything else."""
        for offset_ns, words in ((AHEAD_NS, "note: at 2023-11-14T22:13:22.000000Z recording"),
                                 (None, "note: at 1.000000 s recording")):
            scene = support.Scene()
            view = States(support.schema())
            view.gaps.wall_offset_ns = offset_ns
            support.feed(view, scene.event("ack", SECOND), scene.event(
                "mark", 2 * SECOND, mark_cause=support.number_of("mark_cause", "frozen")))
            self.assertIn(words, view.gaps.notes()[-1])


if __name__ == "__main__":
    unittest.main()
