# SPDX-License-Identifier: GPL-2.0
"""The exit codes of scripts/qemu/boot, for itself and for those who run it."""

from __future__ import annotations

from enum import IntEnum


class BootCode(IntEnum):
    """What became of a guest."""

    OK = 0
    COMMAND_FAILED = 1
    USAGE = 2
    LOG_NOT_CLEAN = 3
    CANNOT_RUN = 4
    GUEST_DIED = 5
    TIMED_OUT = 124


# The guest is gone, and nobody can say what its command would have come to.
DEATHS = (BootCode.GUEST_DIED, BootCode.TIMED_OUT)

EXPLAINED = f"""\
exit codes:
  {BootCode.OK}    the command succeeded and the kernel log is clean
  {BootCode.COMMAND_FAILED}    the command failed; its own exit code is named
  {BootCode.USAGE}    usage
  {BootCode.LOG_NOT_CLEAN}    the kernel's log or taint is not clean; the lines are shown
  {BootCode.CANNOT_RUN}    no guest can be run here at all, with the reason: a test may skip
  {BootCode.GUEST_DIED}    the guest died, also while it powered off, or did so before it \
reported; the log's
       end is shown
  {BootCode.TIMED_OUT}  the time limit passed; the log's end is shown
"""
