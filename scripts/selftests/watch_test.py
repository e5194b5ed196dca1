# SPDX-License-Identifier: GPL-2.0
"""`renoscope watch`: what goes wrong ends in a file, and recording goes on.

The troubles are real: a listener that has no room refuses a SYN, and a timer fires
twice because nothing arrives.
"""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import endpoints
import troubles
from hosts import SERVER, TwoHosts
from ktap_output import comment
from loopback import overflow_accept_queue
from recorder import (COMMAND, FOLDER, PARAMETERS, Recorder, parameter, renoscope,
                      run_rmmod, wait_until)

BEFORE = {"freeze_on": "error", "freeze_after": "7"}
KINDS, AFTER = "refused,rto=2", 3
KEPT = 2
NOBODY = 65534
LITTLE_REST_S = "0.001"
LONG_REST_S = "1000000"


def _watches(freeze_on: str = KINDS) -> bool:
    return (parameter("frozen"), parameter("freeze_on")) == ("0", freeze_on)


def _pending() -> int:
    """How many events are to come until a trigger that fired freezes the ring."""
    return int(re.findall(r"^freeze .* pending (\d+)$",
                          (FOLDER / "stats").read_text(), re.MULTILINE)[0])


def _kept(folder: Path) -> list[Path]:
    """From the oldest on; two of one second are told apart by a number."""
    def age(path: Path) -> tuple[str, int]:
        date, number = re.findall(r"freeze-(\d+T\d+Z)(?:-(\d+))?\.renoscope",
                                  path.name)[0]
        return date, int(number or 1)
    return sorted(folder.glob("freeze-*.renoscope"), key=age)


