# SPDX-License-Identifier: GPL-2.0
"""Who is not root sees nothing, and root sees no more than the fields that are told of."""

from __future__ import annotations

import errno
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import loopback
import provoke
from hosts import CLIENT, SERVER, TwoHosts, run
from inside import sysctl
from ktap_output import comment
from recorder import COMMAND, FOLDER, PARAMETERS, Recorder, content, files, kernel_log
from renoscope_lib.machine.host import CONGESTION_CONTROLS
from renoscope_lib.ring.schema import Schema

NOBODY = 65534
DEBUGFS = FOLDER.parent
NOT_PERMITTED = 3

# Canonical addresses of the kernel's half: direct map, vmalloc, modules, text.
LOWEST_KERNEL_ADDRESS = 0xffff800000000000
# Of words that two 32-bit numbers make up, so many may look like one by chance.
BY_CHANCE = 0.02
POINTER = re.compile(r"\b(?:0x)?f{4}[89a-f][0-9a-f]{11}\b")

# ---- not root


def _as_nobody(do: Callable[[], object]) -> str:
    """What went wrong when a process without any right did it."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        said = ""
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            do()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(theirs, said.encode()[:4000])
        os._exit(0)
    os.close(theirs)
    os.waitpid(pid, 0)
    with open(ours, encoding="utf-8") as pipe:
        return pipe.read()


def _expect_refusal(path: Path, flags: int) -> None:
    try:
        os.close(os.open(path, flags))
    except OSError as error:
        assert error.errno == errno.EACCES, f"{path}: {error}"
        return
    raise AssertionError(f"{path} opens with flags {flags:#o}")


@contextmanager
def _debugfs_open_to_all() -> Iterator[None]:
    """By mistake: the mount and every folder below may be looked into."""
    run("mount", "-o", "remount,mode=755", str(DEBUGFS))
    folders = [FOLDER, *(path for path in FOLDER.rglob("*") if path.is_dir())]
    before = {folder: folder.stat().st_mode & 0o777 for folder in folders}
    try:
        for folder in folders:
            folder.chmod(0o755)
        yield
    finally:
        for folder, mode in before.items():
            folder.chmod(mode)
        run("mount", "-o", "remount,mode=700", str(DEBUGFS))


def _try_all(paths: list[Path], parameters: list[Path]) -> None:
    for path in paths:
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_NONBLOCK):
            _expect_refusal(path, flags)
    for path in parameters:
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
            _expect_refusal(path, flags)


def test_files_and_parameters() -> None:
    """Without rights no file opens and no parameter is written: EACCES"""
    with Recorder():
        paths, parameters = files(), sorted(PARAMETERS.iterdir())
        assert len(paths) > 5 and len(parameters) > 10, (paths, parameters)
        assert not (said := _as_nobody(lambda: _try_all(paths, parameters))), said
        with _debugfs_open_to_all():
            assert not (said := _as_nobody(lambda: _try_all(paths, parameters))), said
            looked = _as_nobody(lambda: os.listdir(FOLDER))
            assert not looked, f"the mistake was not made: {looked}"
        comment(f"{len(paths)} files, {len(parameters)} parameters")


COMMANDS = ("show", "show --once", "states", "handshakes", "explain", "flow", "cwnd", "losses",
            "windows", "rounds", "synflood", "isn", "top --once", "export --format csv",
            "report -o /tmp/x.html", "metrics", "record /tmp/x", "watch /tmp", "unload")
# These meet the files themselves where the folders are open; the others do as they do.
OPENERS = ("show --once", "states", "top --once", "metrics", "record /tmp/x", "watch /tmp")


def _check_command(command: Path, words: str) -> None:
    done = subprocess.run([sys.executable, command, *words.split()], text=True,
                          capture_output=True, check=False, timeout=120,
                          user=NOBODY, group=NOBODY, extra_groups=[])
    said = f"{words}: exit {done.returncode}: {done.stderr}"
    assert done.returncode == NOT_PERMITTED, said
    assert re.fullmatch(r"renoscope: [^\n]*\bsudo\b[^\n]*\n", done.stderr), said
    assert not done.stdout, f"{words}: {done.stdout}"


def test_commands() -> None:
    """To whom has no rights each command says in one line that it needs them"""
    with tempfile.TemporaryDirectory() as name, Recorder():
        os.chmod(name, 0o755)
        shutil.copytree(COMMAND.parent / "renoscope_lib", Path(name) / "renoscope_lib")
        command = Path(shutil.copy(COMMAND, name))
        for words in COMMANDS:
            _check_command(command, words)
        with _debugfs_open_to_all():
            for words in OPENERS:
                _check_command(command, words)


# ---- root

def _uncovered(schema: Schema, kind: str) -> list[int]:
    """Offsets that no field of this kind has."""
    covered = {at for field in schema.fields_of(kind) for at in range(field.offset, field.end)}
    return [at for at in range(schema.record_bytes) if at not in covered]


class Searcher:
    """Looks through records for what no field tells of, and for addresses."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._holes = {kind: _uncovered(schema, kind) for kind in schema.kind_meanings}
        self._wide = {kind: {field.offset for field in schema.fields_of(kind)
                             if field.type == "u64" and field.unit != "kinds"}
                      for kind in schema.kind_meanings}
        self.kinds: Counter[str] = Counter()
        self._looks_like_one: Counter[tuple[str, int]] = Counter()

    def look(self, record: bytes) -> None:
        """AssertionError names what is wrong with it."""
        kind = self._schema.decode(record).kind
        self.kinds[kind] += 1
        dirty = [at for at in self._holes[kind] if record[at]]
        assert not dirty, f"{kind}: bytes {dirty} are of no field and not 0: {record.hex()}"
        for at in range(0, len(record) - 7, 4):
            word, = struct.unpack_from("=Q", record, at)
            if word < LOWEST_KERNEL_ADDRESS:
                continue
            assert at not in self._wide[kind], f"{kind}: {word:#x} at {at}: {record.hex()}"
            self._looks_like_one[kind, at] += 1

    def judge(self) -> None:
        """What looks like an address too often is one."""
        for (kind, at), count in self._looks_like_one.items():
            assert count <= max(3, BY_CHANCE * self.kinds[kind]), \
                f"{kind}: {count} of {self.kinds[kind]} have an address at {at}"


