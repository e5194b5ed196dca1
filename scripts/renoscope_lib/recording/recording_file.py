# SPDX-License-Identifier: GPL-2.0
"""The file that `renoscope record` writes: its format, and writing it.

	magic	RENOSCP1
	chunk	type (4 ASCII capitals), payload length (u32, little-endian), payload

	META	JSON: kernel release, machine, boot id, both clocks, parameters
	SCHM	the module's schema, word for word
	STAT	the module's stats, when recording began and again when it ended
	RECS	whole records, as often as there are some
	DONE	JSON: what was read and lost on each CPU; the last chunk

It is written in one pass and can be read while it grows, through a pipe too;
parser.py reads it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

MAGIC = b"RENOSCP1"
CHUNK_HEADER = struct.Struct("<4sI")

META = b"META"
SCHEMA = b"SCHM"
STATS = b"STAT"
RECORDS = b"RECS"
DONE = b"DONE"

# Far above what the writer makes; a larger length can only be damage.
MAX_CHUNK_BYTES = 1 << 24
MAX_TEXT_BYTES = 1 << 20
TEXTS = (META, SCHEMA, STATS, DONE)


class RecordingWriter:
    """Writes the chunks in their order; `write` must take all it is given."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def _chunk(self, type_: bytes, payload: bytes) -> None:
        self._write(CHUNK_HEADER.pack(type_, len(payload)) + payload)

    def _json_chunk(self, type_: bytes, content: dict[str, Any]) -> None:
        self._chunk(type_, json.dumps(content, sort_keys=True).encode())

    def begin(self, meta: dict[str, Any], schema: str, stats: str) -> None:
        """Everything that stands before the first record."""
        self._write(MAGIC)
        self._json_chunk(META, meta)
        self._chunk(SCHEMA, schema.encode())
        self._chunk(STATS, stats.encode())

    def records(self, records: bytes) -> None:
        """Whole records; none is no chunk. They are many bytes: not copied again."""
        if records:
            self._write(CHUNK_HEADER.pack(RECORDS, len(records)))
            self._write(records)

    def end(self, stats: str, done: dict[str, Any]) -> None:
        """Everything that stands behind the last record."""
        self._chunk(STATS, stats.encode())
        self._json_chunk(DONE, done)
