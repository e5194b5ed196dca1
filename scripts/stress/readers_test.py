#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Damaged and hostile recordings, given to every command that reads one.

No module is needed, so no guest: it runs on this machine, as anybody.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]),
                str(Path(__file__).resolve().parents[1] / "selftests")]

import damage  # noqa: E402  (found through the lines above)
import ktap_output  # noqa: E402
import reading  # noqa: E402
from ktap_output import comment  # noqa: E402
from measure import some  # noqa: E402
from renoscope_lib.command_table import commands  # noqa: E402
from renoscope_lib.recording.parser import RecordingParser  # noqa: E402
from samples import samples  # noqa: E402
from seeds import check_each  # noqa: E402

# What every reader can give: (arguments, form). FILE stands for the recording, OUT for a
# file that is written.
READERS: tuple[tuple[str, str], ...] = (
    ("show FILE", "text"), ("show FILE --json", "json lines"),
    ("show FILE --absolute --raw-seq", "text"), ("show FILE --kind ack,lost --port 5000", "text"),
    ("export FILE --format jsonl", "json lines"), ("export FILE --format csv", "csv"),
    ("export FILE --format pcapng -o OUT", "binary"),
    ("export FILE --format perfetto", "json"), ("export FILE --format npz -o OUT", "binary"),
    ("explain FILE", "text"), ("explain FILE -v --limit 0", "text"),
    ("explain FILE --json", "json"),
    ("top FILE", "text"), ("top FILE --by listener --interval 1", "text"),
    ("top FILE --json", "json lines"), ("top FILE --once --sort rtt", "text"),
    ("flow FILE", "text"), ("flow FILE sk:5", "text"), ("flow FILE sk:2 --json", "json"),
    ("flow FILE no:1 --svg OUT", "text"), ("flow FILE 5000 --json", "json"),
    ("cwnd FILE", "text"), ("cwnd FILE --rounds --limit 0", "text"), ("cwnd FILE --json", "json"),
    ("report FILE -o -", "html"), ("report FILE -o OUT --limit 0", "text"),
    ("handshakes FILE", "text"), ("handshakes FILE --steps --limit 0", "text"),
    ("handshakes FILE --json", "json"),
    ("states FILE", "text"), ("states FILE --counts", "text"), ("states FILE --json", "json"),
    ("losses FILE -v", "text"), ("losses FILE --json", "json"),
    ("rounds FILE", "text"), ("rounds FILE --json", "json"),
    ("windows FILE", "text"), ("windows FILE --json", "json"),
    ("synflood FILE", "text"), ("synflood FILE --json", "json"),
    ("isn FILE", "text"), ("isn FILE --json", "json"),
    ("metrics FILE", "metrics"),
)
NOT_READERS = ("doctor", "load", "unload", "record", "watch")
SPARSE_BYTES = 1 << 40


def _arguments(reader: str, recording: str, folder: Path) -> list[str]:
    stands_for = {"FILE": recording, "OUT": str(folder / "made.svg")}
    return [stands_for.get(word, word) for word in reader.split()]


def _needs_numpy(reader: str) -> bool:
    return "npz" in reader


def _readers() -> list[tuple[str, str]]:
    try:
        import numpy  # noqa: F401  (loaded once, before all the forks)
    except ImportError:
        comment("no numpy here, so no npz: apt-get install python3-numpy, /usr/bin/python3")
        return [(reader, form) for reader, form in READERS if not _needs_numpy(reader)]
    return list(READERS)


def _read(random_: random.Random, reader: str, form: str, data: bytes, folder: Path) -> None:
    path = folder / "damaged.renoscope"
    path.write_bytes(data)
    way = random_.random()
    if way < 0.15 and form != "binary":
        reading.judge(reading.run_on_terminal(_arguments(reader, str(path), folder)),
                      form, True)
    elif way < 0.3:
        reading.judge(reading.run(_arguments(reader, "-", folder), piped=path), form)
    else:
        reading.judge(reading.run(_arguments(reader, str(path), folder)), form)


def test_no_reader_is_forgotten() -> None:
    """Every command that reads a recording is tried."""
    tried = {reader.split()[0] for reader, _form in READERS}
    assert tried == {command.name for command in commands()} - set(NOT_READERS), tried


