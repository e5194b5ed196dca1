# SPDX-License-Identifier: GPL-2.0
"""`make demo` without a scene: what its recordings hold, and what can be made of them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import demo
import recorder
from renoscope_lib.recording.inputs import RecordingInput
from renoscope_lib.ring.schema import Event


def _events(file: Path) -> list[Event]:
    return [event for batch in RecordingInput(str(file)).batches() for event in batch]


def _count(events: list[Event], kind: str) -> int:
    return sum(event.kind == kind for event in events)


def test_recordings() -> None:
    """make demo: one session in each recording, every segment of it"""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        demo.session_and_handshake(out)
        for name in ("session", "lost-ack"):
            completed = _count(_events(out / f"{name}.renoscope"), "completed")
            assert completed == 1, (name, completed)
            made = recorder.renoscope("export", "--format", "pcapng", "-o",
                                      str(out / f"{name}.pcapng"),
                                      str(out / f"{name}.renoscope"))
            assert made.returncode == 0, made
            assert " header=" not in (out / "session.txt").read_text()
        again = [event for event in _events(out / "lost-ack.renoscope")
                 if event.kind == "synack_retransmit"]
        assert len(again) >= demo.RETRANSMITS, again
        told = recorder.told("explain", str(out / "lost-ack.renoscope"))
        slow, = (f for report in told["reports"] for f in report["findings"]
                 if f["rule"] == "connect-slow" and f["opened_by"] == "peer")
        if all(event["by_timer"] for event in again):   # else a SYN came again, late
            assert slow["gist"] == "the handshake's last ACK lost", slow