def _events(path: Path) -> list[dict[str, Any]]:
    """What a file holds, as export tells it."""
    done = renoscope("export", str(path), "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def _stage(*options: str) -> Iterator[tuple[Recorder, Path, subprocess.Popen[str]]]:
    """The module, a folder, and `watch` once it watches."""
    with tempfile.TemporaryDirectory() as name, \
            Recorder(*(f"{key}={text}" for key, text in BEFORE.items())) as it:
        folder = Path(name)
        with _watching(folder, *options) as watch:
            yield it, folder, watch


@contextmanager
def _watching(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    watch = subprocess.Popen(
        [sys.executable, str(COMMAND), "watch", str(folder), *options],
        text=True, stderr=subprocess.PIPE)
    assert watch.stderr is not None
    try:
        first = watch.stderr.readline()
        assert f"watching for {KINDS}" in first, first + watch.stderr.read()
        yield watch
    finally:
        if watch.poll() is None:
            watch.kill()
        watch.communicate()


def _end(watch: subprocess.Popen[str]) -> str:
    """End it as a service is ended; what it said."""
    watch.send_signal(signal.SIGTERM)
    _, said = watch.communicate(timeout=60)
    assert watch.returncode == 0, said
    assert {name: parameter(name) for name in BEFORE} == BEFORE, "not as it was"
    assert parameter("frozen") == "0"
    return said


def _freezes() -> bool:
    """Frozen, or already saved and at rest."""
    return not _watches()


def _time_out(hosts: TwoHosts) -> None:
    """Two timeouts in a row; then all arrives."""
    with endpoints.connected(False) as pair:
        hosts.drop(SERVER, f"tcp dport {endpoints.PORT}")
        pair.client.sendall(b"lost")
        wait_until("a second timeout", _freezes)
        hosts.stop_dropping(SERVER)
        endpoints.receive(pair.server, 4)


def test_each_freeze_is_saved() -> None:
    """watch: a refused SYN and two timeouts, each saved with what came before; then on"""
    with _stage("--on", KINDS, "--after", str(AFTER), "--rest", LITTLE_REST_S,
                "--keep", str(KEPT)) as (_, folder, watch), TwoHosts() as hosts:
        assert _watches() and parameter("freeze_after") == str(AFTER)
        seen: set[Path] = set()
        for trouble, kind in ((lambda: overflow_accept_queue(_freezes), "refused"),
                              (lambda: overflow_accept_queue(_freezes), "refused"),
                              (lambda: _time_out(hosts), "rto")):
            troubles.refused(False)         # what came before
            trouble()
            wait_until("a new file", lambda: set(_kept(folder)) - seen)
            _check_file(next(p for p in _kept(folder) if p not in seen), kind)
            wait_until("watching again", _watches)
            seen.update(_kept(folder))
        said = _end(watch)
        comment(said)
        saved = [Path(name) for name in re.findall(r"saved (\S+):", said)]
        assert len(saved) >= 3, "a third timeout may have ended in one more"
        assert said.count(": complete") == len(saved)
        assert sorted(folder.iterdir()) == sorted(saved[-KEPT:]), list(folder.iterdir())
        assert {path.stat().st_mode & 0o777 for path in saved[-KEPT:]} == {0o600}


def _check_file(path: Path, kind: str) -> None:
    """The trigger, what came before, and as much after it as was asked for."""
    events = _events(path)
    marks = [n for n, event in enumerate(events) if event["kind"] == "mark"]
    assert events[marks[-1]]["mark_cause"] == "frozen", events[marks[-1]]
    held = [event["kind"] for event in events[:marks[-1]]]
    assert held[-1 - AFTER] == kind, held
    assert "reset_sent" in held[:-1 - AFTER], "what came before"
    done = renoscope("explain", str(path))
    assert done.returncode == 0 and "LOST" not in done.stdout, done


def test_triggers_rest() -> None:
    """watch --rest: after a save recording goes on, and the next trouble ends in no file"""
    with _stage("--on", KINDS, "--after", "0", "--rest", LONG_REST_S) as (
            it, folder, watch):
        overflow_accept_queue(lambda: _kept(folder))
        wait_until("the thaw", lambda: _watches("none"))
        before = len(it.events("refused"))
        overflow_accept_queue(lambda: len(it.events("refused")) > before)
        said = _end(watch)
        assert len(_kept(folder)) == said.count("saved ") == 1, said


def test_killed() -> None:
    """watch killed: the next freeze stays, and is saved by whoever watches then"""
    with _stage("--on", KINDS, "--after", "0") as (_, folder, watch):
        watch.kill()
        watch.wait()
        assert _watches(), "the triggers stay set"
        overflow_accept_queue(lambda: parameter("frozen") == "1")
        assert not _kept(folder)
        with _watching(folder, "--rest", LONG_REST_S) as again:
            wait_until("a file", lambda: _kept(folder))
            wait_until("the thaw", lambda: _watches("none"))
            path, = _kept(folder)
            assert "refused" in [event["kind"] for event in _events(path)]
            again.send_signal(signal.SIGTERM)
            again.communicate(timeout=60)
        assert _watches(), "as it was found"


def test_holds_the_module() -> None:
    """watch keeps the module in the kernel, and unload says who holds it"""
    with _stage("--on", KINDS) as (_, _folder, watch):
        assert "in use" in run_rmmod()
        done = renoscope("unload")
        assert done.returncode and f"sudo kill {watch.pid}" in done.stdout, done
        _end(watch)


def _check_under_way(folder: Path) -> None:
    """The freeze that was still to come is saved, and the ring runs."""
    path, = _kept(folder)
    kinds = [event["kind"] for event in _events(path)]
    assert "refused" in kinds and kinds[-1] == "mark", kinds
    assert (parameter("frozen"), _pending()) == ("0", 0)


def test_stopped_before_the_freeze() -> None:
    """watch stopped between a trigger and its freeze: saved at once, and no freeze comes"""
    with _stage("--on", KINDS, "--after", "1000000") as (it, folder, watch):
        overflow_accept_queue(_pending)
        said = _end(watch)
        assert "a trigger has fired; not waiting" in said, said
        _check_under_way(folder)
        before = len(it.events("syn"))
        overflow_accept_queue(lambda: len(it.events("syn")) > before)


def test_hangup() -> None:
    """watch in a session that breaks: saved at once, though nobody can be told any more"""
    with tempfile.TemporaryDirectory() as name, \
            Recorder(*(f"{key}={text}" for key, text in BEFORE.items())):
        pid, terminal = pty.fork()
        if not pid:
            os.execv(sys.executable, [
                sys.executable, str(COMMAND), "watch", name, "--on", KINDS,
                "--after", "1000000"])
        said = b""
        while b"Ctrl-C ends" not in said:
            said += os.read(terminal, 1000)
        overflow_accept_queue(_pending)
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
        assert os.WIFEXITED(status), status
        _check_under_way(Path(name))
        assert {key: parameter(key) for key in BEFORE} == BEFORE, "not as it was"


def test_a_second() -> None:
    """watch twice: the second is told which process is the first, which goes on"""
    with _stage("--on", KINDS, "--after", "0") as (_, folder, watch):
        unfinished = folder / "freeze-20260101T000000Z.renoscope.part"
        unfinished.touch()
        done = renoscope("watch", str(folder), "--on", "rto")
        assert done.returncode == 1, done
        assert f"process {watch.pid} does that already" in done.stderr, done
        assert unfinished.exists() and _watches()
        _end(watch)


@contextmanager
def _locked_without_rights(folder: Path) -> Iterator[None]:
    """By somebody who may look into the folder, and no more."""
    with subprocess.Popen(["flock", folder, "sh", "-c", "echo locked; exec cat"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          user=NOBODY, group=NOBODY, extra_groups=[]) as process:
        assert process.stdout and process.stdout.readline() == "locked\n"
        yield


def test_without_rights_nobody_is_in_the_way() -> None:
    """watch: a folder that others may write is refused; one that they lock is none the worse"""
    with tempfile.TemporaryDirectory() as name, \
            Recorder(*(f"{key}={text}" for key, text in BEFORE.items())):
        folder = Path(name)
        folder.chmod(0o1777)
        done = renoscope("watch", name, "--on", KINDS)
        assert done.returncode == 2, done
        assert f"everybody may write in {name} (mode 1777)" in done.stderr, done
        folder.chmod(0o755)
        with _locked_without_rights(folder), _watching(folder, "--on", KINDS) as watch:
            _end(watch)


def test_a_trigger_that_there_is_not() -> None:
    """watch told to freeze on no kind of event: the module's own words, nothing is changed"""
    with tempfile.TemporaryDirectory() as name, \
            Recorder(*(f"{key}={text}" for key, text in BEFORE.items())):
        done = renoscope("watch", name, "--on", "refuse", "--after", "1")
        assert done.returncode == 2, done
        assert "freeze_on: 'refuse': a trigger is a kind of event (there are: " in done.stderr, done
        assert "by hand" not in done.stderr, done
        assert {key: parameter(key) for key in BEFORE} == BEFORE, "not as it was"


def test_somebody_sets_other_triggers() -> None:
    """watch: freeze_on written meanwhile is what it watches for, and stays in the end"""
    with _stage("--on", KINDS) as (_, _folder, watch):
        (PARAMETERS / "freeze_on").write_text("reset_sent")
        assert watch.stderr is not None
        assert "set freeze_on to reset_sent" in watch.stderr.readline()
        watch.send_signal(signal.SIGTERM)
        watch.communicate(timeout=60)
        assert parameter("freeze_on") == "reset_sent"
        assert parameter("freeze_after") == BEFORE["freeze_after"]


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "none", folder],
                   check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _fill_up(file: Path) -> None:
    """All the room there is, to the last page."""
    with file.open("ab", buffering=0) as rest:
        try:
            while rest.write(bytes(4096)):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC, error


def test_disk_full() -> None:
    """watch on a full disk: the oldest goes; with none left it ends, and the next one saves"""
    with tempfile.TemporaryDirectory() as name, _small_disk(Path(name)), Recorder(
            "ring_records=64", *(f"{key}={text}" for key, text in BEFORE.items())):
        folder, filler = Path(name), Path(name, "filler")
        options = ("--on", KINDS, "--after", "0", "--rest", LITTLE_REST_S,
                   "--keep", "1")
        with _watching(folder, *options) as watch:
            overflow_accept_queue(lambda: _kept(folder))
            wait_until("watching again", _watches)
            first, = _kept(folder)
            _fill_up(first)
            overflow_accept_queue(lambda: _kept(folder) not in ([], [first]))
            wait_until("watching again", _watches)
            second, = _kept(folder)
            second.unlink()
            _fill_up(filler)
            overflow_accept_queue(lambda: watch.poll() is not None)
            assert watch.returncode == 1
            said = watch.stderr.read() if watch.stderr else ""
            comment(said)
            assert f"gave up the oldest, {first.name}" in said
            assert "the ring stays frozen" in said.splitlines()[-1], said
        assert parameter("frozen") == "1"
        assert parameter("freeze_on") == BEFORE["freeze_on"]
        filler.unlink()
        with _watching(folder, *options) as watch:
            wait_until("the thaw", _watches)
            assert len(_kept(folder)) == 1
            _end(watch)
