# SPDX-License-Identifier: GPL-2.0
"""watch: a recording of each freeze."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..errors import BAD_INPUT, NOT_SO, OK, Problem
from ..machine.host import Host
from ..options import add_command, complain, count, limit, number_of_seconds
from ..output.only_one import only_one
from ..recording.freezes import FreezeWatch, Triggers
from ..recording.own_folder import why_not_own
from ..recording.shelf import Bounds, Shelf
from ..ring.live_ring import LiveRing
from ..stopping import stop_on_signals
from ..words import file_word

MB = 1 << 20
MAKE_FOLDER = "sudo install -d -m 0750"
USUAL_FOLDER = "/var/lib/renoscope"


def _folder(name: str) -> Path:
    """Where recordings are kept, which must be there, and nobody else's to change."""
    if not os.path.lexists(name):
        raise Problem(f"watch: there is no folder {name}; make it with: {MAKE_FOLDER} "
                      f"{file_word(name)}", BAD_INPUT)
    try:
        if not Path(name).is_dir():
            raise Problem(f"watch: {name} is no folder", BAD_INPUT)
        folder = Path(name).resolve(strict=True)
        why_not = why_not_own(folder)
    except OSError as error:
        raise Problem(f"watch: cannot look at {name}: {error.strerror}", NOT_SO) from None
    if why_not:
        raise Problem(f"watch: {why_not}, and could stop watch or have it remove what it "
                      "saved; make a folder that is root's alone, and name that: "
                      f"{MAKE_FOLDER} {USUAL_FOLDER}", BAD_INPUT)
    return folder


def _watch(options: argparse.Namespace) -> int:
    host = Host()
    folder = host.renoscope_dir()
    host.need_root("watch")
    kept = _folder(options.folder)
    # Only root can open it, so nobody else can have it.  A kernel has one ring, and with it
    # the folder is ours as well.  Open, it keeps the module from being taken away, too.
    with stop_on_signals() as stop, only_one(folder / "stats", "watch this ring"):
        shelf = Shelf(kept, Bounds(options.keep, options.keep_mb * MB), complain,
                      boot_id=host.boot_id())
        watch = FreezeWatch(host, LiveRing(folder), shelf, stop, complain)
        add_up = watch.run(Triggers(options.on, options.after, options.rest))
    return OK if add_up else NOT_SO


def add(commands: Any) -> None:
    """The always-on recorder."""
    watch = add_command(
        commands, "watch", _watch, "save the ring each time it freezes",
        "Waits until the module stops recording, because an event came that "
        "freeze_on names; writes what the ring holds into a new file of "
        "DIR, lets recording go on, and waits again. Ends on Ctrl-C, SIGTERM "
        "or SIGHUP, and then sets freeze_on and freeze_after as they were.",
        f"sudo scripts/renoscope watch {USUAL_FOLDER} --on refused,rto=3 --after 100")
    watch.add_argument("folder", metavar="DIR",
                       help="where to: a folder in which nobody but root may write; "
                       "files are named freeze-DATE.renoscope")
    watch.add_argument("--on", metavar="K,...",
                       help="freeze on these kinds of event, or rto=N, N "
                       "timeouts in a row (default: what freeze_on says now)")
    watch.add_argument("--after", type=limit, metavar="N",
                       help="let N events follow it (default: what "
                       "freeze_after says now)")
    watch.add_argument("--rest", type=number_of_seconds, metavar="S",
                       default=60.0,
                       help="after a save, go on recording but let nothing "
                       "freeze for S seconds (default 60)")
    watch.add_argument("--keep", type=count, metavar="N", default=50,
                       help="keep the N files saved last, whatever the clock "
                       "was set to (default 50)")
    watch.add_argument("--keep-mb", type=count, metavar="MB", default=1024,
                       help="of them, keep at most so many megabytes; the "
                       "newest always (default 1024)")
