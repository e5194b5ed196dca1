# SPDX-License-Identifier: GPL-2.0
"""A recording as columns of numbers, for who computes over all of it.

A million events as Python objects take minutes and gigabytes; as columns, a
second and what is asked for:

	columns = read("transfer.renoscope")
	acks = columns.of("ack")
	acks["cwnd"].max(), acks["time_ns"][0], len(acks)

The records are copied into a file without a name, which is mapped: one that others can
shorten would end whoever reads its map.  In memory are only the place and the kind of
each record (nine bytes), and a column is gathered when it is asked for.  So keep a column
that is needed twice, and ask for no more than is needed.  Columns
hold numbers as they were recorded; `schema` has the words for them.  An address
is 16 bytes (dtype V16), for words.address().

Records stand as they were recorded: by time, but for marks and what a reader was
told of losses (columns.of("lost")).  What flows.Joiner would fill in is not there.

Needs numpy, and asks for it only here.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import BAD_INPUT, NOT_SO, NOT_THERE, Problem
from ..place import COMMAND
from ..recording.inputs import input_name
from ..recording.parser import RecordingParser
from ..ring.schema import SCOPE_ALL, Field, Schema

NUMPY_TYPES = {"u8": "u1", "u16": "u2", "u32": "u4", "u64": "u8", "addr": "V16",
               "text": "S16"}
NUMPY_ORDERS = {"little": "<", "big": ">"}

READ_BYTES = 1 << 20


def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        raise Problem("this needs numpy: apt-get install python3-numpy, and run "
                      f"{COMMAND} with /usr/bin/python3",
                      NOT_THERE) from None
    return numpy


class Rows:
    """The records of some kinds; rows["cwnd"] is a column of them."""

    def __init__(self, numpy: Any, file: mmap.mmap | bytes, schema: Schema,
                 fields: dict[str, Field], places: Any) -> None:
        self._numpy = numpy
        self._file = file
        self._order = NUMPY_ORDERS[schema.byte_order]
        self._fields = fields
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    @property
    def names(self) -> list[str]:
        """The fields that there are columns of."""
        return list(self._fields)

    def __getitem__(self, name: str) -> Any:
        """One column, a copy in this machine's byte order; KeyError if none."""
        field = self._fields[name]
        type_ = self._numpy.dtype(self._order + NUMPY_TYPES[field.type])
        if not len(self):
            return self._numpy.empty(0, type_.newbyteorder("="))
        # A field at every byte of the file; those of the records are picked.
        everywhere = self._numpy.ndarray(
            (len(self._file) - type_.itemsize + 1,), type_, self._file,
            strides=(1,))
        return everywhere[self._places + field.offset].astype(
            type_.newbyteorder("="), copy=False)


class Columns:
    """A whole recording; read() makes it."""

    def __init__(self, numpy: Any, file: mmap.mmap | bytes, parser: RecordingParser) -> None:
        assert parser.schema is not None, "the parser would have raised"
        self._numpy = numpy
        self._file = file
        self.schema: Schema = parser.schema
        self.meta: dict[str, Any] = parser.meta
        self.done: dict[str, Any] | None = parser.done
        self.stats: list[str] = parser.stats
        self.complaint: str | None = parser.complaint
        self.count = len(file) // self.schema.record_bytes
        self._places = numpy.arange(self.count) * self.schema.record_bytes
        self._kinds = self._rows([], self._places)["kind"]
        self._counts = numpy.bincount(self._kinds, minlength=256)

    def counts(self) -> dict[str, int]:
        """How many records there are of each kind that there is."""
        return {name: int(self._counts[number])
                for number, name in self.schema.kinds.items()
                if self._counts[number]}

    def of(self, *kinds: str) -> Rows:
        """The records of these kinds in their order; of all, if none is named.

        They have the columns that all these kinds have.  A kind that the schema
        does not have gives no rows.
        """
        numbers = [n for n, name in self.schema.kinds.items() if name in kinds]
        if not kinds:
            return self._rows(list(self.schema.kinds.values()), self._places)
        wanted = self._numpy.isin(self._kinds, numbers)
        return self._rows(list(kinds), self._places[wanted])

    def _rows(self, kinds: list[str], places: Any) -> Rows:
        fields = {f.name: f for f in self.schema.fields if f.scope == SCOPE_ALL}
        for field in self.schema.fields_of(kinds[0]) if kinds else ():
            if all(self._has(kind, field) for kind in kinds):
                fields[field.name] = field
        return Rows(self._numpy, self._file, self.schema, fields, places)

    def _has(self, kind: str, field: Field) -> bool:
        return any((mine.name, mine.type, mine.offset)
                   == (field.name, field.type, field.offset)
                   for mine in self.schema.fields_of(kind))


class _Copy:
    """The records in a file without a name; what goes wrong with it is told as such."""

    def __init__(self) -> None:
        try:
            self._file = tempfile.TemporaryFile()
        except OSError as error:
            raise self._failed(error) from None

    @staticmethod
    def _failed(error: OSError) -> Problem:
        return Problem(f"cannot keep the records in {tempfile.gettempdir()}: "
                       f"{error.strerror}; TMPDIR names another folder", NOT_SO)

    def write(self, records: bytes) -> None:
        """Behind the others."""
        try:
            self._file.write(records)
        except OSError as error:
            raise self._failed(error) from None

    def close(self) -> None:
        """What is mapped stays."""
        with suppress(OSError):     # what could not be written was told
            self._file.close()

    def mapped(self) -> mmap.mmap | bytes:
        """What was written, for good; an empty file cannot be mapped."""
        try:
            self._file.flush()
            if not os.fstat(self._file.fileno()).st_size:
                return b""
            return mmap.mmap(self._file.fileno(), 0, prot=mmap.PROT_READ)
        except OSError as error:
            raise self._failed(error) from None


def read(path: str | Path) -> Columns:
    """A recording's columns; - is standard input.

    Problem if nothing can be read of it.  One that is damaged or was cut off is given
    with what there is, and `complaint` tells.
    """
    numpy = _numpy()
    is_stdin = str(path) == "-"
    named = input_name(str(path))
    parser = RecordingParser()
    with closing(_Copy()) as copy:
        try:
            with open(0 if is_stdin else path, "rb", buffering=0,
                      closefd=not is_stdin) as source:
                for records in parser.records_of(iter(partial(source.read, READ_BYTES), b"")):
                    copy.write(records)
        except Problem as problem:
            raise Problem(f"{named}: {problem}", problem.exit_code) from None
        except OSError as error:
            raise Problem(f"cannot read {named}: {error.strerror}",
                          BAD_INPUT) from None
        return Columns(numpy, copy.mapped(), parser)
