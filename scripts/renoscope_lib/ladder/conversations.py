# SPDX-License-Identifier: GPL-2.0
"""Which events belong to one conversation, be they seen at one end or at both.

A connection id names a socket, so a connection between two namespaces of one
machine has two of them, and a SYN that meets a listener has none.  What joins all
of these is the pair of ends: one side's local end is the other's peer.  The same
two ends may meet again later; then the initial sequence numbers differ, and it is
another conversation.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from ..ring.schema import Event, Schema
from ..tcp.flows import ends_of, is_of_recording, is_passive
from ..tcp.segments import has_segment, is_received, segments_sent_again
from ..tcp.sequence import ACK, MODULUS, SYN, isns_differ
from ..tcp.tcp_states import IN_SMALL_SOCKS, SYNCHRONIZED, SYN_SENT
from ..words import local_endpoint, plural, remote_endpoint
from .end_states import EndState

# Conversations kept at the most, and how many of the same two ends are looked at.
MOST = 100_000
SAME_ENDS = 8

# Ids remembered of one end: a socket has one, but hostile input any number.
MOST_IDS = 16

# An answer may come before the kernel counts the SYN as sent; and data may ride on it.
MOST_IN_A_SYN = 1 << 16

SENT_AGAIN = ("retransmit", "synack_retransmit")
RESETS = ("reset_sent", "reset_received")

End = tuple[bytes, int]


def _no_ids() -> tuple[list[int], list[int]]:
    return [], []


@dataclass(slots=True, eq=False)
class Conversation:
    """Two ends, and what is known of each; an end is 0 or 1 in every pair here."""

    number: int
    family: int
    ends: tuple[End, End]
    names: tuple[str, str]
    first_ns: int
    last_ns: int = 0
    isns: list[int | None] = field(default_factory=lambda: [None, None])
    netns: list[int | None] = field(default_factory=lambda: [None, None])
    ids: tuple[list[int], list[int]] = field(default_factory=_no_ids)
    states: tuple[EndState, EndState] = field(
        default_factory=lambda: (EndState(), EndState()))
    opener: int | None = None
    events: int = 0
    segments: int = 0
    sent_again: int = 0
    resets: int = 0
    keys: list[Hashable] = field(default_factory=list)

    def end_of(self, event: Event) -> int:
        """At which end the event was seen."""
        return int((event["local_addr"], event["local_port"]) != self.ends[0])

    @property
    def recorded(self) -> list[bool]:
        """Which ends were recorded."""
        return [netns is not None for netns in self.netns]

    @property
    def is_with_itself(self) -> bool:
        """Whether one socket is both ends: what it sends comes back to it."""
        return self.ends[0] == self.ends[1]

    def ends_of(self, event: Event) -> tuple[int, ...]:
        """The end at which the event was seen, or both."""
        return (0, 1) if self.is_with_itself else (self.end_of(event),)

    def has(self, cookie: int) -> bool:
        """Whether one of its ends has this id."""
        return any(cookie in ids for ids in self.ids)


def _has_syn(event: Event) -> bool:
    return has_segment(event) and bool(event["seg_flags"] & SYN)


def _is_of_another(event: Event) -> bool:
    """Whether a segment in SYN-SENT has no number of ours.

    The peer answers for an older connection between the same ends (a challenge ACK),
    and we reset that.
    """
    if not has_segment(event) or not event["snd_isn"]:
        return False
    came = is_received(event) or event.kind == "reset_sent"
    if came and not event["seg_flags"] & ACK:
        return False
    number = event["seg_ack"] if came else event["seg_seq"]
    return (number - event["snd_isn"]) % MODULUS > MOST_IN_A_SYN


class Conversations:
    """Give it every joined event in order; it says of which conversation it is.

    The same events give the same numbers each time.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._syn_sent = schema.numbers_of("state", SYN_SENT)
        self._small = schema.numbers_of("state", *IN_SMALL_SOCKS)
        self._all: OrderedDict[int, Conversation] = OrderedDict()
        self._found: dict[Hashable, Conversation] = {}
        self._same_ends: dict[Hashable, deque[Conversation]] = {}
        self._number = 0
        self.forgotten = 0

    def __iter__(self) -> Iterator[Conversation]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def of(self, event: Event) -> Conversation | None:
        """The event's conversation; None if it is of none, as a listener's."""
        if is_of_recording(event):
            return None
        if not event["remote_port"] or not event["local_port"]:
            return self._by_id(event)
        if event["state"] in self._syn_sent and _is_of_another(event):
            older = self._older(event)
            if older is not None:
                self._see(older, event)
                return older
        conversation = self._known(event) or self._other_ends(event)
        if conversation is None:
            conversation = self._new(event)
        self._bind(conversation, event)
        self._see(conversation, event)
        return conversation

    def holder(self, event: Event, conversation: Conversation) -> Conversation | None:
        """Whose socket saw the event: its segment may be of a newer conversation."""
        return self._by_id(event) if self._is_for_another(event) else conversation

    def left_out(self) -> list[str]:
        """A line on those that are not kept any more; none if all are."""
        if not self.forgotten:
            return []
        return [f"{plural(self.forgotten, 'earlier connection')} left out: "
                f"too many to keep (at most {MOST})"]

    # ---- which one

    def _is_for_another(self, event: Event) -> bool:
        """Whether a SYN came to a socket that the peer has forgotten and opens anew.

        A small sock was open before, but has forgotten with which numbers.
        """
        if not _has_syn(event) or not is_received(event):
            return False
        if not event["rcv_isn"]:
            return event["state"] in self._small and not event["seg_flags"] & ACK
        return isns_differ(event["seg_seq"], event["rcv_isn"])

    def _told_isns(self, event: Event) -> tuple[int | None, int | None]:
        """What the event says of its own and the peer's ISN; a SYN's number is one."""
        own, peer = event["snd_isn"] or None, event["rcv_isn"] or None
        if not _has_syn(event):
            return own, peer
        if self._is_for_another(event):
            return None, event["seg_seq"]
        if is_received(event):
            return own, event["seg_seq"]
        return event["seg_seq"], peer

    def _by_id(self, event: Event) -> Conversation | None:
        """Of a socket that has lost its ends, or has not got them yet."""
        if not event["cookie"]:
            return None
        return self._found.get((event["netns"], event["cookie"]))

    @staticmethod
    def _pair(event: Event) -> tuple[End, End]:
        return ((event["local_addr"], event["local_port"]),
                (event["remote_addr"], event["remote_port"]))

    def _known(self, event: Event) -> Conversation | None:
        for found in (self._by_id(event), self._found.get(ends_of(event))):
            if found is not None and self._fits(found, event):
                return found
        return None

    def _other_ends(self, event: Event) -> Conversation | None:
        """One that was seen at its other end so far."""
        for found in reversed(self._same_ends.get(
                frozenset(self._pair(event)), ())):
            if self._fits(found, event):
                return found
        return None

    def _older(self, event: Event) -> Conversation | None:
        """The one before that of the event's socket, between the same ends."""
        own = self._by_id(event)
        same = self._same_ends.get(frozenset(self._pair(event)), ())
        return next((found for found in reversed(same) if found is not own
                     and found.netns[found.end_of(event)] in (None, event["netns"])), None)

    def _fits(self, found: Conversation, event: Event) -> bool:
        if set(self._pair(event)) != set(found.ends):
            return False
        end = found.end_of(event)
        own, peer = self._told_isns(event)
        return (found.netns[end] in (None, event["netns"])
                and not isns_differ(own, found.isns[end])
                and not isns_differ(peer, found.isns[1 - end]))

    # ---- keeping it

    def _new(self, event: Event) -> Conversation:
        ends = self._pair(event)
        self._number += 1
        new = Conversation(self._number, event["family"], ends,
                           (local_endpoint(event), remote_endpoint(event)),
                           event["time_ns"])
        self._all[new.number] = new
        same = self._same_ends.setdefault(frozenset(ends),
                                          deque(maxlen=SAME_ENDS))
        same.append(new)
        if len(self._all) > MOST:
            self._forget(self._all.popitem(last=False)[1])
        return new

    def _forget(self, old: Conversation) -> None:
        self.forgotten += 1
        for key in old.keys:
            if self._found.get(key) is old:
                del self._found[key]
        pair = frozenset(old.ends)
        same = self._same_ends.get(pair)
        if same is not None and old in same:
            same.remove(old)
            if not same:
                del self._same_ends[pair]

    def _bind(self, conversation: Conversation, event: Event) -> None:
        keys: list[Hashable] = [ends_of(event)]
        cookie = 0 if self._is_for_another(event) else event["cookie"]
        if cookie:
            keys.append((event["netns"], cookie))
        for end in conversation.ends_of(event):
            ids = conversation.ids[end]
            if cookie and cookie not in ids and len(ids) < MOST_IDS:
                ids.append(cookie)
            conversation.netns[end] = event["netns"]
        for key in keys:
            if self._found.get(key) is not conversation:
                self._found[key] = conversation
                if key not in conversation.keys:
                    conversation.keys.append(key)

    # ---- what the event says of it

    def _see(self, conversation: Conversation, event: Event) -> None:
        conversation.events += 1
        conversation.last_ns = event["time_ns"]
        conversation.segments += event.kind == "segment"
        if event.kind in SENT_AGAIN:
            conversation.sent_again += segments_sent_again(event)
        conversation.resets += event.kind in RESETS
        end = conversation.end_of(event)
        self._see_isns(conversation, event, end)
        holder = self.holder(event, conversation)
        if holder is not None:
            for each in holder.ends_of(event):
                holder.states[each].see(event, self._schema)
        if conversation.opener is None:
            conversation.opener = self._opener(event, end)

    def _see_isns(self, conversation: Conversation, event: Event, end: int) -> None:
        """A SYN's own number is the best that there is."""
        own, peer = self._told_isns(event)
        sender = None
        if _has_syn(event):
            sender = 1 - end if is_received(event) else end
        for whose, told in ((end, own), (1 - end, peer)):
            if told is not None and (conversation.isns[whose] is None
                                     or whose == sender):
                conversation.isns[whose] = told

    def _opener(self, event: Event, end: int) -> int | None:
        """Which end opened it, as far as the event tells."""
        if _has_syn(event) and not event["seg_flags"] & ACK:
            return 1 - end if is_received(event) else end
        if event.kind == "request":
            return 1 - end
        state = self._schema.name_of("state", event["state"])
        if event.kind == "state" and state == SYN_SENT:
            return end
        if state not in SYNCHRONIZED or not event["snd_isn"]:
            return None
        return 1 - end if is_passive(self._schema, event) else end
