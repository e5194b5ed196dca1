# SPDX-License-Identifier: GPL-2.0
"""Will the kernel take this module's signature, and if not, what to sign and enrol.

Locked down, as with Secure Boot, or told to by module.sig_enforce, a kernel loads
only modules signed with a key that it knows: its builder's, or, with Secure Boot, one
of the machine's owner (MOK) that was enrolled with mokutil.  DKMS signs what it builds,
with a key that it makes by itself, but nobody can enrol that key unseen: it takes a
reboot and a person at the console.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from glob import glob

from ..place import rebuild_command
from . import kmod
from .host import Host, is_there

DKMS_KEY = "/var/lib/dkms/mok.key"
DKMS_CERTIFICATE = "/var/lib/dkms/mok.pub"
DKMS_SETTINGS = "/etc/dkms/framework.conf"

# What mokutil says of a certificate.
ENROLLED = ("already enrolled", "built-in trusted keyring", "already in db",
            "in kernel trusted keyring")
ASKED_FOR = "in the enrollment request"
NOT_ENROLLED = "is not enrolled"
AT_THE_NEXT_BOOT = "reboot; on its blue screen: Enroll MOK, Continue, the password"


@dataclass(frozen=True)
class Verdict:
    """Whether it will load as far as can be told, why, and what to type if not."""

    is_fine: bool
    what: str
    mend: str = ""


@dataclass(frozen=True)
class Keys:
    """A private key and its certificate, as files."""

    key: str
    certificate: str


def dkms_keys(host: Host) -> Keys:
    """What DKMS signs with, by its settings."""
    text = host.read(DKMS_SETTINGS) or ""
    folder = host.path(f"{DKMS_SETTINGS}.d")
    for name in sorted(glob("*.conf", root_dir=folder)):
        text += host.read(f"{DKMS_SETTINGS}.d/{name}") or ""

    def setting(name: str, default: str) -> str:
        found = re.findall(rf"^\s*{name}=(\S+)", text, re.MULTILINE)
        return found[-1].strip("\"'") if found else default
    return Keys(setting("mok_signing_key", DKMS_KEY),
                setting("mok_certificate", DKMS_CERTIFICATE))


def _may_be_there(host: Host, certificate: str) -> bool:
    """DKMS' settings name it: who may not look takes their word for it."""
    return is_there(host.path(certificate)) is not False


def _is_built_by_dkms(path: str) -> bool:
    return "/updates/dkms/" in path or path.startswith("/var/lib/dkms/")


def _import(certificate: str) -> str:
    return (f"sudo mokutil --import {shlex.quote(certificate)} (asks for a new "
            f"password), then {AT_THE_NEXT_BOOT}")


def _sign_command(host: Host, path: str, keys: Keys) -> str:
    return (f"sudo /lib/modules/{host.release}/build/scripts/sign-file sha256 "
            f"{keys.key} {keys.certificate} {shlex.quote(path)}")


def judge(host: Host, path: str | None) -> Verdict:
    """Of the module that would be loaded; None if there is none yet."""
    keys = dkms_keys(host)
    if path is None:
        return Verdict(False, "the module must be signed once it is built; DKMS "
                       "does that", _import(keys.certificate)
                       if _may_be_there(host, keys.certificate) else "")
    signer = kmod.signer(host, path)
    if signer is None:
        return _unsigned(host, path, keys)
    if not _is_built_by_dkms(path):
        return Verdict(True, f"the module is signed by {signer!r}; whether that key "
                       "is enrolled: mokutil --list-enrolled")
    return _enrolled(host, signer, keys)


def _unsigned(host: Host, path: str, keys: Keys) -> Verdict:
    what = f"{path} is not signed"
    if _is_built_by_dkms(path):
        return Verdict(False, f"{what}: sign-file or openssl was missing when DKMS "
                       "built it", "sudo apt-get install openssl "
                       f"linux-headers-{host.release} && "
                       + rebuild_command(host.release))
    if _may_be_there(host, keys.certificate):
        return Verdict(False, what, f"{_sign_command(host, path, keys)}; once, if "
                       f"it is not yet enrolled: {_import(keys.certificate)}")
    own = Keys("MOK.priv", "MOK.der")
    return Verdict(False, what, "openssl req -new -x509 -newkey rsa:2048 -nodes "
                   "-days 36500 -subj /CN=renoscope/ -outform DER -keyout "
                   f"{own.key} -out {own.certificate} && "
                   f"{_sign_command(host, path, own)} && {_import(own.certificate)}")


def _enrolled(host: Host, signer: str, keys: Keys) -> Verdict:
    """Of what DKMS has signed."""
    signed = f"the module is signed by {signer!r}"
    asked = host.run(["mokutil", "--test-key", keys.certificate])
    if asked is None:
        return Verdict(False, f"{signed}; whether that key is enrolled cannot be "
                       "told without mokutil", "sudo apt-get install mokutil, then "
                       "ask again")
    said = asked.stdout + asked.stderr
    if ASKED_FOR in said:
        return Verdict(False, f"{signed}, a key that waits to be enrolled",
                       AT_THE_NEXT_BOOT)
    if any(words in said for words in ENROLLED):
        return Verdict(True, f"{signed}, a key that is enrolled")
    if NOT_ENROLLED in said:
        return Verdict(False, f"{signed}, a key that is not enrolled",
                       _import(keys.certificate))
    why = " ".join(said.split()) or f"exit code {asked.returncode}"
    return Verdict(False, f"{signed}; whether that key is enrolled cannot be told, "
                   f"mokutil says: {why}")
