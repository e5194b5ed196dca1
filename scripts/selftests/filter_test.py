# SPDX-License-Identifier: GPL-2.0
"""Filter, sampling and freeze with real traffic, and the marks they leave."""

from __future__ import annotations

import collections
import socket

from hosts import run
from inside import abort
from recorder import (MODULE, PARAMETERS, Recorder, gate, is_loaded, kernel_log, parameter,
                      renoscope, wait_until)
from renoscope_lib.ring.schema import Event

ONE, OTHER = 5000, 5001
LIFE = ["SYN-SENT", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2"]
FLOWS = 40


def _set(name: str, text: str) -> None:
    (PARAMETERS / name).write_text(text)


def _listen(port: int, address: str = "127.0.0.1") -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=64)


def _talk(listener: socket.socket, address: str = "127.0.0.1") -> int:
    """A connection from its SYN to TIME-WAIT; the client closes first, and its port."""
    client = socket.create_connection((address, listener.getsockname()[1]))
    server, _peer = listener.accept()
    port = client.getsockname()[1]
    client.sendall(b"name")
    assert server.recv(100) == b"name"
    server.sendall(b"Hello, name!")
    assert client.recv(100) == b"Hello, name!"
    client.shutdown(socket.SHUT_WR)
    assert server.recv(100) == b""
    server.close()
    assert client.recv(100) == b""
    client.close()
    wait_until("TIME-WAIT", lambda: run(
        "ss", "-tanH", "state", "time-wait", f"sport = :{port}"))
    return port


def _abort(listener: socket.socket) -> None:
    """A connection that ends with a RST."""
    client = socket.create_connection(listener.getsockname())
    server, _peer = listener.accept()
    abort(client)
    try:
        assert server.recv(100) != b"", "the end, and no reset"
    except ConnectionResetError:
        pass
    server.close()


def _ports(event: Event) -> set[int]:
    return {event["local_port"], event["remote_port"]}


def _of(port: int, events: list[Event]) -> list[Event]:
    return [event for event in events if port in _ports(event)]


def _marks(it: Recorder) -> list[str]:
    return [it.schema.name_of("mark_cause", event["mark_cause"])
            for event in it.events("mark")]


def _summary(it: Recorder, events: list[Event]) -> collections.Counter[tuple[str, ...]]:
    """What happened: kinds and states, without what depends on the moment."""
    return collections.Counter(
        (event.kind, it.state_name(event["state"])) for event in events
        if event.kind not in ("ack", "destroy"))


def _whole_lives(setting: str, address: str) -> tuple[
        collections.Counter[tuple[str, ...]], list[Event]]:
    """Talk on both ports; what the first did, and everything else's events."""
    with Recorder(*([setting] if setting else [])) as it, \
            _listen(ONE, address) as one, _listen(OTHER, address) as other:
        for _ in range(2):
            _talk(one, address)
            _talk(other, address)
        events = [e for e in it.events() if e.kind != "mark"]
        wanted = _of(ONE, events)
        starts = [e for e in wanted if e.kind == "time_wait"
                  and it.schema.name_of("time_wait_step", e["time_wait_step"]) == "started"]
        assert len(starts) == 2, starts
        for start in starts:
            assert it.path(start["cookie"])[:4] == LIFE, it.path(start["cookie"])
        return _summary(it, wanted), [e for e in events if e not in wanted]


def _check_filter(text: str, address: str) -> None:
    everything, others = _whole_lives("", address)
    filtered, strangers = _whole_lives(f"filter={text}", address)
    assert _of(OTHER, others), "the other connection was made"
    assert not strangers, strangers[:3]
    missing, extra = everything - filtered, filtered - everything
    assert not missing and not extra, (missing, extra)
    assert filtered[("state", "SYN-RECEIVED")] == 2, "the newborn's first event"
    for kind in ("syn", "request", "synack", "completed", "accepted", "time_wait"):
        assert any(key[0] == kind for key in filtered), kind


def test_filter_by_port() -> None:
    """filter=port=5000: that connection from SYN to TIME-WAIT, nothing of the other"""
    _check_filter(f"port={ONE}", "127.0.0.1")


def test_filter_by_port_ipv6() -> None:
    """filter=port=5000 and an IPv6 range: that connection from SYN to TIME-WAIT, nothing of the other"""
    _check_filter(f"port={ONE} addr=::/64", "::1")


