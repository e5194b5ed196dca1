# SPDX-License-Identifier: GPL-2.0
"""Events from recordings, from pipes that still grow, and from the ring."""

import os
import tempfile
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

from renoscope_lib.errors import NOT_PERMITTED, Problem
from renoscope_lib.recording.inputs import LiveInput, RecordingInput
from renoscope_lib.ring.live_ring import LiveRing

from . import support
from .support import SECOND, Scene


class Files(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, data: bytes) -> str:
        path = self.folder / "recording"
        path.write_bytes(data)
        return str(path)

    def test_a_recording_gives_its_events_and_clocks(self) -> None:
        scene = Scene()
        source = RecordingInput(self.file(support.recording(
            scene.pack("ack") + scene.pack("destroy"), scene.pack("ack"),
            ended_monotonic_ns=9)))
        kinds = [e.kind for batch in source.batches() for e in batch]
        self.assertEqual(kinds, ["ack", "destroy", "ack"])
        self.assertFalse(source.follows)
        self.assertIsNone(source.complaint())
        self.assertEqual(source.end_ns(), 9)
        self.assertEqual(source.wall_offset_ns(), (1700000000 - 1000) * SECOND)

    def test_the_wall_clock_moves_while_recording(self) -> None:
        begun = support.META["clocks"]
        for moved_ns in (0, 3600 * SECOND, -7 * SECOND):
            source = RecordingInput(self.file(support.recording(
                ended_monotonic_ns=begun["monotonic_ns"] + 9 * SECOND,
                ended_realtime_ns=begun["realtime_ns"] + 9 * SECOND + moved_ns)))
            self.assertEqual([*source.batches()], [])
            self.assertEqual(source.wall_clock_moved_ns(), moved_ns)

    def test_an_older_recorder_did_not_note_the_wall_clocks_end(self) -> None:
        source = RecordingInput(self.file(support.recording(ended_monotonic_ns=9)))
        self.assertEqual([*source.batches()], [])
        self.assertEqual(source.wall_clock_moved_ns(), 0)

    def test_a_recording_may_have_no_events(self) -> None:
        source = RecordingInput(self.file(support.recording()))
        self.assertEqual([e for batch in source.batches() for e in batch], [])
        self.assertIsNone(source.complaint())

    def test_a_cut_off_one_ends_with_its_last_event(self) -> None:
        scene = Scene()
        data = support.recording(scene.pack("ack", 5) + scene.pack("ack", 7))
        at = data.index(b"RECS") + 8 + 192 + 50
        source = RecordingInput(self.file(data[:at]))
        self.assertEqual(sum(len(b) for b in source.batches()), 1)
        self.assertRegex(source.complaint() or "",
                         "recording: recording cut off after 1 whole record, "
                         "50 bytes left over")
        self.assertEqual(source.end_ns(), scene.start_ns + 5)

    def test_a_bad_file_is_named(self) -> None:
        with self.assertRaisesRegex(Problem, f"{self.folder}/recording: not"):
            RecordingInput(self.file(b"hello"))
        with self.assertRaisesRegex(Problem, f"{self.folder}: Is a directory"):
            RecordingInput(str(self.folder))

    def test_a_pipe_gives_records_as_they_come(self) -> None:
        """Records are shown as they come; a pause is told."""
        path = self.folder / "pipe"
        os.mkfifo(path)
        record = Scene().pack("ack")
        data = support.recording(record)
        half = data.index(b"RECS") + 8 + 192
        ended = threading.Event()

        def write() -> None:
            with open(path, "wb", buffering=0) as pipe:
                pipe.write(data[:half])
                ended.wait(10)
                pipe.write(data[half:])

        writer = threading.Thread(target=write)
        writer.start()
        source = RecordingInput(str(path))
        self.assertTrue(source.follows)
        sizes = []
        for batch in source.batches():
            sizes.append(len(batch))
            if sizes[-1] == 0:
                ended.set()
        writer.join()
        self.assertEqual([n for n in sizes if n], [1])
        self.assertIn(0, sizes)
        self.assertIsNone(source.complaint())


class Ring(unittest.TestCase):
    """A folder of plain files stands for debugfs; their end for EAGAIN."""

    def ring(self, records: bytes, **written: int) -> LiveRing:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name)
        (path / "schema").write_text(support.schema_text())
        (path / "stats").write_text(support.stats_text(**written))
        (path / "trace_raw").write_bytes(records)
        return LiveRing(path)

    def test_only_what_the_ring_held(self) -> None:
        """Later events that are merged in between are left out."""
        scene = Scene()
        records = (scene.pack("lost", serial=1, lost_events=2)
                   + scene.pack("ack", serial=3) + scene.pack("ack", serial=4)
                   + scene.pack("ack", cpu=1, serial=1)
                   + scene.pack("ack", serial=5))
        source = LiveInput(self.ring(records, cpu0=3, cpu1=1), follows=False)
        shown = [(e["cpu"], e["serial"]) for b in source.batches() for e in b]
        self.assertEqual(shown, [(0, 1), (0, 3), (1, 1)])

    def test_a_busy_ring_does_not_keep_it_for_ever(self) -> None:
        scene = Scene()
        records = b"".join(scene.pack("ack") for _ in range(2000))
        source = LiveInput(self.ring(records, cpu0=1), follows=False)
        self.assertEqual([len(b) for b in source.batches()], [1],
                         "one reading is enough")

    def test_following_it_ends_with_the_ring(self) -> None:
        scene = Scene()
        records = scene.pack("ack") + scene.pack("ack")
        source = LiveInput(self.ring(records, cpu0=0), follows=True)
        self.assertEqual([len(b) for b in source.batches()], [2])

    def test_the_parameters_are_of_now(self) -> None:
        source = LiveInput(self.ring(b"", cpu0=0), follows=False)
        before_ns = time.monotonic_ns()
        read_ns, when = source.parameters_read()
        self.assertTrue(before_ns <= read_ns <= time.monotonic_ns())
        self.assertEqual(when, "now set")

    def test_a_missing_ring_is_named(self) -> None:
        with self.assertRaisesRegex(Problem, "cannot read /nix/schema"):
            LiveInput(LiveRing(Path("/nix")), follows=False)

    def test_who_is_not_root_is_sent_for_sudo(self) -> None:
        """As where somebody opened debugfs to all, but not its files."""
        with mock.patch.object(Path, "read_text", side_effect=PermissionError), \
                self.assertRaisesRegex(Problem, "/nix/schema is for root only; run it "
                                       "with sudo") as caught:
            LiveInput(LiveRing(Path("/nix")), follows=False)
        self.assertEqual(caught.exception.exit_code, NOT_PERMITTED)


if __name__ == "__main__":
    unittest.main()
