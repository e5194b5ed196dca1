# SPDX-License-Identifier: GPL-2.0
"""Parameters of the module, set while it runs and given back afterwards."""

from __future__ import annotations

import errno

from ..errors import BAD_INPUT, NOT_PERMITTED, NOT_THERE, Problem
from . import module_log
from .host import PARAMETERS, Host, set_command


def set_parameter(host: Host, name: str, value: str) -> None:
    """Problem if the module does not take it."""
    path = host.path(f"{PARAMETERS}/{name}")
    try:
        path.write_text(value)
    except FileNotFoundError:
        raise Problem("the module is no longer loaded", NOT_THERE) from None
    except PermissionError:
        raise Problem(f"setting {name} needs root; run it with sudo",
                      NOT_PERMITTED) from None
    except OSError as error:
        why = f"cannot set {name} to {value!r}: {error.strerror}; see: sudo dmesg"
        if error.errno == errno.EINVAL:     # by hand too
            why = module_log.refusal(module_log.lines(host), name) or why
        else:
            why += f"; by hand: {set_command(value, name)}"
        raise Problem(why, BAD_INPUT) from None


def read_parameter(host: Host, name: str) -> str:
    """What it says now."""
    text = host.read(f"{PARAMETERS}/{name}")
    if text is None:
        raise Problem("the module is no longer loaded", NOT_THERE)
    return text.strip()


class Held:
    """A parameter that is ours for a while, unless somebody else sets it."""

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self._name = name
        self._ours = self.before = read_parameter(host, name)

    def set(self, value: str) -> None:
        """The module may say it in other words."""
        set_parameter(self._host, self._name, value)
        self._ours = read_parameter(self._host, self._name)

    def is_ours(self) -> bool:
        """Whether it still says what was set here."""
        return read_parameter(self._host, self._name) == self._ours

    def leave(self) -> str:
        """What somebody else has set stays."""
        self._ours = self.before = read_parameter(self._host, self._name)
        return self.before

    def give_back(self) -> None:
        """As it was."""
        if self.is_ours():
            self.set(self.before)
