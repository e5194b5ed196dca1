# SPDX-License-Identifier: GPL-2.0
"""What stands on a rung and below it, in Wireshark's words where it has some.

Text, SVG and JSON all take their words from here.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..tcp.sequence import RST, SYN
from ..words import connection, duration, plural
from .conversations import Conversation
from .ladder import SAW_ACK, SAW_DATA, SAW_FIN, SAW_RST, SAW_SYN, SAW_SYNACK, Ladder
from .rungs import DROPPED, IN_FLIGHT, NOT_SEEN, PARTLY_LOST, Rung

SEGMENT_OFF = (
    "`segment` was off here: an end told what it received, what it sent again and "
    "its SYNs, but no other sending. So {drawn}. For every segment, before the "
    "connection begins: echo +segment | sudo tee "
    "/sys/module/tcp_renoscope/parameters/events")
BOTH_ENDS_LESS = ("a segment is drawn when it arrives, without its delay, and one "
                  "lost on its way is not here unless it was a repetition")
ONE_END_LESS = ("most of what that end sent is not here; the peer's ACKs tell of it")

# Ids of one end: more than one only where a port was used again at once.
SHOWN_IDS = 2


def flag_names(flags: int, names: dict[int, str]) -> list[str]:
    """The flags that are set, as `FIN`."""
    return [names.get(bit, f"bit{bit}") for bit in range(8) if flags >> bit & 1]


def _number(ladder: Ladder, number: int, way: int) -> str:
    relative = ladder.relative(number, way)
    return f"{number}(raw)" if relative is None else str(relative)


def seq_text(ladder: Ladder, rung: Rung) -> str:
    """Its sequence number; a RST may have the 0 of nobody's stream."""
    if rung.flags & RST and rung.seq == 0:
        return "0"
    return _number(ladder, rung.seq, rung.way)


def ports(conversation: Conversation, rung: Rung, arrow: str) -> str:
    """`63164 -> 22`."""
    sender, receiver = (conversation.ends[end][1]
                        for end in (rung.way, 1 - rung.way))
    return f"{sender} {arrow} {receiver}"


def label(ladder: Ladder, rung: Rung, flag_words: dict[int, str]) -> str:
    """`[FIN, ACK] Seq=3343 Ack=4478 Win=130816 Len=0`."""
    parts = [f"[{', '.join(flag_names(rung.flags, flag_words))}]",
             f"Seq={seq_text(ladder, rung)}"]
    if rung.ack is not None:
        parts.append(f"Ack={_number(ladder, rung.ack, 1 - rung.way)}")
    if rung.window is not None:
        window = ladder.window(rung)
        parts.append(f"Win={rung.window}(raw)" if window is None
                     else f"Win={window}")
    parts.append(f"Len={rung.length}")
    return " ".join(parts)


def options(ladder: Ladder, rung: Rung) -> str:
    """Of a SYN what it offers, of others SACK blocks; empty if there is none.

    A SYN sent again offers the same again.
    """
    said = rung.options
    if said is None or rung.original is not None and rung.flags & SYN:
        return ""
    parts = []
    if said.mss is not None:
        parts.append(f"MSS={said.mss}")
    if said.sack_permitted:
        parts.append("SACK_PERM")
    if said.wscale is not None:
        parts.append(f"WS={1 << min(said.wscale, 14)}")
    if said.timestamps and said.mss is not None:
        parts.append("TSval={} TSecr={}".format(*said.timestamps))
    if said.fastopen:
        parts.append("TFO")
    if said.urgent is not None:
        parts.append(f"Urg={said.urgent}")
    for left, right in said.sack:
        parts.append(f"SLE={_number(ladder, left, 1 - rung.way)} "
                     f"SRE={_number(ladder, right, 1 - rung.way)}")
    return " ".join(parts)


def fate(rung: Rung) -> str:
    """What became of it, if it did not simply arrive."""
    if rung.fate == PARTLY_LOST:
        return f"partly lost: {rung.arrived} of {plural(rung.length, 'byte')} arrived"
    if rung.fate == IN_FLIGHT:
        return "still on its way when watching ended"
    if rung.fate == NOT_SEEN:
        return "not seen to arrive, but events are missing here"
    if rung.fate == DROPPED:
        return ("DROPPED here (input firewall?): it came to this host and never "
                "reached its connection")
    return "LOST: it never arrived" if rung.fate else ""


