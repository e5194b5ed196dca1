# SPDX-License-Identifier: GPL-2.0
"""What `make demo` does inside the guest: demo.py OUT [SCENE], or --scenes.

With a scene: plays it (scenes.py), leaves its recording in OUT, and says what explain
tells of it and what to type next. Else two hosts, 20 ms apart each way, run the sample
program twice: once undisturbed, and once with the handshake's third segment dropped, so
that the server has to send its SYN-ACK again. What the programs say they do and what
renoscope saw the kernel do are laid side by side by time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

import provoke  # noqa: E402  (found through the line above)
import recorder  # noqa: E402
import scenes  # noqa: E402
import sessions  # noqa: E402
from endpoints import quiet  # noqa: E402
from hosts import CLIENT, SERVER, TwoHosts, run  # noqa: E402
from recorder import wait_until  # noqa: E402
from renoscope_lib.place import IN_SOURCES  # noqa: E402
from renoscope_lib.recording.inputs import RecordingInput  # noqa: E402
from renoscope_lib.ring.schema import Event  # noqa: E402
from renoscope_lib.tcp.flows import Joiner  # noqa: E402
from renoscope_lib.views.gaps import begins_time  # noqa: E402
from renoscope_lib.views.show import Clock, LineWriter  # noqa: E402
from renoscope_lib.words import connection  # noqa: E402

ALGORITHM = "renoscope"
NTH = {1: "first", 2: "second", 3: "third"}
RETRANSMITS = len(NTH)

LEGEND = """\
Sequence numbers (seq, ack, una, nxt, rcv) count from each side's ISN. Behind the
bar is where the connection stood before the event: oldest number not yet
acknowledged (una), next to send (nxt), next expected (rcv), the congestion window
in segments (cwnd), the slow start threshold, the smoothed round trip time, and the
retransmission timeout. The server's connection begins as a request in its
listener's half-open queue; LISTEN -> SYN-RECEIVED is the moment when the kernel
makes a socket of it, after the client's ACK. A FIN that brings the ACK of ours
leads from FIN-WAIT-1 to TIME-WAIT: the kernel passes FIN-WAIT-2 in between, and
`renoscope states` does not count that. At the end the full socket is CLOSED and
destroyed while a small one with the same id waits in TIME-WAIT. Each segment as it
left and entered a host is in the recording too, and left out here.
"""

# It is told once more where the connection gets it.
LEFT_OUT = "segment"

Transcript = list[dict[str, Any]]


def say(text: str) -> None:
    """Tell the person what is going on."""
    print(text, flush=True)


class Recording:
    """`renoscope record`, running for the time of a with block."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __enter__(self) -> Recording:
        self.file.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, str(recorder.COMMAND), "record", "--all", str(self.file)],
            text=True, stderr=subprocess.PIPE)
        assert self.process.stderr is not None
        # It ends with the scene.
        print(self.process.stderr.readline().replace("; Ctrl-C ends", ""), end="",
              file=sys.stderr, flush=True)
        wait_until("the recording to begin",
                   lambda: self.file.exists() and self.file.stat().st_size > 0)
        return self

    def __exit__(self, *_unused: object) -> None:
        self.process.terminate()
        print(self.process.communicate(timeout=60)[1], end="", file=sys.stderr, flush=True)
        if self.process.returncode:
            raise RuntimeError("the recording is not complete")
        self.file.chmod(0o644)  # for whoever ran the demo


def _side(event: Event) -> str:
    """Which of the two hosts saw the event; its listener is not a connection."""
    host = CLIENT if event["netns"] == TwoHosts.inode(CLIENT) else SERVER
    return f"{host:<6} {connection(event['cookie']):<7}"


def _lines(file: Path) -> tuple[int, list[tuple[int, str]]]:
    """The time that `show` counts from, and events as its lines with their times."""
    source = RecordingInput(str(file))
    joiner = Joiner(source.schema)
    events = [event for batch in source.batches() for part in batch
              for event in joiner.feed(part)] + list(joiner.flush())
    writer = LineWriter(source.schema, Clock(), who_words=_side)
    first_ns = next(event["time_ns"] for event in events if begins_time(event))
    lines = [(event, writer.line(event)) for event in events]
    return (first_ns, [(event["time_ns"], line) for event, line in lines
                       if event.kind != LEFT_OUT])