def test_whole_recordings() -> None:
    """Every reader and form on recordings that are whole."""
    with tempfile.TemporaryDirectory() as name:
        tried = some(list(itertools.product(samples().items(), _readers())))
        for (sample, data), (reader, form) in tried:
            try:
                _read(random.Random(sample + reader), reader, form, data, Path(name))
            except (AssertionError, TimeoutError, ValueError) as error:
                raise AssertionError(f"{reader} of {sample}: {error}") from error
    comment(f"{len(samples())} recordings, {len(_readers())} readers, {len(tried)} readings")


def test_damaged_recordings() -> None:
    """Damaged recordings: a clear word, the right exit code, in bounds"""
    readers, originals = _readers(), samples()

    def one(random_: random.Random) -> None:
        sample = random_.choice(sorted(originals))
        names, data = damage.damaged(random_, originals[sample])
        reader, form = random_.choice(readers)
        try:
            _read(random_, reader, form, data, Path(name))
        except (AssertionError, TimeoutError, ValueError) as error:
            raise AssertionError(f"{reader} of {sample} with {names}: {error}") from error

    with tempfile.TemporaryDirectory() as name:
        check_each("readers", one)


def _chunks(data: bytes) -> list[tuple[int, int, bytes]]:
    """(begin, end, type) of each chunk."""
    return [(at, at + 8 + len(payload), type_) for at, type_, payload in damage.chunks_of(data)]


def _records_that_are_whole(original: bytes, changed: bytes) -> set[bytes]:
    """Those of chunks in which no byte was changed."""
    found = set()
    for begin, end, type_ in _chunks(original):
        if type_ == b"RECS" and original[begin:end] == changed[begin:end]:
            found |= {original[at:at + 192] for at in range(begin + 8, end, 192)}
    return found


def test_nothing_lost_that_was_whole() -> None:
    """Records before and behind the damage are given"""
    originals = samples()
    damages = (damage.flip_bits, damage.flip_in_records, damage.make_hole)
    compared = 0

    def one(random_: random.Random) -> None:
        sample = random_.choice(sorted(originals))
        original = originals[sample]
        changed = random_.choice(damages)(random_, original)
        schema_end = next(end for _begin, end, type_ in _chunks(original) if type_ == b"SCHM")
        changed = original[:schema_end] + changed[schema_end:]
        parser = RecordingParser()
        given: set[bytes] = set()
        step = random_.choice((1 << 16, 1 << 20, 1000))
        for at in range(0, len(changed), step):
            for records in parser.feed(changed[at:at + step]):
                given |= {records[i:i + 192] for i in range(0, len(records), 192)}
        for records in parser.rest():
            given |= {records[i:i + 192] for i in range(0, len(records), 192)}
        parser.close()
        whole = _records_that_are_whole(original, changed)
        missing = whole - given
        assert not missing, f"{len(missing)} whole records of {sample}: {parser.complaint}"
        nonlocal compared
        compared += len(whole)

    check_each("whole", one, 60)
    comment(f"{compared} whole records behind and before damage")
    assert compared, "no record was whole"


def test_giants() -> None:
    """A file that says it is a terabyte: an end in bounds"""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "giant.renoscope"
        beginnings = [(sample, data[:cut]) for sample, data in list(samples().items())[:2]
                      for cut in (data.index(b"RECS"), data.rindex(b"RECS") + 8, len(data))]
        tried = some(list(itertools.product(beginnings, _readers())))
        for (sample, beginning), (reader, form) in tried:
            path.write_bytes(beginning)
            os.truncate(path, SPARSE_BYTES)
            done = reading.run(_arguments(reader, str(path), Path(name)))
            assert done.code == 2, f"{reader} of {sample}: {done.complaints}"
            reading.judge(done, form)


def test_nested_and_endless_words() -> None:
    """Texts of a megabyte, nested and endless: an end in bounds"""
    whole = samples()["of every kind"]
    payloads = (b"[" * 1_000_000, b'{"a":' * 150_000 + b"1" + b"}" * 150_000,
                b'{"kernel": "' + b"x" * 1_000_000 + b'"}',
                b'{"clocks": {"monotonic_ns": ' + b"9" * 100_000 + b"}}",
                b'{"parameters": {' + b",".join(b'"p%d": "v"' % i for i in range(60_000))
                + b"}}")
    with tempfile.TemporaryDirectory() as name:
        for payload, (reader, form) in some(list(itertools.product(payloads, _readers()))):
            data = damage.with_changed(whole, b"META", lambda _, new=payload: new)
            _read(random.Random(1), reader, form, data, Path(name))


def main() -> int:
    """Without a guest."""
    return 0 if ktap_output.run_modules([sys.modules["__main__"]]) else 1


if __name__ == "__main__":
    sys.exit(main())
