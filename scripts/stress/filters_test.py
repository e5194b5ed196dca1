# SPDX-License-Identifier: GPL-2.0
"""The language of filters, against a second one written from its description.

What it takes, what it makes of that, and whom it lets in is worked out here again, in
Python and from Documentation/filter.rst alone, and compared on real events.
"""

from __future__ import annotations

import collections
import errno
import ipaddress
import os
import random
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from hosts import run
from inside import abort_on_close, cookie_of
from ktap_output import comment
from recorder import PARAMETERS, Recorder
from renoscope_lib.ring.schema import Event
from seeds import check_each

STATES = ("ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT",
          "CLOSED", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING")
KEYS = ("port", "lport", "rport", "addr", "laddr", "raddr", "netns", "state", "cookie")
MOST_VALUES = 64
TEXTS = 8
A_PAGE = 4096

# ---- the language, a second time

Term = tuple[bool, object]      # negated, value
Filter = dict[str, list[Term]]


class Refused(ValueError):
    """No filter."""


def _number(text: str, digits: str, least: int, most: int) -> int:
    base = len(set(digits.lower()))
    if not text or any(c not in digits for c in text):
        raise Refused(text)
    if not least <= int(text, base) <= most:
        raise Refused(text)
    return int(text, base)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    address, slash, bits = text.partition("/")
    try:
        parsed = ipaddress.ip_address(address)
        if "%" in address:
            raise Refused(text)
    except ValueError:
        raise Refused(text) from None
    most = parsed.max_prefixlen
    prefix = _number(bits, "0123456789", 0, most) if slash else most
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None
    if mapped is not None and prefix >= 96:
        return ipaddress.ip_network((mapped, prefix - 96), strict=False)
    return ipaddress.ip_network((parsed, prefix), strict=False)


def _value(key: str, text: str) -> object:
    if key.endswith("port"):
        return _number(text, "0123456789", 1, 65535)
    if key.endswith("addr"):
        return _network(text)
    if key == "netns":
        return _number(text, "0123456789", 1, 2**32 - 1)
    if key == "cookie":
        bare = text.removeprefix("sk:") if text != "sk:" else text
        return _number(bare, "0123456789abcdefABCDEF", 1, 2**64 - 1)
    if text.upper() not in STATES:
        raise Refused(text)
    return text.upper()


def parse(text: str) -> Filter:
    """Refused if it is none."""
    words = [word for word in re.split(r"[ \t\n]+", text) if word]
    if len(words) == 1 and words[0].lower() == "none":
        return {}
    found: Filter = {}
    for word in words:
        name, equals, values = word.partition("=")
        negated = name.endswith("!")
        key = name.removesuffix("!").lower()
        if not equals or key not in KEYS:
            raise Refused(word)
        found.setdefault(key, []).extend(
            (negated, _value(key, value)) for value in values.split(","))
    if sum(map(len, found.values())) > MOST_VALUES:
        raise Refused("too many")
    return found


@dataclass(frozen=True)
class Subject:
    """Whose event it is, as the record says; of a state event what is being left."""

    state: str
    local: ipaddress.IPv4Address | ipaddress.IPv6Address
    remote: ipaddress.IPv4Address | ipaddress.IPv6Address
    local_port: int
    remote_port: int
    netns: int
    cookie: int

    @property
    def listens(self) -> bool:
        """Whether it has no peer yet; of a SYN that reached a listener the peer is known."""
        return self.state == "LISTEN" and not self.remote_port


def _hits(key: str, value: object, who: Subject) -> bool:
    if key.endswith("port"):
        ports = {"port": (who.local_port, who.remote_port), "lport": (who.local_port,),
                 "rport": (who.remote_port,)}[key]
        return value in ports
    if key.endswith("addr"):
        ends = {"addr": (who.local, who.remote), "laddr": (who.local,),
                "raddr": (who.remote,)}[key]
        if who.listens:
            ends = tuple(end for end in ends if end is who.local)
        return any(end in value for end in ends)  # type: ignore[operator]
    return value == {"netns": who.netns, "state": who.state, "cookie": who.cookie}[key]


def _unknown(key: str, who: Subject) -> bool:
    return who.listens and (key in ("rport", "raddr", "addr")
                            or key == "laddr" and who.local.is_unspecified)


def lets_in(found: Filter, who: Subject) -> bool:
    """Whether its event is recorded."""
    for key, terms in found.items():
        if any(negated and _hits(key, value, who) for negated, value in terms):
            return False
        wanted = [value for negated, value in terms if not negated]
        if wanted and not any(_hits(key, value, who) for value in wanted) \
                and not _unknown(key, who):
            return False
    return True


# ---- texts

def _any_value(random_: random.Random, key: str, known: dict[str, list[str]]) -> str:
    if random_.random() < 0.6:
        return random_.choice(known[key])
    if key.endswith("port"):
        return str(random_.choice((0, 1, 22, 65535, 65536, random_.randrange(1 << 17))))
    if key.endswith("addr"):
        bits = random_.choice(("", "", f"/{random_.randrange(-1, 131)}", "/", "/0", "/032"))
        address = random_.choice((
            str(ipaddress.IPv4Address(random_.randrange(1 << 32))),
            str(ipaddress.IPv6Address(random_.randrange(1 << 128))),
            ipaddress.IPv6Address(random_.randrange(1 << 128)).exploded,
            "::", "0.0.0.0", "::ffff:127.0.0.1", "127.0.0.1", "::1", "1.2.3", "1.2.3.4.5",
            "1::2::3", ":::", "::1%lo", "256.0.0.1", "01.2.3.4", "1:2:3:4:5:6:7:8:9", "::g"))
        return address + bits
    if key == "netns":
        return str(random_.choice((0, 1, 4026531840, 2**32 - 1, 2**32)))
    if key == "cookie":
        return random_.choice(("0", "1", "sk:1", "SK:1", "sk:", "ffffffffffffffff",
                               "10000000000000000", "0x1", "Ab"))
    return random_.choice((*STATES, "established", "Listen", "OPEN", "", "SYN_SENT"))


def a_text(random_: random.Random, known: dict[str, list[str]]) -> str:
    """By the grammar; sometimes then spoilt."""
    words = []
    for _ in range(random_.choice((0, 1, 1, 2, 3, 5, 20))):
        key = random_.choice(KEYS)
        key = random_.choice((key, key, key, key.upper(), key.capitalize()))
        values = ",".join(_any_value(random_, key.lower(), known)
                          for _ in range(random_.choice((1, 1, 1, 2, 4, 30))))
        words.append(key + random_.choice(("=", "=", "!=")) + values)
    text = random_.choice((" ", "  ", "\t", " \n")).join(words)
    if random_.random() < 0.3:
        letters = list(text)
        for _ in range(random_.choice((1, 1, 3))):
            at = random_.randrange(len(letters) + 1)
            letters[at:at + random_.randrange(2)] = random_.choice(
                ("", "=", "!", ",", " ", "\n", "/", "0", "none", "\x7f", "%", ":"))
        text = "".join(letters)
    return text[:A_PAGE - 1]


# ---- traffic that is the same each time

ENDS = (("127.0.0.1", 41000, "127.0.0.1", 5000), ("127.0.0.2", 41001, "127.0.0.3", 5001),
        ("::1", 41002, "::1", 5002), ("127.0.0.1", 41003, "127.0.0.4", 5003))
LISTENERS = (("127.0.0.1", 5000), ("0.0.0.0", 5001), ("::1", 5002), ("::", 5003))
# Of these there are always as many; how many ACKs there are is a matter of timing.
COUNTED = "state,syn,request,synack,completed,accepted,destroy,reset_sent,reset_received"


@contextmanager
def _listeners() -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_server(
            at, family=socket.AF_INET6 if ":" in at[0] else socket.AF_INET,
            dualstack_ipv6=at[0] == "::")) for at in LISTENERS]


