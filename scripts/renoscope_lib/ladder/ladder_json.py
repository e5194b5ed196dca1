# SPDX-License-Identifier: GPL-2.0
"""A ladder as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..words import connection
from . import ladder_words
from .ladder import Fact, Ladder, Step
from .rungs import Rung


def _rung(ladder: Ladder, rung: Rung, flag_words: dict[int, str]) -> dict[str, Any]:
    options = rung.options
    conversation = ladder.conversation
    assert conversation is not None
    return {
        "number": rung.number, "from_end": rung.way, "to_end": 1 - rung.way,
        "sent_ns": rung.sent_ns, "received_ns": rung.received_ns,
        "delay_us": rung.delay_us, "fate": rung.fate or None,
        "flags": ladder_words.flag_names(rung.flags, flag_words),
        "seq": ladder.relative(rung.seq, rung.way),
        "ack": (None if rung.ack is None
                else ladder.relative(rung.ack, 1 - rung.way)),
        "len": rung.length, "window": ladder.window(rung),
        "raw": {"seq": rung.seq, "ack": rung.ack, "window": rung.window},
        "next": ladder.relative(rung.after, rung.way),
        "options": None if options is None else {
            "mss": options.mss, "wscale": options.wscale,
            "sack_permitted": options.sack_permitted,
            "timestamps": options.timestamps,
            "sack": [[ladder.relative(edge, 1 - rung.way) for edge in block]
                     for block in options.sack],
            "fastopen": options.fastopen, "urgent": options.urgent},
        "sent_again": rung.again, "cause": rung.cause or None,
        "first_sent_as": rung.original.number if rung.original else None,
        "marks": [code for code, _ in rung.marks],
        "acknowledges": rung.acks, "rtt_us": rung.rtt_us,
        "answered_after_us": rung.answered_us,
        "text": " ".join(filter(None, (
            ladder_words.ports(conversation, rung, "->"),
            ladder_words.label(ladder, rung, flag_words),
            ladder_words.options(ladder, rung)))),
        "notes": list(ladder_words.notes(ladder, rung)),
    }


def _ends(ladder: Ladder) -> list[dict[str, Any]]:
    conversation = ladder.conversation
    assert conversation is not None
    return [{
        "address": conversation.names[end],
        "connections": [connection(cookie) for cookie in conversation.ids[end]],
        "netns": conversation.netns[end], "isn": conversation.isns[end],
        "recorded": conversation.recorded[end],
        "every_segment": ladder.told_all[end],
        "mss_offered": ladder.mss[end], "window_scale": ladder.scales[end],
    } for end in (0, 1)]


def as_json(ladder: Ladder, flag_words: dict[int, str],
            end_ns: int | None) -> dict[str, Any]:
    """The rungs, and what stands beside them, each in the order of the ladder."""
    conversation = ladder.conversation
    assert conversation is not None

    def rungs() -> Iterator[dict[str, Any]]:
        for line in ladder.lines:
            if isinstance(line, Rung):
                yield _rung(ladder, line, flag_words)

    return {
        "ends": _ends(ladder), "opened_by_end": conversation.opener,
        "completeness": ladder.completeness,
        "initial_rtt_us": ladder.initial_rtt_us,
        "segments": ladder.rungs, "segments_sent_again": ladder.sent_again,
        "segments_lost": ladder.lost,
        "segments_dropped": ladder.dropped,
        "rungs_left_out": ladder.left_out_rungs,
        "missing": ladder_words.missing(ladder) or None,
        "rungs": rungs(),
        "states": [{"time_ns": line.time_ns, "end": line.end,
                    "state": line.state}
                   for line in ladder.lines if isinstance(line, Step)],
        "facts": [{"time_ns": line.time_ns, "end": line.end,
                   "kind": line.kind, "text": line.words}
                  for line in ladder.lines if isinstance(line, Fact)],
        **ladder.gaps.as_json(end_ns)}
