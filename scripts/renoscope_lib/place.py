# SPDX-License-Identifier: GPL-2.0
"""Where this copy of the command lives, and so what a person types.

In the source tree it is scripts/renoscope, with the module that `make` built
beside it; in the guest of `make guest` a link to that is found by its name.
Installed by the package it is renoscope, found by its name, and DKMS has the module.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from . import VERSION

IN_SOURCES = "scripts/renoscope"
INSTALLED = "renoscope"

_TREE = Path(__file__).resolve().parents[2]
_DKMS_SOURCE = Path(f"/usr/src/tcp_renoscope-{VERSION}")

IS_IN_SOURCES = os.path.exists(_TREE / "module" / "Kbuild")

# Where sudo, too, finds a command by its name (Debian's secure_path).
SUDOS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def typed_name() -> str:
    """What a person types: in the guest the sources' copy has a link where commands are."""
    found = shutil.which(INSTALLED, path=SUDOS_PATH)
    is_by_name = found is not None and Path(found) == Path(sys.argv[0])
    return INSTALLED if is_by_name or not IS_IN_SOURCES else IN_SOURCES


COMMAND = typed_name()
MODULE_SOURCE = (_TREE if IS_IN_SOURCES else _DKMS_SOURCE) / "module"

# Where `make` leaves the module; nothing is there if this is installed.
BUILT = _TREE / "module" / "tcp_renoscope.ko"


def rebuild_command(release: str = "$(uname -r)") -> str:
    """What makes DKMS build a module that it has built already."""
    module = f"tcp_renoscope/{VERSION} -k {release}"
    return f"sudo dkms unbuild {module} && sudo dkms install {module}"


BUILD_AGAIN = ("build it again with make" if IS_IN_SOURCES
               else f"build it again: {rebuild_command()}")


def build_command(release: str) -> str:
    """What makes a module for a kernel."""
    if IS_IN_SOURCES:
        return "make"
    return (f"sudo apt-get install renoscope-dkms linux-headers-{release} && "
            f"sudo dkms install tcp_renoscope/{VERSION} -k {release}")


def as_run() -> str:
    """How a person runs this command now, so that what it proposes can be pasted."""
    path = Path(sys.argv[0])
    if path.name != INSTALLED:      # a program that has us for a library
        return COMMAND
    found = shutil.which(INSTALLED)
    is_by_name = found is not None and Path(found) == path
    sudo = "sudo " if "SUDO_UID" in os.environ else ""
    return sudo + (INSTALLED if is_by_name else shlex.quote(sys.argv[0]))


def as_typed(example: str) -> str:
    """An example, written for the source tree, as it is typed here."""
    return example.replace(IN_SOURCES, COMMAND)