def _play(listeners: list[socket.socket]) -> None:
    """Each connects, is accepted, and resets."""
    for (address, port, to, to_port), listener in zip(ENDS, listeners):
        with socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            abort_on_close(client)
            client.bind((address, port))
            client.connect((to, to_port))
            server, _peer = listener.accept()
            client.close()
            with server:
                try:
                    server.recv(1)
                except ConnectionResetError:
                    pass


def _address(raw: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    parsed = ipaddress.IPv6Address(raw)
    return parsed.ipv4_mapped or parsed


def _subject(it: Recorder, event: Event) -> Subject:
    state = event["old_state" if event.kind == "state" else "state"]
    return Subject(it.state_name(state), _address(event["local_addr"]),
                   _address(event["remote_addr"]), event["local_port"], event["remote_port"],
                   event["netns"], event["cookie"])


class Stage:
    """The traffic without a filter, to compare with."""

    def __init__(self, it: Recorder, listeners: list[socket.socket]) -> None:
        self.it = it
        self.listeners = listeners
        self._theirs = {cookie_of(listener) for listener in listeners}
        self._reader = it.reader()
        self.play()     # from the second time on listeners have their ids
        self.all = self.play()
        assert self.play() == self.all, "the traffic is not the same each time"
        missing = set(COUNTED.split(",")) - {kind for kind, _who in self.all}
        assert not missing, f"the traffic has no {missing}"
        self.let_in = self.kept_out = 0

    def play(self) -> collections.Counter[tuple[str, Subject]]:
        """What is recorded of it; ids that are new each time are all 0."""
        self._reader.read()
        _play(self.listeners)
        found: collections.Counter[tuple[str, Subject]] = collections.Counter()
        for event in self._reader.read():
            if event.kind == "mark":
                continue
            assert event.kind != "lost", "the ring is too small for this"
            who = _subject(self.it, event)
            if who.cookie not in self._theirs:
                who = replace(who, cookie=0)
            found[event.kind, who] += 1
        return found

    def known(self) -> dict[str, list[str]]:
        """Values that are met, by key."""
        ports = [str(port) for ends in ENDS for port in (ends[1], ends[3])]
        addresses = ["127.0.0.0/8", "127.0.0.2", "127.0.0.2/31", "::1", "::/0", "0.0.0.0/0",
                     "::1/127", "127.0.0.1", "::ffff:127.0.0.0/104", "127.0.0.3"]
        netns = [str(os.stat("/proc/self/ns/net").st_ino)]
        cookies = [f"{cookie:x}" for cookie in self._theirs]
        return {key: {"p": ports, "a": addresses}.get(
            key.lstrip("lr")[0], {"netns": netns, "cookie": cookies,
                                  "state": list(STATES)}.get(key, ports)) for key in KEYS}

    def close(self) -> None:
        """The module can go."""
        self._reader.close()


def _set(text: str) -> bool:
    """Whether it is taken."""
    fd = os.open(PARAMETERS / "filter", os.O_WRONLY)
    try:
        os.write(fd, text.encode() or b"\n")
        return True
    except OSError as error:
        assert error.errno == errno.EINVAL, f"{text!r}: {error}"
        return False
    finally:
        os.close(fd)


def _now() -> str:
    return (PARAMETERS / "filter").read_text()


def _normal(found: Filter) -> dict[str, collections.Counter[Term]]:
    return {key: collections.Counter(terms) for key, terms in found.items()}


def _check_language(text: str, before: str) -> Filter | None:
    """The filter, if it is one for both; what it reads as is the same one."""
    try:
        wanted: Filter | None = parse(text)
    except Refused:
        wanted = None
    taken = _set(text)
    assert taken == (wanted is not None), f"{text!r} is taken: {taken}"
    if wanted is None:
        assert _now() == before, f"{text!r} is refused, and yet the filter is {_now()!r}"
        return None
    read = _now()
    assert _normal(parse(read)) == _normal(wanted), f"{text!r} reads as {read!r}"
    assert _set(read) and _now() == read, f"{text!r} reads as {read!r}, and that as {_now()!r}"
    return wanted


def _one(stage: Stage, known: dict[str, list[str]], random_: random.Random) -> None:
    """Some texts; the last that is taken is tried on the traffic, and one is."""
    _set("none")
    text, found, tried = "", None, 0
    while found is None or tried < TEXTS:
        next_text = a_text(random_, known)
        taken = _check_language(next_text, _now())
        if taken is not None:
            text, found = next_text, taken
        tried += 1
    seen = stage.play()
    wanted = collections.Counter({
        (kind, who): count for (kind, who), count in stage.all.items() if lets_in(found, who)})
    assert seen == wanted, (f"{text!r}: not recorded {dict(wanted - seen)}, "
                            f"recorded for nothing {dict(seen - wanted)}")
    stage.let_in += wanted.total()
    stage.kept_out += (stage.all - wanted).total()


def test_filters() -> None:
    """Filters are taken, read back and obeyed as a second reading of them says"""
    run("ip", "link", "set", "lo", "up")
    with Recorder("ring_records=4096", "events=none") as it, _listeners() as listeners:
        (PARAMETERS / "events").write_text(",".join(
            f"+{kind}" for kind in COUNTED.split(",")))
        stage = Stage(it, listeners)
        try:
            comment(f"{sum(stage.all.values())} events each time")
            known = stage.known()
            check_each("filters", lambda random_: _one(stage, known, random_))
            comment(f"{stage.let_in} events let in, {stage.kept_out} kept out")
            assert stage.let_in + stage.kept_out, "no filter was tried on traffic"
        finally:
            stage.close()
