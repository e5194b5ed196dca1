# SPDX-License-Identifier: GPL-2.0
"""Where export writes to: standard output, or a file that is whole or not there.

Of a damaged recording it holds what there is, as that is all that anybody has.
"""

from __future__ import annotations

import sys
from typing import Self

from ..errors import BAD_INPUT, Problem
from ..output.whole_file import WholeFile

BUFFER_BYTES = 1 << 16


class Output:
    """Takes bytes, and writes them in pieces that are worth a system call."""

    def __init__(self, name: str | None, follows: bool = False) -> None:
        """What follows is read while it is written."""
        self._file = (None if name is None
                      else WholeFile(name, at_once=not follows))
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        if error is None or (isinstance(error, Problem)
                             and error.exit_code == BAD_INPUT):
            self._close()
        else:
            self.drop()

    def write(self, data: bytes) -> None:
        """Soon."""
        self._buffer += data
        if len(self._buffer) >= BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Now."""
        data, self._buffer = bytes(self._buffer), bytearray()
        if self._file is not None:
            self._file.write(data)
        else:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def drop(self) -> None:
        """There is nothing in it that anybody wants."""
        self._buffer.clear()
        if self._file is not None:
            self._file.drop()

    def _close(self) -> None:
        try:
            self.flush()
        except BaseException:
            self.drop()
            raise
        if self._file is not None:
            self._file.close()
