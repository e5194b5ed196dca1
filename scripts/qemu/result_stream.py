# SPDX-License-Identifier: GPL-2.0
"""Split what the guest sends into the command's output and the guest's last line.

Both come over one serial port.  The last line carries a random token that
only this boot knows, so no output can be mistaken for it, and a guest that
dies early cannot look finished.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# ASCII "record separator": what a terminal does not show and text seldom has.
MARK = b"\x1e"


@dataclass(frozen=True)
class Ending:
    """What the guest reported when its command was done."""

    exit_code: int
    taint: int


class ResultStream:
    """Takes bytes as they come and gives back those meant for the user."""

    def __init__(self, token: str) -> None:
        pattern = rb"\x1e" + re.escape(token.encode()) + rb" (\d+) (\d+)\n"
        self._ending_line = re.compile(pattern)
        self._prefix = MARK + token.encode()
        self._held = b""
        self.ending: Ending | None = None

    def feed(self, data: bytes) -> bytes:
        """Return what can be shown now; what may become the last line is held."""
        if self.ending:
            return b""
        self._held += data
        found = self._ending_line.search(self._held)
        if found:
            self.ending = Ending(int(found.group(1)), int(found.group(2)))
            shown, self._held = self._held[: found.start()], b""
            return shown
        hold_from = self._start_of_possible_ending()
        shown, self._held = self._held[:hold_from], self._held[hold_from:]
        return shown

    def rest(self) -> bytes:
        """What was held and turned out to be no last line."""
        held, self._held = self._held, b""
        return held

    def _start_of_possible_ending(self) -> int:
        start = self._held.rfind(MARK)
        if start < 0:
            return len(self._held)
        candidate = self._held[start:]
        possible = self._prefix.startswith(candidate[: len(self._prefix)])
        return start if possible and b"\n" not in candidate else len(self._held)