def notes(ladder: Ladder, rung: Rung) -> Iterator[str]:
    """What an analyst says below the rung."""
    if rung.fate:
        yield fate(rung)
    if rung.again:
        yield _again(rung)
    elif rung.flags & SYN:
        yield f"ISN {rung.seq}"
    for code, words in rung.marks:
        if not _is_told(rung, code, words):
            yield words
    if rung.acks is not None:
        yield _acknowledges(rung)
    if rung.received_ns is not None and rung.pieces > 1:
        yield f"arrived in {rung.pieces} parts"
    if rung.sent_ns is None and all(ladder.told_all):
        yield "its sending was not seen"


def _is_told(rung: Rung, code: str, words: str) -> bool:
    """Whether other words say it: the cause, or the fact before the rung."""
    return (code in ("retransmission", "probe") or words == rung.cause
            or code == "keepalive" and rung.has_mark("probe"))


def _again(rung: Rung) -> str:
    text = "sent again"
    if rung.cause:
        text += f": {rung.cause}"
    original = rung.original
    if original is not None:
        text += f", first as {original.number}"
        if original.fate == DROPPED:
            text += ", which was dropped on arrival"
        elif original.received_ns is not None and not original.pieces \
                and original.sent_ns is not None:
            late = (rung.sent_ns is not None
                    and original.received_ns > rung.sent_ns)
            text += ", which arrived later" if late else ", though that arrived"
    return text


def _acknowledges(rung: Rung) -> str:
    text = (f"acknowledges {'all up to ' if rung.acks_several else ''}"
            f"{rung.acks}")
    if rung.acks_what:
        text += f" ({rung.acks_what})"
    rtt_us, answered_us = rung.rtt_us, rung.answered_us
    if rtt_us is not None:
        return f"{text}, RTT {duration(rtt_us)}"
    if rung.acked_again:
        return f"{text}, sent more than once"
    if answered_us is not None:
        return f"{text}, {duration(answered_us)} after it came"
    return text


# ---- the conversation

def completeness(seen: int) -> str:
    """As Wireshark names it: what there was of a whole conversation."""
    begun = SAW_SYN | SAW_SYNACK | SAW_ACK
    if seen & begun == begun and seen & (SAW_FIN | SAW_RST):
        return ("complete, with data" if seen & SAW_DATA else
                "complete, without data")
    unseen = [name for bit, name in (
        (SAW_SYN, "SYN"), (SAW_SYNACK, "SYN-ACK"), (SAW_ACK, "ACK"))
        if not seen & bit]
    if not seen & (SAW_FIN | SAW_RST):
        unseen.append("FIN or RST")
    return f"incomplete: no {', no '.join(unseen)}"


def ids(conversation: Conversation, end: int) -> str:
    """The connection ids of one end."""
    told = conversation.ids[end]
    if told:
        more = " ..." if len(told) > SHOWN_IDS else ""
        return " ".join(map(connection, told[:SHOWN_IDS])) + more
    return "sk:-" if conversation.recorded[end] else "not recorded"


def left_end(conversation: Conversation, wanted: int | None) -> int:
    """Which end stands left: the one asked for, else who opened, else the local."""
    if wanted is not None:
        for end in (0, 1):
            if wanted in conversation.ids[end]:
                return end
    recorded = conversation.recorded
    if recorded[0] != recorded[1]:
        return 0 if recorded[0] else 1
    return conversation.opener or 0


def heading(ladder: Ladder) -> str:
    """One line on the whole."""
    conversation = ladder.conversation
    assert conversation is not None
    both = all(conversation.recorded)
    recorded = ("with itself" if conversation.is_with_itself else
                "both ends recorded" if both else "one end recorded")
    parts = [f"{plural(ladder.rungs, 'segment')}, {recorded}"]
    if ladder.sent_again:
        by_mss = conversation.sent_again
        parts.append(f"{ladder.sent_again} sent again"
                     + (f" ({by_mss} as `losses` counts, by the MSS)"
                        if by_mss > ladder.sent_again else ""))
    if both and (ladder.lost or not ladder.is_partial):
        least = "at least " if ladder.is_partial else ""    # of what is here
        parts.append(f"{least}{ladder.lost} lost"
                     + (" on the way" if ladder.dropped else ""))
    if ladder.dropped:
        parts.append(f"{ladder.dropped} dropped on arrival")
    parts.append(completeness(ladder.completeness))
    if ladder.initial_rtt_us is not None:
        parts.append(f"initial RTT {duration(ladder.initial_rtt_us)}")
    return "; ".join(parts)


def missing(ladder: Ladder) -> str:
    """What is missing where `segment` was off; empty if nothing is."""
    conversation = ladder.conversation
    if conversation is None or not ladder.is_partial:
        return ""
    drawn = BOTH_ENDS_LESS if all(conversation.recorded) else ONE_END_LESS
    return SEGMENT_OFF.format(drawn=drawn)
