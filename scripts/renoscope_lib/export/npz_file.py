# SPDX-License-Identifier: GPL-2.0
"""Columns for numpy: an .npz, which is a zip of one array for each field of each kind.

	events = numpy.load("transfer.npz")
	events["ack/cwnd"], events["retransmit/time_ns"]

One column at a time is gathered and written, so memory grows with the recording's
count of records, not with their fields.  Numbers that stand for words are told in
`words.json`: what numpy does not know as an array it gives as bytes.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable
from typing import IO, Any, cast

from .columns import Columns

WORDS = "words.json"


class _Sink:
    """A file that is only written, from its beginning to its end."""

    def __init__(self, output: Callable[[bytes], None]) -> None:
        self._output = output

    def write(self, data: bytes) -> int:
        """All of it."""
        self._output(data)
        return len(data)

    def flush(self) -> None:
        """Whoever made it flushes."""


def write(columns: Columns, kinds: Iterable[str], output: Callable[[bytes], None]) -> None:
    """Of each kind that there are records of, every field as an array."""
    from numpy.lib import format as npy

    sink = cast(IO[bytes], _Sink(output))
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for kind in kinds:
            rows = columns.of(kind)
            for name in rows.names:
                with archive.open(f"{kind}/{name}.npy", "w", force_zip64=True) as entry:
                    npy.write_array(cast(Any, entry), rows[name])
        archive.writestr(WORDS, json.dumps(columns.schema.values, indent=1))
