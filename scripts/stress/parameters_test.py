# SPDX-License-Identifier: GPL-2.0
"""Anything written to the module's parameters, at load and while it is loaded."""

from __future__ import annotations

import errno
import os
import random
import re
import string
from pathlib import Path

import module_calls
from hosts import run
from ktap_output import comment
from recorder import FOLDER, PARAMETERS, Recorder, is_loaded, run_rmmod
from seeds import TEN_MINUTES_S, check_each

EDGES = [sign + str(base + step) for base in (0, 1, 2**7, 2**8, 2**15, 2**16, 2**31, 2**32, 2**63,
                                              2**64, 10**9, 10**30)
         for step in (-1, 0, 1) for sign in ("", "-", "+")]
NEARLY = ("", " ", "\n", "none", "None", "none none", "all", "default", "+segment", "-ack",
          "+segment -ack", "ack,state", "ack,,state", ",", "rto=3", "rto=0", "rto=4294967296",
          "rto=", "rto", "refused,rto=2", "port=5000", "port=0", "port=65536", "port==1",
          "addr=10.0.0.0/33", "addr=::1/129", "state=", "cookie=sk:", "Y", "N", "y", "on",
          "off", "0x10", "010", "1 ", " 1", "1\n", "1\n\n", "1k", "0.5", "1e3", "1/2")
# What may be refused with; ENOMEM only where memory is made to lack.
REFUSED = (errno.EINVAL, errno.ERANGE, errno.EPERM)


def _text(random_: random.Random) -> bytes:
    """Random, long, empty, with NULs, at the edges of types, nearly right."""
    what = random_.randrange(8)
    if what == 0:
        return random_.choice(EDGES).encode()
    if what == 1:
        return random_.choice(NEARLY).encode()
    if what == 2:
        return random_.randbytes(random_.choice((1, 7, 64, 300)))
    if what == 3:
        return "".join(random_.choices(string.printable, k=random_.randrange(40))).encode()
    if what == 4:
        return random_.choice(("\u00e9", "\u4e2d\u6587", "\U0001f642", "\u202e")).encode() * 3
    if what == 5:
        word = random_.choice((*NEARLY, *EDGES)).encode()
        return word + random_.choice((b"\0", b"\0rest", b"\n", b"\r\n", b" "))
    if what == 6:
        return random_.choice(NEARLY).encode() * random_.choice((20, 500, 2000))
    words = bytearray(random_.choice(NEARLY).encode() or b"x")
    words[random_.randrange(len(words))] = random_.randrange(256)
    return bytes(words)


def _read(path: Path) -> bytes:
    return path.read_bytes()


def _write(path: Path, text: bytes) -> int:
    """In one call; 0 or the error."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text)
        return 0
    except OSError as error:
        return error.errno or -1
    finally:
        os.close(fd)


# Parameters that are plain numbers, and from where to where.
NUMBERS = {"flow_sample": (1, 10**9), "ack_sample": (1, 10**9), "freeze_after": (0, 10**9),
           "frozen": (0, 1)}


# As the kernel reads them: hexadecimal behind 0x, octal behind 0, else decimal.
NUMBER = re.compile(rb"\+?(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))\n?")


def number_of(text: bytes) -> int | None:
    """What a text stands for, None if it is no number."""
    found = NUMBER.fullmatch(text)
    if found is None:
        return None
    return next(int(digits, base) for digits, base in zip(found.groups(), (16, 8, 10))
                if digits is not None)


def _check_number(name: str, text: bytes, error: int) -> None:
    text = text[:4096].partition(b"\0")[0]
    number = number_of(text)
    least, most = NUMBERS[name]
    fits = number is not None and least <= number <= most
    assert fits == (not error), f"{name} takes {text!r}: {not error}"
    if fits and name != "frozen":
        assert int(_read(PARAMETERS / name)) == number, (name, text)


def _write_one(random_: random.Random) -> None:
    """Refused, it changes nothing; taken, it reads back as what can be written again."""
    path = PARAMETERS / random_.choice(sorted(
        p.name for p in PARAMETERS.iterdir() if p.stat().st_mode & 0o200))
    text, before = _text(random_), _read(path)
    error = _write(path, text)
    now = _read(path)
    where = f"{path.name} <- {text[:200]!r}"
    if path.name in NUMBERS and text:
        _check_number(path.name, text, error)
    if error:
        assert error in REFUSED, f"{where}: {errno.errorcode.get(error, error)}"
        assert now == before, f"{where}: refused, and yet {before!r} became {now!r}"
        return
    assert now.endswith(b"\n") and now.decode().isprintable() or now[:-1].decode().isprintable(), \
        f"{where}: reads {now!r}"
    assert not _write(path, now), f"{where}: reads {now!r}, which is refused"
    assert _read(path) == now, f"{where}: {now!r} becomes {_read(path)!r}"


def test_while_it_is_loaded() -> None:
    """Parameters take what is right, refuse the rest, and change nothing then"""
    with Recorder("ring_records=64") as it:
        check_each("parameters", _write_one, TEN_MINUTES_S // 2)
        for name in ("filter", "freeze_on"):
            (PARAMETERS / name).write_text("none")
        for name in ("frozen", "flow_sample", "ack_sample"):
            (PARAMETERS / name).write_text("0" if name == "frozen" else "1")
        (PARAMETERS / "events").write_text("default")
        run("ip", "link", "set", "lo", "up")
        run("python3", "-c", "import socket; s = socket.create_server(('127.0.0.1', 5000)); "
            "socket.create_connection(('127.0.0.1', 5000))")
        assert it.events("state"), "it records no more"


def _insert(arguments: bytes) -> int:
    """As insmod does it, with any bytes; 0 or the error."""
    try:
        module_calls.load(arguments)
    except OSError as error:
        return error.errno or -1
    return 0


def _load_one(random_: random.Random, names: list[str]) -> None:
    """Either it is there, as a whole, or nothing of it is."""
    words = []
    for name in random_.sample(names, random_.choice((0, 1, 1, 1, 2, 5))):
        text = _text(random_).partition(b"\0")[0]
        quoted = b'"' + text + b'"' if random_.random() < 0.7 else text
        words.append(name.encode() + random_.choice((b"=", b"=", b"=", b"")) + quoted)
    arguments = b" ".join(words)
    error = _insert(arguments)
    where = f"load {arguments[:300]!r}: {errno.errorcode.get(error, error)}"
    if error:
        assert error in (*REFUSED, errno.ENOENT, errno.ENOSPC), where
        assert not is_loaded() and not FOLDER.exists(), where
        return
    assert (FOLDER / "schema").read_text(), where
    assert b"written" in (FOLDER / "stats").read_bytes(), where
    failed = run_rmmod()
    assert not failed, f"{where}: rmmod: {failed}"


def test_at_load() -> None:
    """Whatever stands behind insmod, it is loaded as a whole or not at all"""
    with Recorder():
        names = sorted(path.name for path in PARAMETERS.iterdir())
    assert len(names) > 10, names
    comment(f"parameters: {' '.join(names)}")
    check_each("load", lambda random_: _load_one(random_, names), TEN_MINUTES_S // 2)
