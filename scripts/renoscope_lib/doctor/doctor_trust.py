# SPDX-License-Identifier: GPL-2.0
"""Does this kernel load only modules that it trusts, and is ours one of them?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..machine import signing
from ..machine.host import Host, is_there
from .doctor_check import GOOD, WARN, Check

SECURE_BOOT = ("/sys/firmware/efi/efivars/"
               "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")
EFI = "/sys/firmware/efi"
LOCKDOWN = "/sys/kernel/security/lockdown"
SIG_ENFORCE = "/sys/module/module/parameters/sig_enforce"


class Trust:
    """The checks; `module` is the file that would be loaded, None if there is none."""

    def __init__(self, host: Host, is_loaded: bool, module: str | None) -> None:
        self._host = host
        self._is_loaded = is_loaded
        self._module = module
        self._signature_told = False

    def checks(self) -> Iterator[Check]:
        """All of them."""
        yield from self._lockdown()
        yield from self._sig_enforce()
        yield from self._secure_boot()

    def _lockdown_name(self) -> str | None:
        text = self._host.read(LOCKDOWN)
        if text is None:
            return None
        state = re.search(r"\[(\w+)\]", text)
        return state[1] if state else text.strip()

    def _lockdown(self) -> Iterator[Check]:
        name = self._lockdown_name()
        if name is None:
            yield Check(GOOD, "kernel lockdown: none to be seen")
        elif name == "none":
            yield Check(GOOD, "kernel lockdown: none")
        else:
            yield Check(GOOD, f"kernel lockdown: {name}; the files can be read all "
                        "the same, and only a signed module will load")
            yield from self._signature()

    def _sig_enforce(self) -> Iterator[Check]:
        """By the command line, or because the kernel was built so."""
        if (self._host.read(SIG_ENFORCE) or "").strip() == "Y":
            yield Check(GOOD, "module.sig_enforce: on, only a signed module will load")
            yield from self._signature()

    def _secure_boot_is_on(self) -> bool | None:
        """None if it cannot be told."""
        data = self._host.read_bytes(SECURE_BOOT)
        if data is None:
            return False if is_there(self._host.path(EFI)) is False else None
        return data[-1:] == b"\1"

    def _secure_boot(self) -> Iterator[Check]:
        """It asks for nothing by itself: the kernel locks itself down because of it."""
        if not self._secure_boot_is_on():
            yield Check(GOOD, "Secure Boot: off, or no EFI")
            return
        lockdown = self._lockdown_name()
        yield Check(GOOD, "Secure Boot: on" + (
            ", and the kernel is not locked down" if lockdown == "none" else ""))
        if lockdown is None:
            yield from self._signature()

    def _signature(self) -> Iterator[Check]:
        """Once, whichever of them asks for it."""
        if self._signature_told:
            return
        self._signature_told = True
        if self._is_loaded:
            yield Check(GOOD, "module signature: good, as the module is loaded")
            return
        if self._secure_boot_is_on() is False:
            yield Check(WARN, "module signature: with Secure Boot off the kernel takes "
                        "no enrolled key, only those it was built with",
                        "switch Secure Boot on in the firmware's setup, or take "
                        "lockdown= and module.sig_enforce off the kernel's command line")
            return
        verdict = signing.judge(self._host, self._module)
        yield Check(GOOD if verdict.is_fine else WARN,
                    f"module signature: {verdict.what}", verdict.mend)
