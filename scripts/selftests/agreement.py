# SPDX-License-Identifier: GPL-2.0
"""Whether all views tell the same of each connection.

Several views work out the same fact, each in its own way. FACTS names for each fact who
tells it; each two of them are held against each other, connection by connection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from operator import itemgetter
from typing import Any, NamedTuple

from all_told import Told
from renoscope_lib.explain.finding import brief
from tellers import (Teller, begun_between, but_opening, but_straight_on, caught_up, column,
                     explained_cost, from_start, if_settled, kind_count, listeners, marks,
                     number, of_events, of_ladders, of_listeners, of_marks, of_rows,
                     of_sentences, peer_of, rows_sum, said, said_healthy, sample, went_well,
                     where_on, where_whole, whole)
from told_words import (OPENED, after_opening, alike_stays, blamed_for_reset, both_ends_again,
                        close_us, closed_first, cwnd_told, exported_causes, flow_counts,
                        is_on_line, is_open, is_reset, keepalive_probe, ladder_closer,
                        ladder_open, ladder_opener, ladder_stays, last_state, loss_probes,
                        never_accepted, opened_us, opener_in_findings, opening,
                        opening_in_words, opening_timeouts, path_seen, persist_probe, probes,
                        refused_by, reset_by, same_path, seen, segments_again, sent_again_as,
                        settled_seconds, states, stays, time_wait, windows_closed)

BY_LISTENER = ("top", "--by", "listener")
SWAPPED = {"us": "peer", "peer": "us"}
# What `losses` counts; `flow` sees the segments themselves, the kernel has a count of its own.
RESENT = ("retransmit", "synack_retransmit")
# What tells of FIN-WAIT-2 where a FIN leads straight through it: by segments flow knows it, too.
CLOSING = ("state", "time_wait", "ack")
CLOSERS = {"first by us": "us", "first by the peer": "peer", "by both at once": "both"}


class Fact(NamedTuple):
    """Something that several tell."""

    name: str
    tellers: dict[str, Teller]
    same: Callable[[Any, Any], bool] = lambda one, other: bool(one == other)
    # A zero that both tell shows little.
    matters: Callable[[Any], bool] = bool


class Pair(NamedTuple):
    """Two tellers of a fact."""

    fact: str
    one: str
    other: str

    def __str__(self) -> str:
        return f"{self.fact}: {self.one} and {self.other}"


class Verdict(NamedTuple):
    """What came of comparing."""

    compared: dict[Pair, int]       # where it matters
    disagreements: list[str]

    def and_of(self, other: Verdict) -> Verdict:
        """What came of both."""
        return Verdict({pair: self.compared.get(pair, 0) + other.compared.get(pair, 0)
                        for pair in {**self.compared, **other.compared}},
                       self.disagreements + other.disagreements)

    def never_compared(self) -> list[str]:
        """Pairs of which nothing that matters was compared."""
        return [str(pair) for pair, count in self.compared.items() if not count]


FACTS = (
    Fact("state", {
        "states": column("states", "state"),
        "states' path": of_rows("states", lambda row: states(row)[-1]),
        "top": where_on(column("top", "state"), "state"),
        "flow": but_straight_on(where_on(of_ladders(last_state), "state")),
        "flow's list": but_straight_on(where_on(lambda told: said({
            key: end["state"] for key, end in told.flow_ends.items()}), "state")),
        "explain": of_sentences("healthy", r"(?:still|now in) ([A-Z0-9-]+)$", str)}),
    Fact("states gone through", {
        "states": path_seen,
        "flow": but_straight_on(where_whole(of_ladders(
            lambda end: [step["state"] for step in end.states()]), *CLOSING))},
         same=same_path),
    Fact("time in each state", {
        "states": but_opening(of_rows("states", stays)),
        "flow": but_straight_on(where_whole(
            but_opening(of_ladders(ladder_stays)), *CLOSING))},
         same=alike_stays),
    Fact("length of TIME-WAIT", {
        "states": of_rows("states", lambda row: time_wait(stays(row))),
        "flow": of_ladders(lambda end: time_wait(ladder_stays(end)))}, same=close_us),
    Fact("who opened", {
        "states": column("states", "opened_by"),
        "handshakes": column("handshakes", "opened_by"),
        "flow": of_ladders(ladder_opener),
        "explain": opener_in_findings}),
    Fact("who closed first", {
        "states": column("states", "closed_first_by"),
        "flow": of_ladders(ladder_closer),
        "explain": of_sentences("healthy", r"closed ((?:first )?by [a-z ]+?)(?:,|$)",
                                CLOSERS.__getitem__)}),
    Fact("who reset", {
        "states": of_rows("states", reset_by),
        "explain": blamed_for_reset}, matters=lambda by: by != "nobody"),
    Fact("who closed first, by either end", {
        "states": of_rows("states", closed_first),
        "states of the other end": peer_of(
            of_rows("states", closed_first),
            {**SWAPPED, "both": "both"}.get)}),
    Fact("who reset, by either end", {
        "states": of_rows("states", lambda row: reset_by(row) if row["ending"] and
                          row["ending"]["how"] == "reset" else None),
        "states of the other end": peer_of(
            of_rows("states", reset_by), SWAPPED.get)}),
    Fact("whether it was opened", {
        "states": if_settled(where_whole(of_rows("states", lambda row: is_open(states(row))),
                                         "state")),
        "handshakes": of_rows("handshakes", lambda row: OPENED.get(row["result"])),
        "flow": if_settled(where_whole(of_ladders(ladder_open), "state"))}),
    Fact("how long opening took", {
        "handshakes": of_rows("handshakes", lambda row: row["took_us"]
                              if row["opened_by"] == "us" else None),
        "states": of_rows("states", opened_us),
        "flow": of_ladders(lambda end: opening(ladder_stays(end)))},
        same=close_us),
    Fact("how long opening took, in words", {
        "handshakes": of_rows("handshakes", lambda row: None if row["took_us"] is None
                              else brief(row["took_us"])),
        "explain": opening_in_words}),
    Fact("never accepted", {
        "handshakes": column("handshakes", "never_accepted"),
        "explain": never_accepted}),
    Fact("segments sent again", {
        "losses": column("losses", "segments_sent_again"),
        "top": column("top", "segments_sent_again_seen"),
        "top, by the kernel's count": from_start(where_whole(of_rows("top", lambda row: max(
            row["segments_sent_again_seen"], row["segments_sent_again_total"] or 0)), *RESENT)),
        "flow": begun_between(where_whole(of_ladders(segments_again), "segment", *RESENT))}),
    Fact("segments sent again by both ends", {
        "losses": both_ends_again,
        "flow's list": begun_between(where_whole(flow_counts, "segment", *RESENT))}),
    Fact("segments sent again once open", {
        "losses": of_rows("losses", after_opening),
        "cwnd": column("cwnd", "segments_sent_again")}),
    Fact("anything sent again", {
        "losses": column("losses", "segments_sent_again"),
        "explain": said_healthy("nothing sent again")}, matters=lambda count: True),
    Fact("timeouts", {
        "losses": column("losses", "timeouts"),
        "export": of_events("rto")}),
    Fact("timeouts once open", {
        "losses": where_whole(of_rows("losses", lambda row: row["timeouts"]
                                      - opening_timeouts(row)), "retransmit"),
        "cwnd": column("cwnd", "timeouts"),
        "cwnd's marks": of_marks("rto"),
        "explain": of_sentences(
            "timeouts", r"^(\w+) retransmission timeout", number)}),
    Fact("recoveries", {
        "losses": where_whole(column("losses", "recoveries"), "ca_state"),
        "cwnd": column("cwnd", "recoveries"),
        "cwnd's marks": of_marks("fast_retransmit")}),
    Fact("tail loss probes", {
        "losses": of_rows("losses", lambda row: sum(row["loss_probes"].values())),
        "cwnd's marks": of_marks("loss_probe"),
        "export": of_events("loss_probe")}),
    Fact("tail loss probes of what was on its way", {
        "losses": column("losses", "loss_probes", "sent_again"),
        "flow": begun_between(where_whole(
            of_ladders(loss_probes), "segment", "loss_probe", *RESENT))}),
    Fact("reductions", {
        "losses": where_whole(column("losses", "reductions"), "ca_state"),
        "cwnd's marks": of_rows("cwnd", lambda row: marks(row, "ecn")
                                + marks(row, "reduced"))}),
    Fact("ECN reductions", {
        "cwnd's marks": of_marks("ecn"),
        "explain": of_sentences("ecn", r"^cwnd was cut (\w+) as the peer echoed", number)}),
    Fact("undone", {
        "losses": where_whole(column("losses", "undone"), "ca_state"),
        "cwnd's marks": of_marks("undone"),
        "explain": of_sentences("spurious", r"^(\w+) reductions? of cwnd undone", number)}),
    Fact("SYNs sent again", {
        "states": column("states", "syns_sent_again"),
        "handshakes": column("handshakes", "syns_sent_again"),
        "losses": column("losses", "by_cause", "syn"),
        "flow": of_ladders(sent_again_as("SYN not answered"))}),
    Fact("SYN-ACKs sent again", {
        "states": column("states", "synacks_sent_again"),
        "handshakes": column("handshakes", "synacks_sent_again"),
        "losses": column("losses", "by_cause", "synack"),
        "flow": of_ladders(sent_again_as("SYN-ACK timer", "duplicate SYN")),
        "export": of_events("synack_retransmit")}),
    Fact("zero windows of the peer", {
        "windows": column("windows", "zero_windows", "peer"),
        "explain": of_sentences("stood-still", r"window was zero (\w+)", number)}),
    Fact("our zero windows", {
        "windows": column("windows", "zero_windows", "own"),
        "explain": of_sentences("made-peer-wait", r"window was zero (\w+)", number)}),
    Fact("zero windows, by either end", {
        "windows": column("windows", "zero_windows", "peer"),
        "windows of the other end": from_start(where_whole(peer_of(
            column("windows", "zero_windows", "own")), "zero_window", "ack"))}),
    Fact("any window closed", {
        "windows": of_rows("windows", lambda row: sum(row["zero_windows"].values())),
        "explain": said_healthy("no window closed")}, matters=lambda count: True),
    Fact("standing still", {
        "windows": column("windows", "stalled_us", "peer"),
        "explain": explained_cost("stood-still")}),
    Fact("the persist timer's firing", {
        "windows": column("windows", "persist_probes"),
        "export": of_events("probe", persist_probe)}),
    Fact("probes of a window", {
        "windows": column("windows", "persist_probes_of_zero_windows"),
        "explain": of_sentences("stood-still", r"(\w+) probes? asked", number)}),
    Fact("keepalive probes", {
        "windows": column("windows", "keepalive_probes"),
        "export": of_events("probe", keepalive_probe)}),
    Fact("probes of a window or a silent peer", {
        "windows": of_rows("windows", lambda row: row["persist_probes_of_zero_windows"]
                           + row["keepalive_probes"]),
        "flow": of_ladders(probes)}),
    Fact("cwnd in time", {
        "cwnd": of_rows("cwnd", lambda row: row["cwnd"] if not row["holes"] else None),
        "flow": of_ladders(cwnd_told)}, same=is_on_line),
    Fact("rounds", {
        "rounds": column("rounds", "rounds"),
        "cwnd": of_rows("cwnd", lambda row: None if row["rounds_derived"]
                        else row["rounds"])}),
    Fact("bytes received", {
        "cwnd": column("cwnd", "bytes_received"),
        "top": where_on(caught_up(column("top", "bytes_received_seen"), "rcv_nxt"), "state")}),
    Fact("bytes acknowledged", {
        "cwnd": column("cwnd", "bytes_acked"),
        "top, but for a FIN": where_on(caught_up(went_well(
            column("top", "bytes_acked_seen")), "snd_una", fin=1), "state")},
         same=lambda cwnd, top: top - cwnd in (0, 1)),
    Fact("how many in each state", {
        "states": lambda told: told.whole("states")["counts"],
        "states' rows": lambda told: Counter(
            row["state"] for row in told.whole("states")["connections"]),
        "top": where_on(lambda told: told.whole("top")["counts"], "state")}),
    Fact("seconds in each state", {
        "states": settled_seconds,
        "metrics": lambda told: told.samples_by("state_seconds_sum", "state")},
        same=lambda one, other: abs(one - other) < 0.001),
    Fact("segments sent again in all, by cause", {
        "losses": lambda told: told.whole("losses")["total"],
        "metrics": lambda told: told.samples_by("retransmits_total", "cause"),
        "export": exported_causes}),
    Fact("SYN-ACKs sent again in all", {
        "losses": whole(lambda told: told.whole("losses")["total"]["synack"]),
        "handshakes": rows_sum("handshakes", "synacks_sent_again"),
        "handshakes' table": whole(lambda told: len(
            told.whole("handshakes")["synack_retransmits"])),
        "metrics": sample("synack_retransmits_total")}),
    Fact("timeouts in all", {
        "losses": rows_sum("losses", "timeouts"),
        "metrics": sample("rtos_total"),
        "export": kind_count("rto")}),
    Fact("events by kind", {
        "export": lambda told: Counter(event["kind"] for event in told.events),
        "metrics": lambda told: told.samples_by("events_total", "kind")}),
    Fact("refusals", {
        "handshakes": rows_sum("handshakes", "refused"),
        "handshakes' listeners": listeners("refused_syns", "refused_last_acks"),
        "metrics": sample("refused_total"),
        "export": kind_count("refused")}),
    *(Fact(f"a listener's {name}", {
        "handshakes": of_listeners(itemgetter(name), "handshakes"),
        "top": of_listeners(seen(name), *BY_LISTENER)})
        for name in ("syns", "completed", "accepted", "cookies_sent")),
    *(Fact(f"a listener's {queue}", {
        "handshakes": of_listeners(itemgetter(queue), "handshakes"),
        "top": of_listeners(itemgetter(queue), *BY_LISTENER)},
        matters=lambda told: bool(told["peak"]))
        for queue in ("half_open", "accept_queue")),
    Fact("a listener's refusals", {
        "handshakes": of_listeners(refused_by, "handshakes"),
        "top": of_listeners(lambda row: row["refused_by_reason_seen"], *BY_LISTENER)}),
    Fact("accepted", {
        "handshakes' listeners": listeners("accepted"),
        "metrics": sample("listener_accepted_total"),
        "export": kind_count("accepted")}),
    Fact("cookies sent", {
        "handshakes": rows_sum("handshakes", "cookies_sent"),
        "handshakes' listeners": listeners("cookies_sent"),
        "states": whole(lambda told: told.whole("states")["cookie_synacks"]),
        "metrics": sample("syn_cookies_sent_total")}),
    Fact("RSTs", {
        "metrics": sample("resets_total"),
        "export": whole(lambda told: sum(map(is_reset, told.events)))}),
    Fact("zero windows in all", {
        "windows": windows_closed,
        "metrics": where_whole(sample("zero_windows_total"), "zero_window")}),
)


# ---- comparing

def _alike(fact: Fact, here: Any, there: Any) -> bool:
    """What is not known is like nothing that is."""
    if here is None or there is None:
        return here is there
    return fact.same(here, there)


def _compare(told: Told, fact: Fact, verdict: Verdict) -> None:
    words = {teller: tell(told) for teller, tell in fact.tellers.items()}
    for one, other in combinations(words, 2):
        pair = Pair(fact.name, one, other)
        verdict.compared.setdefault(pair, 0)
        for who in words[one].keys() & words[other].keys():
            here, there = words[one][who], words[other][who]
            if not _alike(fact, here, there):
                verdict.disagreements.append(
                    f"{fact.name} of {who}: {one}: {here}; {other}: {there}")
            elif fact.matters(here):
                verdict.compared[pair] += 1


def compare(told: Told) -> Verdict:
    """Hold every two tellers of each fact against each other."""
    verdict = Verdict({}, [])
    for fact in FACTS:
        _compare(told, fact, verdict)
    return verdict
