# SPDX-License-Identifier: GPL-2.0
"""The one exception that reaches the user, and the exit codes.

Whatever goes wrong in a foreseeable way ends as one line on standard error and
one of these codes; a traceback is always a bug.
"""

from __future__ import annotations

OK = 0
NOT_SO = 1
BAD_INPUT = 2
NOT_PERMITTED = 3
NOT_THERE = 4
INTERRUPTED = 130

EXIT_CODES_HELP = """\
exit codes:
  0    done
  1    what was asked for is not so: doctor found a fault, the module would not
       load or unload, a file could not be written, a recording does not add up,
       or nothing in it is of the connections that were chosen
  2    wrong usage, or bad input: no recording, a damaged or cut-off one
  3    not permitted: root is needed
  4    the module is not loaded, or the kernel lacks something
  130  interrupted
"""


class Problem(Exception):
    """Something to tell the user in one line, with the exit code it means."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
