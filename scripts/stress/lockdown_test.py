# SPDX-License-Identifier: GPL-2.0
"""A kernel locked down for integrity, as with Secure Boot: what loads, and what works.

Only what is signed with a key of the kernel's own may load. A debug kernel's build has
that key; of a distribution's kernel nobody has it, so there only the refusals are tried.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import loopback
import recorder
from hosts import run
from ktap_output import Skip, comment
from recorder import COMMAND, MODULE, PARAMETERS, Recorder, renoscope, wait_until

LOCKDOWN = Path("/sys/kernel/security/lockdown")
BUILD = Path(os.environ.get("RENOSCOPE_KERNEL_BUILD", ""))
SIGN_FILE = BUILD / "scripts" / "sign-file"
KERNELS_KEY = (BUILD / "certs" / "signing_key.pem", BUILD / "certs" / "signing_key.x509")
WORK = Path("/tmp/lockdown")
# A kernel without SECURITY_NETWORK lacks one of the functions.
WORKING = {"attached", "missing: this kernel has no such function"}


def _check_locked_down() -> None:
    if not LOCKDOWN.exists():
        run("mount", "-t", "securityfs", "securityfs", str(LOCKDOWN.parent))
    if "[integrity]" not in LOCKDOWN.read_text():
        raise RuntimeError("boot with lockdown=integrity")


def _other_key() -> tuple[Path, Path]:
    """A key that the kernel does not know."""
    key, certificate = WORK / "other.pem", WORK / "other.x509"
    run("openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-batch",
        "-subj", "/CN=nobody/", "-outform", "DER", "-keyout", str(key),
        "-out", str(certificate))
    return key, certificate


def _signed(name: str, key: tuple[Path, Path]) -> Path:
    """A copy of the module, signed."""
    WORK.mkdir(exist_ok=True)
    copy = WORK / name / MODULE.name
    copy.parent.mkdir()
    run(str(SIGN_FILE), "sha256", str(key[0]), str(key[1]), str(MODULE), str(copy))
    return copy


def _check_refused(module: Path, kernel_says: str) -> None:
    """`load` says that it is for want of a signature, the kernel's log why."""
    before = recorder.kernel_log()
    done = renoscope("load", str(module))
    assert done.returncode == 1 and not recorder.is_loaded(), done
    line, = done.stderr.splitlines()
    assert re.fullmatch(r"renoscope: .*lockdown.*; see: sudo \S+ doctor", line) or re.fullmatch(
        r"renoscope: .*signed with a key.*; see: sudo \S+ doctor", line), line
    log = recorder.kernel_log().removeprefix(before)
    assert kernel_says in log, log


def test_unsigned_is_refused() -> None:
    """What is not signed does not load; load says so and doctor explains it"""
    _check_locked_down()
    _check_refused(MODULE, "Lockdown: insmod: unsigned module loading is restricted")
    done = renoscope("doctor")
    assert done.returncode == 1, done
    comment(done.stdout)
    assert re.search(r"^ok +kernel lockdown: integrity; the files can be read all the same, "
                     r"and only a signed module will load$", done.stdout, re.MULTILINE), done
    assert re.search(r"^warn +module signature: with Secure Boot off the kernel takes no "
                     r"enrolled key, only those it was built with  — mend: ", done.stdout,
                     re.MULTILINE), done


def test_another_key_is_refused() -> None:
    """What is signed with a key that the kernel does not know does not load either"""
    _check_locked_down()
    WORK.mkdir(exist_ok=True)
    _check_refused(_signed("other", _other_key()), "is restricted")


def _kernels_key() -> tuple[Path, Path]:
    if not all(path.exists() for path in KERNELS_KEY):
        raise Skip("nobody has this kernel's key")
    return KERNELS_KEY


def test_changed_after_signing_is_refused() -> None:
    """A signature that does not fit the module is refused, be the key the right one"""
    _check_locked_down()
    module = _signed("changed", _kernels_key())
    code = bytearray(module.read_bytes())
    where = code.index(b"Flight recorder")
    code[where] ^= 1
    module.write_bytes(code)
    _check_refused(module, "")


def _read_every_file() -> None:
    """Each data file opens, can be read, and has something in it."""
    files = recorder.files()
    assert len(files) >= 5 + (os.cpu_count() or 1), files
    empty = [path for path in files if not recorder.content(path)]
    # A processor may have recorded nothing.
    assert all(path.parent.name.startswith("cpu") for path in empty), empty
    assert len(files) - len(empty) >= 6, empty


def _kinds(file: Path) -> set[str]:
    """The kinds of events in a recording."""
    lines = renoscope("export", str(file), "--format", "jsonl").stdout.splitlines()
    return {json.loads(line)["kind"] for line in lines}


def _record() -> None:
    """record saves what the ring holds."""
    file = WORK / "recorded"
    done = renoscope("record", "--all", "--duration", "0.1", str(file))
    assert done.returncode == 0 and "reset_sent" in _kinds(file), done


def _watch() -> None:
    """watch sets parameters, sees the freeze, and saves it."""
    with tempfile.TemporaryDirectory() as name:
        watch = subprocess.Popen(
            [sys.executable, str(COMMAND), "watch", name, "--on", "reset_sent"],
            stderr=subprocess.PIPE, text=True)
        assert watch.stderr is not None
        first = watch.stderr.readline()
        assert "watching for reset_sent" in first, first
        loopback.refuse()
        wait_until("a file", lambda: list(Path(name).glob("freeze-*.renoscope")))
        watch.send_signal(signal.SIGTERM)
        _, said = watch.communicate(timeout=60)
        assert watch.returncode == 0, said
        file, = Path(name).glob("freeze-*.renoscope")
        assert "reset_sent" in _kinds(file)


def test_signed_works() -> None:
    """Signed with the kernel's key it loads, every file can be read, record and watch work"""
    _check_locked_down()
    module = _signed("signed", _kernels_key())
    with Recorder(module=module) as it:
        attached = {status for place, status in recorder.sources().items()
                    if not place.startswith("netfilter:")}
        assert "attached" in attached and attached <= WORKING, recorder.sources()
        loopback.refuse()
        assert it.events("reset_sent")
        _read_every_file()
        _record()
        _watch()
        (PARAMETERS / "events").write_text("all")
        assert set(recorder.sources().values()) <= WORKING, recorder.sources()
        done = renoscope("doctor")
        assert "module signature: good, as the module is loaded" in done.stdout, done
    shutil.rmtree(WORK)
