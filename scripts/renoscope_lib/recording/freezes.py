# SPDX-License-Identifier: GPL-2.0
"""The flight recorder proper: each time the ring freezes, save it and go on.

The module stops recording just after what `freeze_on` names, so that the
minutes before it survive.  Here somebody waits for that, writes what the ring
holds into a file (shelf.py), and lets recording go on.

After a save the triggers rest for a while: what goes wrong once a second shall
not push out the recording of how it began.  Recording itself does not rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ..errors import BAD_INPUT, NOT_SO, Problem
from ..machine.held_parameter import Held, read_parameter, set_parameter
from ..machine.host import Host, set_command
from ..output.output_file import OutputFile
from ..ring.chosen import NO_TRIGGER
from ..ring.stats import parse_stats
from ..stopping import Stop
from ..words import plural
from .recorder import Limits, Recorder, Ring, Summary, meta
from .recording_file import RecordingWriter
from .shelf import Shelf

# A module parameter cannot be waited for.  Nothing is recorded between the freeze
# and the next look, so it is short; and it costs the reading of one small file.
LOOK_S = 0.5


@dataclass(frozen=True)
class Triggers:
    """What is to freeze the ring; None leaves it as it is set now."""

    kinds: str | None = None
    after: int | None = None
    rest_s: float = 60.0


class FreezeWatch:
    """Waits for freezes until it is told to stop, and saves each."""

    def __init__(self, host: Host, ring: Ring, shelf: Shelf, stop: Stop,
                 say: Callable[[str], None],
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._host = host
        self._ring = ring
        self._shelf = shelf
        self._stop = stop
        self._say = say
        self._clock = clock
        self._freeze_on = Held(host, "freeze_on")
        self._freeze_after = Held(host, "freeze_after")
        self._all_add_up = True

    def run(self, triggers: Triggers) -> bool:
        """Whether every recording saved adds up."""
        kinds = triggers.kinds or self._freeze_on.before
        if kinds in NO_TRIGGER:
            raise Problem("nothing is set that would freeze the ring; name it: "
                          "--on reset_received,rto=3", BAD_INPUT)
        with self._given_back():
            if triggers.after is not None:
                self._freeze_after.set(str(triggers.after))
            self._freeze_on.set(kinds)
            self._say(f"watching for {kinds}; Ctrl-C ends")
            self._watch(kinds, triggers.rest_s)
            self._finish()
        return self._all_add_up

    def _watch(self, kinds: str, rest_s: float) -> None:
        rests_until_s: float | None = None
        while not self._stop.asked:
            if not self._freeze_on.is_ours():
                kinds = self._freeze_on.leave()
                rests_until_s = None
                self._say(f"somebody has set freeze_on to {kinds}: watching for "
                          "that now, and leaving it so in the end")
            if self._is_frozen():
                self._freeze_on.set("none")
                self._save_and_thaw()
                rests_until_s = self._clock() + rest_s
            elif rests_until_s is not None and self._clock() >= rests_until_s:
                self._freeze_on.set(kinds)
                rests_until_s = None
            self._stop.wait(LOOK_S)

    def _finish(self) -> None:
        """Leave no freeze behind: nobody would save it, and nobody would thaw.

        Once no trigger can fire, one that has fired counts down to the freeze
        or has come to it.  Asked in this order, neither escapes.
        """
        if self._freeze_on.is_ours():
            self._freeze_on.set("none")
        pending = parse_stats(self._ring.stats_text()).pending
        if pending:
            self._say("a trigger has fired; not waiting for "
                      f"{plural(pending, 'more event')}")
            set_parameter(self._host, "frozen", "1")
        if self._is_frozen():
            self._save_and_thaw()

    def _save_and_thaw(self) -> None:
        """Frozen it stays if it cannot be saved."""
        try:
            path, summary = self._shelf.save(self._fill)
        except Problem as problem:
            if problem.exit_code != NOT_SO:
                raise
            raise Problem(f"{problem}; the ring stays frozen, and nothing is "
                          "recorded, until watch can save it, or by hand: "
                          f"{set_command('0', 'frozen')}", NOT_SO) from None
        self._say(f"saved {path}: {summary}")
        self._all_add_up = self._all_add_up and summary.adds_up
        set_parameter(self._host, "frozen", "0")

    def _fill(self, file: OutputFile) -> Summary:
        """What the ring holds at this moment."""
        at_once = Stop()
        at_once.ask()
        return Recorder(self._ring, RecordingWriter(file.write),
                        Limits(whole_ring=True), at_once
                        ).run(lambda: meta(self._host))

    @contextmanager
    def _given_back(self) -> Iterator[None]:
        """The triggers in the end as they were: nobody would thaw."""
        try:
            yield
        finally:
            with suppress(Problem):
                self._freeze_on.give_back()
                self._freeze_after.give_back()

    def _is_frozen(self) -> bool:
        return read_parameter(self._host, "frozen") == "1"
