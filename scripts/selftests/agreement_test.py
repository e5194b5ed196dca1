# SPDX-License-Identifier: GPL-2.0
"""Whether all views tell the same of connections off the common path.

The common path is where views agree anyhow: what each works out by itself differs where
a SYN-ACK goes again, an ACK never comes or a port is used again at once.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import agreement
import off_the_path
from all_told import Told
from hosts import CLIENT, SERVER
from ktap_output import comment
from recorder import PARAMETERS, renoscope
from stage import Stage

RING = "ring_records=65536"
SHOWN = 40


def _compared(*players: off_the_path.Player) -> agreement.Verdict:
    """What comes of a recording of every segment of these."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "agreement.renoscope"
        with Stage(RING) as stage:
            (PARAMETERS / "events").write_text("+segment")
            (PARAMETERS / "filter").write_text(
                f"netns={stage.hosts.inode(CLIENT)},{stage.hosts.inode(SERVER)}")
            stage.hosts.set_offloads(False)
            off_the_path.play(stage, players)
            done = renoscope("record", "--all", "--duration", "0.1", str(file))
            assert done.returncode == 0, done.stderr
        return agreement.compare(Told(file))


def test_views_agree() -> None:
    """every two views that tell a fact of a connection tell the same"""
    verdict = agreement.Verdict({}, [])
    for players in (off_the_path.OPENING, off_the_path.CLOSING, off_the_path.SENDING):
        # A ladder takes as long as all events together: three small recordings are quicker.
        began_s = time.monotonic()
        verdict = verdict.and_of(_compared(*players))
        comment(f"{len(players)} plays: {time.monotonic() - began_s:.0f} s")
    comment(f"compared {sum(verdict.compared.values())} times, "
            f"{len(verdict.compared)} pairs of tellers")
    assert not verdict.disagreements, "\n".join(verdict.disagreements[:SHOWN])
    assert not verdict.never_compared(), verdict.never_compared()