def _raw(it: Recorder, file: str = "trace_raw") -> Iterator[bytes]:
    data, size = content(FOLDER / file), it.schema.record_bytes
    return (data[at:at + size] for at in range(0, len(data), size))


def _rich_traffic(it: Recorder, hosts: TwoHosts) -> None:
    """Something of every kind, by every algorithm of ours."""
    run("ip", "link", "set", "lo", "up")
    loopback.provoke_everything(it)
    provoke.lose_third_segment(it, hosts, 1)
    provoke.lose_data(it, hosts)
    hosts.drop(SERVER, provoke.EVERY_HUNDREDTH)
    for name in reversed(CONGESTION_CONTROLS):
        sysctl(CLIENT, "tcp_congestion_control", name)
        provoke.transfer(hosts, 600_000)
    hosts.stop_dropping(SERVER)


def _texts(log_before: str) -> dict[str, str]:
    """All that is text, and of the kernel's log what is new: it quotes what was refused."""
    texts = {str(path.relative_to(FOLDER)): path.read_text(errors="replace")
             for path in files() if "raw" not in path.name and path.name != "trace_pipe"}
    return texts | {"the kernel log": kernel_log().removeprefix(log_before)}


def test_no_address_and_no_padding() -> None:
    """Records hold their fields and zeros, and no output an address of the kernel"""
    log_before = kernel_log()
    with Recorder("events=all", "ring_records=32768") as it, TwoHosts(delay_ms=10) as hosts:
        searcher = Searcher(it.schema)
        _rich_traffic(it, hosts)
        for record in _raw(it):
            searcher.look(record)
        searcher.judge()
        for path in FOLDER.glob("per_cpu/*/trace_raw"):
            for record in _raw(it, str(path.relative_to(FOLDER))):
                searcher.look(record)
        for name, text in _texts(log_before).items():
            found = POINTER.search(text)
            assert not found, f"{name}: {text[max(found.start() - 80, 0):found.end() + 40]!r}"
        comment(" ".join(f"{kind} {count}" for kind, count in searcher.kinds.items()))
        missing = set(it.schema.kind_meanings) - set(searcher.kinds)
        comment(f"kinds that did not happen: {' '.join(sorted(missing))}")
        assert len(searcher.kinds) > 20, searcher.kinds


def test_what_is_told_of_a_loss() -> None:
    """Records that are made for a reader alone have no bytes of others in them"""
    run("ip", "link", "set", "lo", "up")
    with Recorder("ring_records=16") as it:
        reader = os.open(FOLDER / "trace_raw", os.O_RDONLY | os.O_NONBLOCK)
        try:
            for _ in range(40):
                loopback.refuse()
            searcher = Searcher(it.schema)
            for record in _raw(it):
                searcher.look(record)
            for at in range(0, len(data := os.read(reader, 1 << 16)), it.schema.record_bytes):
                searcher.look(data[at:at + it.schema.record_bytes])
            assert searcher.kinds["lost"], searcher.kinds
        finally:
            os.close(reader)


def test_the_search_finds_what_is_planted() -> None:
    """A byte beyond the fields, an address in one: the search sees them"""
    with Recorder() as it:
        run("ip", "link", "set", "lo", "up")
        loopback.refuse()
        record = next(record for record in _raw(it)
                      if it.schema.decode(record).kind != "mark")
        kind = it.schema.decode(record).kind
        holes = _uncovered(it.schema, kind)
        cookie = it.schema.field_named("cookie").offset
        for at, planted in ((holes[-1], b"\1"), (holes[0], b"\x80"),
                            (cookie, struct.pack("=Q", 0xffff888012345678))):
            spoilt = record[:at] + planted + record[at + len(planted):]
            try:
                Searcher(it.schema).look(spoilt)
            except AssertionError:
                continue
            raise RuntimeError(f"{planted!r} at {at} of a {kind} was not seen")
        assert POINTER.search("at ffff888012345678 in") and not POINTER.search("ffff:10.0.0.1")