def test_filter_by_peer() -> None:
    """A listener's child is not lost where the filter names the peer alone"""
    with Recorder("filter=raddr=127.0.0.0/8 rport!=5001") as it, _listen(ONE) as one:
        _talk(one)
        changes = [(it.state_name(e["old_state"]), it.state_name(e["state"]))
                   for e in it.events("state")]
        assert ("LISTEN", "SYN-RECEIVED") in changes, changes
        assert ("SYN-RECEIVED", "ESTABLISHED") in changes, changes


def test_filter_changes_at_run_time() -> None:
    """A filter set and taken away again while connections are made; stats count"""
    with Recorder() as it, _listen(ONE) as one, _listen(OTHER) as other:
        assert gate() == {"let_in": 0, "filtered": 0, "sampled": 0, "frozen": 0}
        _set("filter", f"port={ONE}\n")
        assert parameter("filter") == f"port={ONE}"
        _talk(other)
        assert not _of(OTHER, it.events("ack"))
        assert gate()["filtered"] > 10 and gate()["let_in"] == 0
        _talk(one)
        assert gate()["let_in"] > 10
        _set("filter", "\n")
        assert parameter("filter") == "none"
        before = gate()
        _talk(other)
        assert _of(OTHER, it.events("ack"))
        assert gate() == before, "nothing is asked any more"
        assert _marks(it) == ["begun", "filter", "filter"]


def test_flow_sample_keeps_whole_flows() -> None:
    """flow_sample=2: about half of many connections, and these from end to end"""
    with Recorder("flow_sample=2") as it, _listen(ONE) as one:
        ports = [_talk(one) for _ in range(FLOWS)]
        events = it.events()
        clients = {e["cookie"]: e["local_port"] for e in events
                   if e.kind == "time_wait" and e["local_port"] in ports}
        servers = {e["cookie"] for e in events if e.kind == "request"}
        assert FLOWS * 2 * 0.2 < len(clients) + len(servers) < FLOWS * 2 * 0.8, (
            len(clients), len(servers))
        for cookie in clients:
            assert it.path(cookie)[:4] == LIFE, it.path(cookie)
        for cookie in servers:
            kinds = {e.kind for e in events if e["cookie"] == cookie}
            assert kinds >= {"request", "synack", "completed", "accepted",
                             "state", "ack"}, kinds
        known = clients.keys() | servers
        listener = {e["cookie"] for e in events
                    if it.state_name(e["state"]) == "LISTEN"}
        strangers = {e["cookie"] for e in events
                     if e.kind in ("state", "ack", "completed", "accepted")} - known
        newborn = {e["cookie"] for e in events if e.kind == "state"
                   and it.state_name(e["old_state"]) == "LISTEN"}
        assert strangers <= listener | newborn | {0}, strangers
        syns = [e for e in events if e.kind == "syn"]
        assert len(syns) == FLOWS, "a SYN may belong to a kept connection"
        assert gate()["sampled"] > 10


def test_ack_sample_keeps_what_matters() -> None:
    """ack_sample=1000000: acks of handshake and close remain, the rest goes"""
    with Recorder("ack_sample=1000000") as it, _listen(ONE) as one:
        for _ in range(5):
            _talk(one)
        acks = it.events("ack")
        established = [e for e in acks if it.state_name(e["state"]) == "ESTABLISHED"]
        assert len(established) <= 2, "one a CPU, of a guest's two"
        assert len(acks) - len(established) >= 5 * 4, len(acks)
        assert it.events("completed") and it.events("time_wait")


def test_freeze_on_reset() -> None:
    """freeze_on=reset_received: what came before is kept, nothing follows; thaw goes on"""
    with Recorder("freeze_on=reset_received") as it, _listen(ONE) as one, \
            _listen(OTHER) as other:
        before = _talk(one)
        assert parameter("frozen") == "0"
        _abort(other)
        wait_until("the freeze", lambda: parameter("frozen") == "1")
        frozen = it.events()
        assert _of(before, frozen) and _of(OTHER, frozen)
        assert frozen[-1].kind == "mark" and frozen[-2].kind == "reset_received"
        assert _marks(it) == ["begun", "frozen"]

        late = _talk(one)
        assert not _of(late, it.events())
        assert len(it.events()) == len(frozen), "not one event more"
        assert gate()["frozen"] > 10

        _set("frozen", "0\n")
        assert parameter("frozen") == "0"
        again = _talk(one)
        assert _of(again, it.events()) and _of(before, it.events())
        assert _marks(it) == ["begun", "frozen", "thawed"]
        _abort(other)
        wait_until("the second freeze", lambda: parameter("frozen") == "1")
        assert _marks(it) == ["begun", "frozen", "thawed", "frozen"]


