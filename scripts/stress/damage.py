# SPDX-License-Identifier: GPL-2.0
"""Recordings that are damaged in every way that files are: by disks, by hands, by malice."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable

Damage = Callable[[random.Random, bytes], bytes]

# At the edges of types, and words that mean something to a terminal, a page, a sheet.
NUMBERS = (-1, 0, 1, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32,
           2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30)
WORDS = ("", "none", "\x1b[31m", "\x07", "<script>alert(1)</script>", "=1+1", "\u202e",
         "'\";--", "x" * 70000, "\0", "\n", "NaN", "1e999", "%s%n", "../../../etc/passwd")


def chunks_of(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """Where each chunk begins, its type and its payload."""
    at, found = 8, []
    while at + 8 <= len(data):
        type_, length = struct.unpack_from("<4sI", data, at)
        found.append((at, type_, data[at + 8:at + 8 + length]))
        at += 8 + length
    return found


def _joined(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return b"RENOSCP1" + b"".join(
        type_ + struct.pack("<I", len(payload)) + payload for type_, payload in chunks)


def with_changed(data: bytes, wanted: bytes, change: Callable[..., bytes]) -> bytes:
    """The same with chunks of one type changed."""
    return _joined([(type_, change(payload) if type_ == wanted else payload)
                    for _at, type_, payload in chunks_of(data)])


def flip_bits(random_: random.Random, data: bytes) -> bytes:
    """Some bits anywhere."""
    damaged = bytearray(data)
    for _ in range(random_.choice((1, 1, 2, 8, 64))):
        damaged[random_.randrange(len(damaged))] ^= 1 << random_.randrange(8)
    return bytes(damaged)


def flip_in_records(random_: random.Random, data: bytes) -> bytes:
    """Many bits where records are."""
    first = data.find(b"RECS")
    if first < 0:
        return flip_bits(random_, data)
    damaged = bytearray(data)
    for _ in range(random_.choice((8, 64, 500))):
        damaged[random_.randrange(first, len(damaged))] ^= 1 << random_.randrange(8)
    return bytes(damaged)


def cut_off(random_: random.Random, data: bytes) -> bytes:
    """The end is missing."""
    return data[:random_.randrange(len(data))]


def cut_out(random_: random.Random, data: bytes) -> bytes:
    """A part is missing, or was written twice."""
    begin = random_.randrange(len(data))
    end = min(begin + random_.choice((1, 8, 192, 5000)), len(data))
    part = data[begin:end] if random_.random() < 0.5 else b""
    return data[:begin] + part * 2 + data[end:]


def make_hole(random_: random.Random, data: bytes) -> bytes:
    """Zeros, as a crashed file system leaves them; or noise."""
    begin = random_.randrange(len(data))
    end = min(begin + random_.choice((4, 512, 4096, 65536)), len(data))
    new = bytes(end - begin) if random_.random() < 0.7 else random_.randbytes(end - begin)
    return data[:begin] + new + data[end:]


def move_chunks(random_: random.Random, data: bytes) -> bytes:
    """Chunks in another order, twice, or not at all."""
    chunks = [(type_, payload) for _at, type_, payload in chunks_of(data)]
    for _ in range(random_.choice((1, 3))):
        what = random_.randrange(3)
        at = random_.randrange(len(chunks)) if chunks else 0
        if what == 0 and len(chunks) > 1:
            del chunks[at]
        elif what == 1 and chunks:
            chunks.insert(random_.randrange(len(chunks)), chunks[at])
        else:
            random_.shuffle(chunks)
    return _joined(chunks)


def wrong_lengths(random_: random.Random, data: bytes) -> bytes:
    """A chunk that says that it is shorter or longer."""
    chunks = chunks_of(data)
    if not chunks:
        return data
    at = random_.choice(chunks)[0]
    length = struct.unpack_from("<I", data, at + 4)[0]
    new = random_.choice((0, 1, length - 1, length + 1, length // 2, length * 2,
                          length + 192, length - 192, *NUMBERS)) % 2**32
    return data[:at + 4] + struct.pack("<I", new) + data[at + 8:]


def other_version(random_: random.Random, data: bytes) -> bytes:
    """Of a recorder that does not exist yet."""
    if random_.random() < 0.5:
        return b"RENOSCP" + random_.randbytes(1) + data[8:]
    new = str(random_.choice(NUMBERS)).encode()
    return with_changed(data, random_.choice((b"SCHM", b"STAT")),
                        lambda text: text.replace(b"version 1\n", b"version " + new + b"\n"))


def _spoilt_word(random_: random.Random, word: str) -> str:
    return random_.choice((str(random_.choice(NUMBERS)), random_.choice(WORDS), word * 2,
                           word[:-1], f"-{word}", word.swapcase()))


def _spoilt_lines(random_: random.Random, text: bytes) -> bytes:
    lines = text.decode(errors="replace").split("\n")
    for _ in range(random_.choice((1, 1, 2, 5))):
        at = random_.randrange(len(lines))
        words = lines[at].split(" ")
        what = random_.randrange(5)
        if what == 0:
            del lines[at]
            lines = lines or [""]
        elif what == 1:
            lines.insert(at, random_.choice(lines))
        elif what == 2:
            lines[at], lines[0] = lines[0], lines[at]
        else:
            word = random_.randrange(len(words))
            words[word] = _spoilt_word(random_, words[word])
            lines[at] = " ".join(words)
    return "\n".join(lines).encode()


def hostile_schema(random_: random.Random, data: bytes) -> bytes:
    """Fields, kinds and words that were tampered with."""
    return with_changed(data, b"SCHM", lambda text: _spoilt_lines(random_, text))


def hostile_stats(random_: random.Random, data: bytes) -> bytes:
    """The same with what the module said of itself."""
    return with_changed(data, b"STAT", lambda text: _spoilt_lines(random_, text))


def _any_json(random_: random.Random, depth: int = 0) -> object:
    kinds = [*["number"] * 4, "word", "null", "float", "bool"] + (
        ["list", "dict"] if depth < 3 else [])
    kind = random_.choice(kinds)
    if kind == "list":
        return [_any_json(random_, depth + 1) for _ in range(random_.randrange(4))]
    if kind == "dict":
        return {random_.choice(WORDS): _any_json(random_, depth + 1)
                for _ in range(random_.randrange(4))}
    return {"number": random_.choice(NUMBERS), "word": random_.choice(WORDS), "null": None,
            "float": random_.choice((0.5, -1e308, float("nan"), float("inf"))),
            "bool": random_.random() < 0.5}[kind]


def _spoil_one(random_: random.Random, content: object) -> None:
    """A value somewhere in it."""
    while isinstance(content, dict) and content:
        key = random_.choice(sorted(content))
        if not isinstance(content[key], dict) or random_.random() < 0.3:
            content[key] = _any_json(random_)
            return
        content = content[key]


def hostile_json(random_: random.Random, data: bytes) -> bytes:
    """What is said of the machine and of the end has other types, other values."""
    def spoil(payload: bytes) -> bytes:
        try:
            content = json.loads(payload)
        except ValueError:
            return payload
        for _ in range(random_.choice((1, 2, 5))):
            _spoil_one(random_, content)
        return json.dumps(content).encode()
    return with_changed(data, random_.choice((b"META", b"DONE")), spoil)


def hostile_records(random_: random.Random, data: bytes) -> bytes:
    """Whole records with numbers from the edges in them."""
    def spoil(payload: bytes) -> bytes:
        damaged = bytearray(payload)
        for _ in range(random_.choice((1, 4, 30))):
            size = random_.choice((1, 2, 4, 8))
            if len(damaged) > size:
                at = random_.randrange(0, len(damaged) - size)
                damaged[at:at + size] = (random_.choice(NUMBERS) % (1 << 8 * size)
                                         ).to_bytes(size, "little")
        return bytes(damaged)
    return with_changed(data, b"RECS", spoil)


def shuffled_records(random_: random.Random, data: bytes) -> bytes:
    """Records in another order, twice, or not at all."""
    def shuffle(payload: bytes) -> bytes:
        records = [payload[at:at + 192] for at in range(0, len(payload), 192)]
        if random_.random() < 0.5:
            random_.shuffle(records)
        if random_.random() < 0.5:
            records = random_.choices(records, k=len(records))
        return b"".join(records)
    return with_changed(data, b"RECS", shuffle)


def two_in_one(random_: random.Random, data: bytes) -> bytes:
    """One behind the other, or the second begins within the first."""
    return data[:random_.choice((len(data), random_.randrange(len(data))))] + data


def next_to_nothing(random_: random.Random, data: bytes) -> bytes:
    """Empty, or hardly more."""
    return random_.choice((b"", b"R", b"RENOSCP1", b"RENOSCP1META", bytes(100), data[:100],
                           random_.randbytes(5000), b"\n", b"{}"))


def text_mode(random_: random.Random, data: bytes) -> bytes:
    """Sent by something that thought it was text."""
    return random_.choice((data.replace(b"\n", b"\r\n"), data.replace(b"\r", b""),
                           data.decode("latin-1").encode(), data.replace(b"\0", b"")))


DAMAGES: tuple[Damage, ...] = (
    flip_bits, flip_in_records, cut_off, cut_out, make_hole, move_chunks, wrong_lengths,
    other_version, hostile_schema, hostile_stats, hostile_json, hostile_records,
    shuffled_records, two_in_one, next_to_nothing, text_mode,
)


def damaged(random_: random.Random, data: bytes) -> tuple[str, bytes]:
    """The recording with one damage, or two, and their names."""
    names = []
    for damage in random_.sample(DAMAGES, random_.choice((1, 1, 1, 2))):
        if data:
            data = damage(random_, data)
            names.append(damage.__name__)
    return "+".join(names), data
