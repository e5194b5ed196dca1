# SPDX-License-Identifier: GPL-2.0
"""Reading a recording (recording_file.py), be it whole, growing, cut off or damaged.

A recording that ends before DONE was cut off; every whole record in it is still good.
So are those before and behind a damaged part, which is passed over: what is gone with
it is told as a loss, by continuity.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import BAD_INPUT, Problem
from ..ring.schema import Schema
from ..ring.schema_parser import parse_schema
from ..ring.stats import parse_stats
from ..words import plural
from .continuity import Continuity
from .recording_file import (CHUNK_HEADER, DONE, MAGIC, MAX_CHUNK_BYTES, MAX_TEXT_BYTES, META,
                             RECORDS, SCHEMA, STATS, TEXTS)

A_TYPE = re.compile(b"|".join((*TEXTS, RECORDS)))

# Behind damage the next chunk is looked for as far as this: a file may be all holes.
SEARCHED_BYTES = 1 << 26

# Damages that are told one by one; the others are counted.
TOLD_DAMAGES = 2


def _parse_json(payload: bytes) -> dict[str, Any]:
    """ValueError says what is wrong with it."""
    try:
        content = json.loads(payload)
    except ValueError:
        raise ValueError("is no JSON") from None
    except RecursionError:
        raise ValueError("is nested too deep") from None
    if not isinstance(content, dict):
        raise ValueError("is no JSON object")
    return content


class RecordingParser:
    """Takes the bytes of a recording as they come and gives its records.

    records_of() all that is read does; or feed() whatever was read, in pieces of any size,
    until `ended`, then rest() and close().  Then `complaint` tells what is damaged or
    missing, None for a whole recording.
    """

    def __init__(self) -> None:
        self.meta: dict[str, Any] = {}
        self.schema: Schema | None = None
        self.stats: list[str] = []
        self.done: dict[str, Any] | None = None
        self.records_seen = 0
        self.cut_off: str | None = None
        self.ended = False
        self.tells_damage = False   # of the block that was just given
        self._damages: list[str] = []
        self._damage_count = 0
        self._buffer = bytearray()
        self._taken = 0             # bytes before the buffer
        self._magic_seen = False
        self._records_left = 0
        self._length_unknown = False
        self._searched = 0
        self._wrong_bytes = 0
        self._continuity: Continuity | None = None

    @property
    def complaint(self) -> str | None:
        """What is wrong with it as far as it was read; None if nothing is."""
        said = []
        if self._damages:
            said.append(f"damaged recording: {'; '.join(self._damages)}")
        if self._damage_count > len(self._damages):
            said.append(f"{self._damage_count - len(self._damages)} more such places")
        if self.cut_off:
            said.append(self.cut_off)
        return "; ".join(said) or None

    def records_of(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Whole records of all that comes; b"" is a pause, as it is in the pieces."""
        for piece in pieces:
            if not piece:
                yield b""
            yield from self.feed(piece)
            if self.ended:
                break
        yield from self.rest()
        self.close()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield whole records; raise Problem if nothing can be read from it."""
        self._buffer += data
        while not self.ended:
            yield from self._take_records()
            if self._records_left or not self._take_chunk():
                return

    def rest(self) -> Iterator[bytes]:
        """The source has ended: what there is in a chunk that says it is longer."""
        while not self.ended and not self._records_left and self.done is None:
            at = self._next_chunk()
            if at is None:
                return
            self._note(f"what begins at byte {self._taken} is longer than all the rest")
            self._drop(at)
            yield from self.feed(b"")

    def _next_chunk(self) -> int | None:
        """Where in the buffer another chunk begins than the one at its beginning."""
        if len(self._buffer) < CHUNK_HEADER.size or not self._magic_seen:
            return None
        for found in A_TYPE.finditer(self._buffer, 1):
            if self._chunk_begins(self._buffer, found.start()):
                return found.start()
        return None

    def close(self) -> None:
        """The source has ended, and rest() gave what it could."""
        if not self._buffer and not self._magic_seen:
            raise Problem("not a recording: it is empty", BAD_INPUT)
        if self.schema is None:
            raise Problem(self.complaint or "recording cut off before its schema: "
                          "nothing can be read from it", BAD_INPUT)
        if self.ended:
            return
        if self.done is not None:
            if self._buffer:
                self._note(f"there is something behind its end, at byte {self._taken}")
            return
        self.cut_off = ("recording cut off after "
                        f"{plural(self.records_seen, 'whole record')}")
        if left_over := len(self._buffer) + self._searched:
            self.cut_off += f", {plural(left_over, 'byte')} left over"

    def _drop(self, count: int) -> bytes:
        """The buffer's first bytes, which it holds no more."""
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._taken += len(taken)
        return taken

    def _put_back(self, taken: bytes) -> None:
        self._buffer[:0] = taken
        self._taken -= len(taken)

    def _note(self, damage: str) -> None:
        """A part is damaged: go on behind it."""
        self._damage_count += 1
        if len(self._damages) < TOLD_DAMAGES:
            self._damages.append(damage)
        if self._continuity is not None:
            self._continuity.interrupted()

    # ---- records

    def _take_records(self) -> Iterator[bytes]:
        """Whole ones, as many as there are of this chunk."""
        if self.schema is None:
            return
        if self._length_unknown:
            yield from self._take_while_they_follow()
            return
        size = self.schema.record_bytes
        count = min(len(self._buffer), self._records_left) // size
        records = self._drop(count * size) if count else b""
        self._records_left -= len(records)
        if self.schema.knows_kinds_of(records):
            yield from self._good(records)
        else:
            yield from self._take_known(records)

    def _take_known(self, records: bytes) -> Iterator[bytes]:
        """Those that are of a kind that there is, up to where another chunk stands."""
        assert self.schema is not None
        size = self.schema.record_bytes
        at = 0
        while at < len(records):
            end = at
            while end < len(records) and self.schema.knows_kinds_of(records[end:end + size]):
                end += size
            yield from self._good(records[at:end])
            if self._chunk_begins(records, end):
                self._fewer_than_it_says(records[end:])
                return
            if end < len(records):
                self._note(f"record {self.records_seen + 1} is of no kind that its "
                           "schema has")
                self.records_seen += 1
            at = end + size

    def _take_while_they_follow(self) -> Iterator[bytes]:
        """Where nobody knows how many there are: as long as each fits what came before."""
        assert self.schema is not None and self._continuity is not None
        size = self.schema.record_bytes
        while len(self._buffer) >= size:
            record = bytes(self._buffer[:size])
            if not self._continuity.may_follow(record):
                self._length_unknown = False
                self._records_left = 0
                return
            yield from self._good(self._drop(size))

    def _good(self, records: bytes) -> Iterator[bytes]:
        assert self.schema is not None and self._continuity is not None
        if not records:
            return
        self.records_seen += len(records) // self.schema.record_bytes
        lost = self._continuity.missing_before(records)
        if lost:
            self.tells_damage = True
            yield lost
            self.tells_damage = False
        yield records

    def _fewer_than_it_says(self, rest: bytes) -> None:
        """Another chunk stands where a record should."""
        self._put_back(rest)
        self._records_left = 0
        self._note(f"the records before byte {self._taken} are fewer than it says")

    # ---- chunks

    def _take_chunk(self) -> bool:
        """Whether the buffer's beginning was of use; false asks for more."""
        if not self._magic_seen:
            return self._take_magic()
        if self.done is not None and self._buffer:
            return self._take_other()
        if self._searched:
            return self._search()
        if len(self._buffer) < CHUNK_HEADER.size:
            return False
        type_, length = CHUNK_HEADER.unpack_from(self._buffer)
        if fault := self._fault_of(type_, length):
            return self._go_on_behind(fault, type_)
        if type_ == RECORDS:
            self._drop(CHUNK_HEADER.size)
            self._records_left = length
            assert self._continuity is not None
            self._continuity.interrupted()
            return True
        if len(self._buffer) < CHUNK_HEADER.size + length:
            return False
        self._drop(CHUNK_HEADER.size)
        self._chunk(type_, self._drop(length))
        return True

    def _go_on_behind(self, fault: str, type_: bytes) -> bool:
        """With records, if some stand here; otherwise with the next chunk."""
        size = self.schema.record_bytes if self.schema is not None else 0
        if self._continuity is not None:
            if type_ != RECORDS and len(self._buffer) < size:
                return False
            header = CHUNK_HEADER.size if type_ == RECORDS else 0
            if header or self._continuity.expects(bytes(self._buffer[:size])):
                self._note_fault(fault)
                self._drop(header)
                self._length_unknown = True
                self._records_left = size
                return True
        self._note_fault(fault)
        self._searched = len(self._drop(1))
        return True

    def _note_fault(self, fault: str) -> None:
        self._note(f"{fault} behind record {self.records_seen}, at byte {self._taken}")

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
        self._drop(len(MAGIC))
        return True

    def _take_other(self) -> bool:
        """What is behind the end is of another recording, or of none."""
        if len(self._buffer) < len(MAGIC) and MAGIC.startswith(self._buffer):
            return False
        self.ended = True
        if self._buffer.startswith(MAGIC):
            self._note(f"another recording begins behind its end: tail -c +{self._taken + 1} "
                       "gives that one")
        else:
            self._note(f"there is something behind its end, at byte {self._taken}")
        return True

    def _search(self) -> bool:
        """Go to where the next chunk begins."""
        found = A_TYPE.search(self._buffer)
        # At the buffer's end a part of a type may stand.
        at = found.start() if found else max(len(self._buffer) - len(RECORDS) + 1, 0)
        del found   # it would keep the buffer as it is
        self._searched += len(self._drop(at))
        if self._searched > SEARCHED_BYTES:
            self._note(f"no chunk in the {SEARCHED_BYTES >> 20} MiB behind that: given up")
            self.ended = True
            return True
        if len(self._buffer) < CHUNK_HEADER.size:
            return False
        if self._chunk_begins(self._buffer):
            self._searched = 0
        else:
            self._searched += len(self._drop(1))
        return True

    def _chunk_begins(self, data: bytes | bytearray, at: int = 0) -> bool:
        """Whether one of a known type can begin there."""
        if len(data) - at < CHUNK_HEADER.size:
            return False
        type_, length = CHUNK_HEADER.unpack_from(data, at)
        return type_ in (*TEXTS, RECORDS) and not self._fault_of(type_, length)

    def _fault_of(self, type_: bytes, length: int) -> str:
        """Why no chunk can begin like this; empty if one can, be it of a later type."""
        if not (type_.isalpha() and type_.isupper()):
            return "no chunk begins"
        if length > (MAX_TEXT_BYTES if type_ in TEXTS else MAX_CHUNK_BYTES):
            return f"a {type_.decode()} chunk of {length} bytes"
        if type_ != RECORDS:
            return ""
        if self.schema is None:
            return "records before their schema"
        if length == 0 or length % self.schema.record_bytes:
            return f"{length} bytes of records of {self.schema.record_bytes} bytes"
        return ""

    def _chunk(self, type_: bytes, payload: bytes) -> None:
        """One whole chunk; a type added later is passed over."""
        try:
            if type_ == SCHEMA:
                self._take_schema(payload.decode())
            elif type_ == META:
                self.meta = _parse_json(payload)
            elif type_ == STATS:
                self._take_stats(payload.decode())
            elif type_ == DONE:
                self.done = _parse_json(payload)
                self._check_done(self.done)
        except UnicodeDecodeError:
            self._wrong(type_, payload, "is no text")
        except ValueError as error:
            self._wrong(type_, payload, str(error))

    def _wrong(self, type_: bytes, payload: bytes, what: str) -> None:
        """It may be shorter than it says: what it holds is searched, too."""
        if type_ == SCHEMA and self.schema is None:
            raise Problem(f"damaged recording: its {type_.decode()} chunk {what}", BAD_INPUT)
        self._note(f"its {type_.decode()} chunk {what}")
        self._wrong_bytes += len(payload)
        if self._wrong_bytes > SEARCHED_BYTES:
            self._note("too much of it is wrong: given up")
            self.ended = True
            return
        self._put_back(payload)
        self._searched = len(self._drop(1))

    def _take_schema(self, text: str) -> None:
        if self.schema is not None:
            raise ValueError("is a second one")
        self.schema = parse_schema(text)
        self._continuity = Continuity(self.schema)

    def _take_stats(self, text: str) -> None:
        """That of the beginning and that of the end."""
        try:
            parse_stats(text)
        except Problem as problem:
            raise ValueError(f"is not what it should be ({problem})") from None
        del self.stats[1:]
        self.stats.append(text)

    def _check_done(self, done: dict[str, Any]) -> None:
        if done.get("records") != self.records_seen:
            self._note(f"its end tells of {_short(done.get('records'))} records, and there "
                       f"are {self.records_seen}")


def _short(value: object) -> str:
    """What somebody else wrote: no more than a number's length of it."""
    return repr(value) if isinstance(value, int | None) else "no number of"
