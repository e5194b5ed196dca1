# SPDX-License-Identifier: GPL-2.0
"""The same events twice, for who must know first of whom to tell.

A file is read again.  What came from the ring or through a pipe comes only once, so
it is put by on disk meanwhile.
"""

from __future__ import annotations

import pickle
import tempfile
import zlib
from collections.abc import Iterator
from typing import IO

from ..ring.schema import Event
from ..views.telling import joined, open_input

# Events packed together; a batch as it stands in memory takes about a megabyte.
BATCH = 512
LENGTH_BYTES = 4


class Replay:
    """Go through first() to its end, then through second()."""

    def __init__(self, name: str | None) -> None:
        self._name = name
        self.source = open_input(name, follows=False)
        self._is_file = name not in (None, "-") and not self.source.follows
        self._kept: IO[bytes] | None = None
        if not self._is_file:
            self._kept = tempfile.TemporaryFile()

    def first(self) -> Iterator[Event]:
        """All events, joined, as they come."""
        batch: list[Event] = []
        for event in joined(self.source):
            if self._kept is not None:
                batch.append(event)
                if len(batch) == BATCH:
                    self._put_by(batch)
            yield event
        self._put_by(batch)

    def _put_by(self, batch: list[Event]) -> None:
        if self._kept is None or not batch:
            return
        packed = zlib.compress(pickle.dumps(batch, pickle.HIGHEST_PROTOCOL), 1)
        self._kept.write(len(packed).to_bytes(LENGTH_BYTES))
        self._kept.write(packed)
        batch.clear()

    def second(self) -> Iterator[Event]:
        """The same ones again."""
        if self._kept is None:
            self.source = open_input(self._name, follows=False)
            yield from joined(self.source)
            return
        with self._kept as kept:
            kept.seek(0)
            while length := kept.read(LENGTH_BYTES):
                yield from pickle.loads(zlib.decompress(
                    kept.read(int.from_bytes(length))))

    def close(self) -> None:
        """When there is no second time."""
        if self._kept is not None:
            self._kept.close()