def test_freeze_after() -> None:
    """freeze_after=7: the trigger, seven events and the mark"""
    with Recorder("freeze_on=reset_received", "freeze_after=7") as it, \
            _listen(ONE) as one:
        _abort(one)
        _talk(one)
        wait_until("the freeze", lambda: "frozen" in _marks(it))
        kinds = [e.kind for e in it.events()]
        trigger = kinds.index("reset_received")
        assert len(kinds) - 1 - trigger == 7 + 1, kinds[trigger:]


def test_freeze_by_hand() -> None:
    """Writing 1 to frozen stops at once, 0 goes on; twice is once"""
    with Recorder() as it, _listen(ONE) as one:
        for text in ("1", "1", "0", "0"):
            _set("frozen", text)
            _talk(one)
        assert _marks(it) == ["begun", "frozen", "thawed"]
        syns = len(it.events("syn"))
        assert syns == 2, syns


def test_marks_of_kinds() -> None:
    """Each change of the kinds leaves one mark that tells what is on; none, no mark"""
    with Recorder() as it:
        numbers = {name: number for number, name in it.schema.kinds.items()}
        for text in ("-ack", "-ack", "+ack", "ack", "state"):
            _set("events", text)
        assert _marks(it) == ["begun", *["events"] * 5]
        on = [event["kinds_on"] for event in it.events("mark")]
        ack, state = 1 << numbers["ack"], 1 << numbers["state"]
        assert on[1:] == [on[0] & ~ack, on[0], ack, 0, state], [hex(o) for o in on]
        assert on[0] & ack and on[0] & state
        assert not on[0] & (1 << numbers["mark"] | 1 << numbers["segment"])


def test_marks_of_what_was_given_at_load() -> None:
    """A filter given at load is marked before the kinds; of a freeze only itself, until the thaw"""
    with Recorder("filter=port=5000") as it:
        assert _marks(it) == ["filter", "begun"]
    with Recorder("filter=port=5000", "frozen=1") as it:
        assert _marks(it) == ["frozen"]
        _set("frozen", "0")
        assert _marks(it) == ["frozen", "begun", "filter", "thawed"]


def test_changes_while_frozen_push_nothing_out() -> None:
    """A tiny ring, frozen: many changes write nothing, and are marked once when it goes on"""
    with Recorder("ring_records=16") as it, _listen(ONE) as one:
        _talk(one)
        _set("frozen", "1")
        kept = [event.values for event in it.events()]
        for number in range(20):
            _set("filter", f"port={1 + number % 2}")
            _set("events", "none" if number % 2 else "default")
        assert [event.values for event in it.events()] == kept
        _set("frozen", "0")
        assert _marks(it)[-4:] == ["frozen", "filter", "events", "thawed"], _marks(it)


BAD = [("filter", "port=5000,70000", "70000"), ("filter", "ports=1", "ports=1"),
       ("filter", "state=OPEN", "OPEN"), ("filter", "addr=10.0.0.0/33", "10.0.0.0/33"),
       ("filter", "port=" + "7" * 3000, "7" * 64), ("filter", "port=1\x012", r"1\0012"),
       ("flow_sample", "0", "0"), ("flow_sample", "1000000001", "1000000001"),
       ("ack_sample", "ten", "ten"), ("ack_sample", "-1", "-1"),
       ("freeze_on", "reset_sent,nonsense", "nonsense"), ("freeze_on", "rto=0", "rto=0"),
       ("freeze_after", "1000000001", "1000000001"), ("frozen", "2", "2")]


def test_wrong_words_are_refused() -> None:
    """A wrong word: EINVAL, its name in the kernel log, and nothing changed"""
    with Recorder("filter=port=7", "flow_sample=3", "ack_sample=4",
                  "freeze_on=rto=5", "freeze_after=6") as it:
        names = ("filter", "flow_sample", "ack_sample", "freeze_on", "freeze_after",
                 "frozen")
        before = [parameter(name) for name in names]
        assert before == ["port=7", "3", "4", "rto=5", "6", "0"]
        marks = _marks(it)
        for name, text, word in BAD:
            try:
                _set(name, text)
            except OSError as error:
                assert error.errno == 22, error
            else:
                raise AssertionError(f"{name}={text} was taken")
            assert f"{name}: '{word}'" in kernel_log(), (name, word, kernel_log()[-500:])
            assert [parameter(n) for n in names] == before, (name, text)
        assert _marks(it) == marks


def test_wrong_words_at_load() -> None:
    """A wrong word at load: refused, named, and not loaded"""
    done = renoscope("load", str(MODULE), "filter=port=66666")
    assert done.returncode, done
    assert "filter: '66666'" in kernel_log()
    assert not is_loaded()
