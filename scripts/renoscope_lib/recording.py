# SPDX-License-Identifier: GPL-2.0
"""The file that `renoscope record` writes, and reading it back.

	magic	RENOSCP1
	chunk	type (4 ASCII capitals), payload length (u32, little-endian), payload

	META	JSON: kernel release, machine, boot id, both clocks, parameters
	SCHM	the module's schema, word for word
	STAT	the module's stats, when recording began and again when it ended
	RECS	whole records, as often as there are some
	DONE	JSON: what was read and lost on each CPU; the last chunk

It is written in one pass and can be read while it grows, through a pipe too.
A recording that ends before DONE was cut off; every whole record in it is
still good.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

from .errors import BAD_INPUT, Problem
from .schema import Schema, parse_schema
from .words import plural

MAGIC = b"RENOSCP1"
CHUNK_HEADER = struct.Struct("<4sI")

META = b"META"
SCHEMA = b"SCHM"
STATS = b"STAT"
RECORDS = b"RECS"
DONE = b"DONE"

# Far above what the writer makes; a larger length can only be damage.
MAX_CHUNK_BYTES = 1 << 24


class RecordingWriter:
    """Writes the chunks in their order; `write` must take all it is given."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
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
        """Whole records; none is no chunk."""
        if records:
            self._chunk(RECORDS, records)

    def end(self, stats: str, done: dict[str, Any]) -> None:
        """Everything that stands behind the last record."""
        self._chunk(STATS, stats.encode())
        self._json_chunk(DONE, done)


def _damaged(what: str) -> Problem:
    return Problem(f"damaged recording: {what}", BAD_INPUT)


def _parse_json(name: bytes, payload: bytes) -> dict[str, Any]:
    try:
        content = json.loads(payload)
    except ValueError:
        raise _damaged(f"its {name.decode()} chunk is no JSON") from None
    except RecursionError:
        raise _damaged(f"its {name.decode()} chunk is nested too deep") from None
    if not isinstance(content, dict):
        raise _damaged(f"its {name.decode()} chunk is no JSON object")
    return content


class RecordingParser:
    """Takes the bytes of a recording as they come and gives its records.

    feed() whatever was read, in pieces of any size; close() at the end.  Then
    `cut_off` tells what is missing, None for a whole recording.  Who has the file
    at hand feeds what it `wants()` and passes over the records that are `due()`.
    """

    def __init__(self) -> None:
        self.meta: dict[str, Any] = {}
        self.schema: Schema | None = None
        self.stats: list[str] = []
        self.done: dict[str, Any] | None = None
        self.records_seen = 0
        self.cut_off: str | None = None
        self._buffer = bytearray()
        self._magic_seen = False
        self._records_left = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield whole records; raise Problem behind the last good one."""
        self._buffer += data
        while True:
            records = self._take_records()
            if records:
                yield records
            if self._records_left or not self._take_chunk():
                return

    def close(self) -> None:
        """The source has ended."""
        if self.done is not None:
            return
        if not self._buffer and not self._magic_seen:
            raise Problem("not a recording: it is empty", BAD_INPUT)
        if self.schema is None:
            raise Problem("recording cut off before its schema: nothing can "
                          "be read from it", BAD_INPUT)
        self.cut_off = ("recording cut off after "
                        f"{plural(self.records_seen, 'whole record')}")
        if self._buffer:
            self.cut_off += f", {plural(len(self._buffer), 'byte')} left over"

    # ---- for who has the whole file at hand: records may stay where they are

    def due(self) -> int:
        """Bytes of records that stand next; 0 if something else does."""
        return self._records_left - len(self._buffer) if self._records_left else 0

    def wants(self) -> int:
        """How many bytes on something else than records would come to an end."""
        if not self._magic_seen:
            return len(MAGIC) - len(self._buffer)
        if len(self._buffer) < CHUNK_HEADER.size:
            return CHUNK_HEADER.size - len(self._buffer)
        _type, length = CHUNK_HEADER.unpack_from(self._buffer)
        return CHUNK_HEADER.size + length - len(self._buffer)

    def pass_over(self, count: int) -> None:
        """So many whole records that are due were taken without feed()."""
        assert self.schema is not None, "records are due only behind a schema"
        self._records_left -= count * self.schema.record_bytes
        self.records_seen += count

    # ---- what feed() does

    def _take_records(self) -> bytes:
        if not self._records_left or self.schema is None:
            return b""
        size = self.schema.record_bytes
        count = min(len(self._buffer), self._records_left) // size
        records = bytes(self._buffer[:count * size])
        del self._buffer[:count * size]
        self._records_left -= count * size
        self.records_seen += count
        return records

    def _take_chunk(self) -> bool:
        """Whether the buffer's beginning was of use; false asks for more."""
        if not self._magic_seen:
            return self._take_magic()
        if self.done is not None and self._buffer:
            raise _damaged("there is something behind its end")
        if len(self._buffer) < CHUNK_HEADER.size:
            return False
        type_, length = CHUNK_HEADER.unpack_from(self._buffer)
        self._check_header(type_, length)
        if type_ == RECORDS:
            del self._buffer[:CHUNK_HEADER.size]
            self._records_left = length
            return True
        end = CHUNK_HEADER.size + length
        if len(self._buffer) < end:
            return False
        payload = bytes(self._buffer[CHUNK_HEADER.size:end])
        del self._buffer[:end]
        self._chunk(type_, payload)
        return True

    def _take_magic(self) -> bool:
        start = bytes(self._buffer[:len(MAGIC)])
        if start[:-1] == MAGIC[:-1] and start != MAGIC:
            raise Problem("recording of format version "
                          f"{start[-1:].decode(errors='replace')!r}, only "
                          f"{MAGIC[-1:].decode()!r} is supported", BAD_INPUT)
        if not MAGIC.startswith(start):
            raise Problem("not a recording: it does not begin with "
                          f"{MAGIC.decode()}", BAD_INPUT)
        if len(start) < len(MAGIC):
            return False
        self._magic_seen = True
        del self._buffer[:len(MAGIC)]
        return True

    def _check_header(self, type_: bytes, length: int) -> None:
        if not (type_.isalpha() and type_.isupper()):
            raise _damaged(f"no chunk begins behind record {self.records_seen}")
        if length > MAX_CHUNK_BYTES:
            raise _damaged(f"a {type_.decode()} chunk of {length} bytes")
        if type_ != RECORDS:
            return
        if self.schema is None:
            raise _damaged("records before their schema")
        if length == 0 or length % self.schema.record_bytes:
            raise _damaged(f"{length} bytes of records of "
                           f"{self.schema.record_bytes} bytes")

    def _chunk(self, type_: bytes, payload: bytes) -> None:
        """One whole chunk; a type added later is passed over."""
        if type_ == META:
            self.meta = _parse_json(type_, payload)
        elif type_ == SCHEMA:
            if self.schema is not None:
                raise _damaged("a second schema")
            self.schema = parse_schema(self._text(type_, payload))
        elif type_ == STATS:
            self.stats.append(self._text(type_, payload))
        elif type_ == DONE:
            self.done = _parse_json(type_, payload)
            if self.done.get("records") != self.records_seen:
                raise _damaged(f"{plural(self.records_seen, 'record')} where "
                               f"its end says {self.done.get('records')}")

    @staticmethod
    def _text(type_: bytes, payload: bytes) -> str:
        try:
            return payload.decode()
        except UnicodeDecodeError:
            raise _damaged(f"its {type_.decode()} chunk is no text") from None
