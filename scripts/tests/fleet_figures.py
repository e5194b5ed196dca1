# SPDX-License-Identifier: GPL-2.0
"""What the queries of scripts/clickhouse must answer, reckoned by hand.

From the same events, as the lines of `renoscope export --format jsonl` with a host
each, and with nothing of SQL: one function a query, named as its file.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

Row = dict[str, Any]


def prefix(event: Row) -> str:
    """The peer's network."""
    bits = 48 if event["family"] == 6 else 24
    return str(ipaddress.ip_network((event["remote_addr"], bits), strict=False))


def grouped(events: Iterable[Row], *by: str | Callable[[Row], Any]
            ) -> dict[tuple[Any, ...], list[Row]]:
    """Events by the values of fields, or of functions."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for event in events:
        groups[tuple(key(event) if callable(key) else event[key]
                     for key in by)].append(event)
    return groups


def of(events: Iterable[Row], *kinds: str) -> list[Row]:
    """Those of these kinds."""
    return [event for event in events if event["kind"] in kinds]


def exact(values: Iterable[float], level: float) -> float:
    """quantileExact."""
    ordered = sorted(values)
    return ordered[min(int(level * len(ordered)), len(ordered) - 1)]


def ended(events: Iterable[Row]) -> list[Row]:
    """Connections that came to an end of which the kernel had sums."""
    return [event for event in of(events, "destroy") if event["segs_out"]]


def senders(events: Iterable[Row]) -> list[Row]:
    """Of these connections, those that sent data."""
    return [event for event in ended(events) if event["data_segs_out"]]


def moment(events: list[Row], choose: Callable[..., str]) -> str:
    """The first or last time, as ClickHouse writes it."""
    return choose(event["time_utc"] for event in events)[:19].replace("T", " ")


def percent(part: int, whole: int) -> float | None:
    """None is how JSON has a share of nothing."""
    return round(100 * part / whole, 3) if whole else None


def lost(events: Iterable[Row]) -> int:
    return sum(event["lost_events"] for event in of(events, "lost")
               if event["serial"] > 1)


def hosts(events: list[Row]) -> list[Row]:
    rows = []
    for (host,), its in grouped(events, "host").items():
        done, sent = ended(its), senders(its)
        count = Counter(event["kind"] for event in its)
        rows.append({
            "host": host, "connections_ended": len(done),
            "again_percent": percent(sum(e["retrans_segs"] for e in sent),
                                     sum(e["data_segs_out"] for e in sent)),
            "retransmits": sum(e["retransmit_segs"]
                               for e in of(its, "retransmit")),
            "timeouts": count["rto"], "synacks_again": count["synack_retransmit"],
            "refused": count["refused"], "resets_sent": count["reset_sent"],
            "resets_received": count["reset_received"], "lost_events": lost(its)})
    return sorted(rows, key=lambda r: (-(r["timeouts"] + r["refused"]),
                                       -r["retransmits"], r["host"]))


def peers(events: list[Row]) -> list[Row]:
    rows = []
    for (network,), its in grouped(senders(events), prefix).items():
        sent, again = (sum(e[name] for e in its)
                       for name in ("data_segs_out", "retrans_segs"))
        rows.append({"peer_prefix": network, "hosts": len({e["host"] for e in its}),
                     "connections_ended": len(its), "sent": sent, "again": again,
                     "again_percent": percent(again, sent)})
    return sorted(rows, key=lambda r: (-r["again_percent"], -r["again"],
                                       r["peer_prefix"]))


def causes(events: list[Row]) -> list[Row]:
    rows = [{"host": host, "retransmit_cause": cause,
             "segments": sum(e["retransmit_segs"] for e in its),
             "connections": len({e["cookie"] for e in its}),
             "networks": len({prefix(e) for e in its})}
            for (host, cause), its in grouped(
                of(events, "retransmit"), "host", "retransmit_cause").items()]
    return sorted(rows, key=lambda r: (r["host"], -r["segments"],
                                       r["retransmit_cause"]))


def synack_backoff(events: list[Row]) -> list[Row]:
    rows = []
    for (host, port), its in grouped(
            of(events, "synack", "synack_retransmit", "request_end"),
            "host", "local_port").items():
        again = of(its, "synack_retransmit")
        numbers = Counter(min(e["num_retrans"], 4) for e in again)
        rows.append({
            "host": host, "port": port, "synacks": len(of(its, "synack")),
            **{f"again_{n + 1}": numbers[n] for n in range(4)},
            "again_5_on": numbers[4],
            "given_up": sum(e["request_ending"] == "expired"
                            for e in of(its, "request_end")),
            "peers": len({e["remote_addr"] for e in again})})
    return sorted((r for r in rows if r["again_1"] or r["given_up"]),
                  key=lambda r: (-r["again_1"], r["host"], r["port"]))


def accept_queue(events: list[Row]) -> list[Row]:
    dropped = [e for e in of(events, "refused")
               if e["refusal"] == "accept_queue_full"]
    rows = [{"host": host, "port": port,
             "syns_dropped": sum("ACK" not in e["seg_flags"] for e in its),
             "last_acks_dropped": sum("ACK" in e["seg_flags"] for e in its),
             "peers": len({e["remote_addr"] for e in its}),
             "longest_queue": max(e["accept_queue"] for e in its),
             "backlog": max(e["accept_limit"] for e in its),
             "first": moment(its, min), "last": moment(its, max)}
            for (host, port), its in grouped(dropped, "host", "local_port").items()]
    return sorted(rows, key=lambda r: (-r["syns_dropped"] - r["last_acks_dropped"],
                                       r["host"], r["port"]))


def srtt(events: list[Row]) -> list[Row]:
    rows = []
    measured = [event for event in ended(events) if event["srtt_us"]]
    for (network,), its in grouped(measured, prefix).items():
        times = [e["srtt_us"] for e in its]
        rows.append({"peer_prefix": network, "connections_ended": len(its),
                     "median_ms": exact(times, 0.5) / 1000,
                     "p99_ms": exact(times, 0.99) / 1000,
                     "longest_ms": max(times) / 1000})
    return sorted(rows, key=lambda r: (-r["p99_ms"], r["peer_prefix"]))


def slow_connects(events: list[Row]) -> list[Row]:
    tries: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    changes = (event for event in of(events, "state")
               if "SYN-SENT" in (event["state"], event["old_state"]))
    for its in grouped(changes, "host", "cookie").values():
        if [e["state"] == "SYN-SENT" for e in its] != [True, False]:
            continue  # its beginning or end was not seen
        first, last = its
        tries[prefix(first), first["remote_port"]].append(
            (last["state"], (last["time_ns"] - first["time_ns"]) // 1000))
    rows = [{"prefix": network, "port": port, "connects": len(its),
             "failed": sum(state == "CLOSED" for state, _ in its),
             "over_a_second": sum(took >= 1_000_000 for _, took in its),
             "p99_ms": exact([took for _, took in its], 0.99) / 1000}
            for (network, port), its in tries.items()]
    return sorted(rows, key=lambda r: (-r["over_a_second"], -r["p99_ms"],
                                       r["prefix"], r["port"]))


def resets(events: list[Row]) -> list[Row]:
    def direction(event: Row) -> str:
        return event["kind"].removeprefix("reset_")

    def reason(event: Row) -> str:
        return event["reset_reason"] if direction(event) == "sent" else ""
    rows = [{"host": host, "direction": which, "reason": why, "state": state,
             "resets": len(its), "peers": len({e["remote_addr"] for e in its})}
            for (host, which, why, state), its in grouped(
                of(events, "reset_sent", "reset_received"), "host", direction,
                reason, "state").items()]
    return sorted(rows, key=lambda r: (-r["resets"], r["host"], r["direction"],
                                       r["reason"], r["state"]))


def trust(events: list[Row]) -> list[Row]:
    rows = []
    for (host, hour), its in grouped(
            events, "host", lambda event: event["time_utc"][:13]).items():
        seen = sum(e["kind"] != "lost" for e in its)
        rows.append({"host": host, "hour": f"{hour[:10]} {hour[11:]}:00:00",
                     "events": seen, "lost": lost(its),
                     "lost_percent": percent(lost(its), seen + lost(its))})
    return sorted(rows, key=lambda r: (r["host"], r["hour"]))


BY_HAND = {function.__name__: function for function in (
    hosts, peers, causes, synack_backoff, accept_queue, srtt, slow_connects, resets,
    trust)}