def timeline(file: Path, transcript: Transcript) -> str:
    """What the programs say and what the kernel did, by time."""
    first_ns, lines = _lines(file)
    lines += [(said["time_ns"], f"{(said['time_ns'] - first_ns) / 1e9:12.6f} "
               f">>>> the {said['who']} {said['what']}") for said in transcript]
    heading = "     seconds host   id       what happened  | where the connection stood"
    return "\n".join([heading, *(text for _, text in sorted(
        lines, key=lambda line: line[0]))])


def undisturbed(out: Path) -> None:
    """The sample program's session."""
    file = out / "session.renoscope"
    with scenes.setting(ALGORITHM) as (_, hosts):
        with Recording(file):
            transcript = sessions.greet(hosts, "Ann")
            quiet(hosts)
        text = timeline(file, transcript)
    (out / "session.txt").write_text(text + "\n")
    say(text)
    say("\n" + LEGEND)


def _tell_synack(number: int) -> None:
    say(f"   SYN-ACK sent again, for the {NTH[number]} time")
    if number == RETRANSMITS:
        say("   The next segment is let through.")


def lost_third_segment(out: Path) -> None:
    """The same with the third segment of the handshake dropped for a while."""
    file = out / "lost-ack.renoscope"
    with scenes.setting(ALGORITHM) as (it, hosts), Recording(file):
        provoke.lose_third_segment(it, hosts, RETRANSMITS, tell=_tell_synack)
        quiet(hosts)
    table = recorder.renoscope("handshakes", str(file))
    (out / "lost-ack.txt").write_text(table.stdout)
    say("\n" + table.stdout + table.stderr)


def play(name: str, out: Path) -> None:
    """One scene; its recording in OUT."""
    file = out / f"{name}.renoscope"
    scene = scenes.SCENES[name]
    with scenes.setting(scene.algorithm, scene.events) as (it, hosts):
        say(f"\nLinux {run('uname', '-r').strip()}, two hosts. The scene {name}: "
            f"{scene.play.__doc__}\n")
        with Recording(file):
            still_open = scene.play(it, hosts)
            if still_open is None:
                quiet(hosts)
        if still_open is not None:
            still_open.close()


def next_commands(name: str, file: str) -> list[str]:
    """What to type after a scene."""
    return [f"{IN_SOURCES} {view.replace('FILE', file)}"
            for view in scenes.SCENES[name].views]


def live_commands(name: str) -> list[str]:
    """The same on a machine of one's own: of the ring, not of a file."""
    return [f"sudo {IN_SOURCES} {' '.join(view.replace('FILE', '').split())}"
            for view in ("explain", *scenes.SCENES[name].views)]


def explained(file: str) -> str:
    """What explain says of a recording, asked as a person would in the tree."""
    return subprocess.run([sys.executable, IN_SOURCES, "explain", file], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True).stdout


def ending(name: str, out: Path) -> str:
    """What a scene leaves to see, and what to type now."""
    file = os.path.relpath(out / f"{name}.renoscope", ROOT)
    return "\n".join([
        f"$ {IN_SOURCES} explain {file}", explained(file),
        f"Documentation/{name}.rst tells more of it. Next:",
        *(f"  {command}" for command in next_commands(name, file)),
        f"On a machine of yours, after `make && sudo {IN_SOURCES} load` there:",
        *(f"  {command}" for command in live_commands(name))])


def session_and_handshake(out: Path) -> None:
    """Both parts of the demo without a scene."""
    say(f"\nLinux {run('uname', '-r').strip()}, two hosts {scenes.DELAY_MS} ms apart each "
        f"way, sysctl net.ipv4.tcp_congestion_control={ALGORITHM}")
    say("\n== 1. A session of the sample program (>>>> is what the programs say)\n")
    undisturbed(out)
    say("== 2. The handshake's third segment is dropped, again and again\n")
    lost_third_segment(out)
    say(f"Recordings and text are in {out}:\n  "
        "scripts/renoscope show out/demo/session.renoscope\n  "
        "scripts/renoscope flow out/demo/session.renoscope\n  "
        "scripts/renoscope explain out/demo/lost-ack.renoscope")


def main() -> None:
    """Play, and leave the recordings behind."""
    if sys.argv[1] == "--scenes":
        print(*scenes.SCENES)
        return
    try:
        if len(sys.argv) > 2:
            play(sys.argv[2], Path(sys.argv[1]))
            say(ending(sys.argv[2], Path(sys.argv[1])))
        else:
            session_and_handshake(Path(sys.argv[1]))
    except TimeoutError as error:
        sys.exit(f"demo: {error}, in vain: this machine has too much else to do to "
                 "emulate another. Run it once more when it is quieter")


if __name__ == "__main__":
    main()
