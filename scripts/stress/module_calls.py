# SPDX-License-Identifier: GPL-2.0
"""Loading and unloading by system call, from this process.

insmod and rmmod would do, but here a thousand loads want no thousand processes,
and a fault that is to hit the load must hit the process that asks for it.
"""

from __future__ import annotations

import ctypes
import os

from recorder import MODULE, NAME

# finit_module and delete_module, for which libc has no function.
_NUMBERS = {"x86_64": (313, 176), "aarch64": (273, 106)}
_LIBC = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> None:
    if _LIBC.syscall(number, *arguments) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def load(parameters: str | bytes = "") -> None:
    """Load the module; OSError says what the kernel answered."""
    fd = os.open(MODULE, os.O_RDONLY)
    try:
        load_open(fd, parameters)
    finally:
        os.close(fd)


def load_open(fd: int, parameters: str | bytes = "") -> None:
    """The same of an open file: this is one system call and nothing else."""
    words = parameters.encode() if isinstance(parameters, str) else parameters
    _call(_NUMBERS[os.uname().machine][0], fd, ctypes.c_char_p(words), 0)


def unload() -> None:
    """Unload the module; OSError with EAGAIN while somebody holds it."""
    _call(_NUMBERS[os.uname().machine][1], ctypes.c_char_p(NAME.encode()), os.O_NONBLOCK)
