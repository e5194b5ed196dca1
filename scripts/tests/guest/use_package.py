#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The installed packages in use, in a guest that is thrown away; prints KTAP.

    use_package.py LAYER

LAYER is what test_package.py left of installing them in a scratch root.
"""

from __future__ import annotations

import importlib
import os
import re
import signal
import socket
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SCRIPTS / "selftests"), str(SCRIPTS)]

import ktap_output  # noqa: E402
from hosts import run  # noqa: E402
from inside import abort  # noqa: E402
from recorder import (NAME, PARAMETERS, is_loaded, parameter,  # noqa: E402
                      run_rmmod, wait_until)
from renoscope_lib import VERSION  # noqa: E402

RELEASE = os.uname().release
MODULES = Path("/lib/modules", RELEASE)
CONTROL = "net.ipv4.tcp_congestion_control"
EXAMPLES = Path("/usr/share/doc/renoscope/examples")
UNIT = Path("/lib/systemd/system/renoscope-recorder.service")
KEPT = Path("/var/lib/renoscope")
MAY_WRITE = [str(KEPT), f"{PARAMETERS}/frozen", f"{PARAMETERS}/freeze_on"]
# What root may write without any capability, if nobody forbids it.
MAY_NOT_WRITE = ["/etc", "/var/lib", "/proc/sys/kernel/core_pattern",
                 "/proc/sys/net/ipv4/tcp_congestion_control", "/proc/sysrq-trigger",
                 "/sys/kernel/uevent_helper", "/sys/module", "/sys/power/state",
                 "/sys/kernel/debug", "/sys/kernel/debug/kprobes/enabled"]

# Where a package, its configuration, its state and its modules would be; and how far
# below: some machines have so much in /usr that looking at all of it takes minutes.
PLACES = ("/etc", f"{MODULES}/", "/usr", "/var/lib", "/var/cache")
DEPTH = "5"
# Lists of dpkg's own, and man's cache of pages that somebody has read.
NOT_OURS = ("/var/lib/dpkg/*", "/var/cache/man/*")
# So that a package installed again is enabled as it was; until it is purged.
ENABLED_BEFORE = Path("/var/lib/systemd/deb-systemd-helper-enabled")


HERE_BEFORE: set[str] = set()


def named_like_us() -> set[str]:
    """Files and folders with our name in theirs."""
    found = run("find", *PLACES, "-xdev", "-maxdepth", DEPTH, "-name", "*renoscope*")
    return {name for name in found.splitlines()
            if not any(fnmatch(name, pattern) for pattern in NOT_OURS)}


def install(layer: Path) -> None:
    """What was installed in the scratch root comes over this machine's files.

    The kernel's modules are on a file system that cannot be written to.
    """
    HERE_BEFORE.update(named_like_us())
    for folder in ("upper", "work"):
        Path("/run/modules", folder).mkdir(parents=True)
    run("mount", "-t", "overlay", "-o", f"lowerdir={MODULES},"
        "upperdir=/run/modules/upper,workdir=/run/modules/work", "overlay",
        str(MODULES))
    run("tar", "-C", "/", "--keep-directory-symlink", "-xf", str(layer))
    # man-db would go through all the machine's pages, minutes for 25000 of them.
    Path("/var/lib/man-db/auto-update").unlink(missing_ok=True)


def renoscope(*words: str, code: int = 0) -> str:
    """The installed command, as it is found by its name."""
    done = subprocess.run(["renoscope", *words], text=True, check=False, cwd="/",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == code, f"{words}: exit {done.returncode}: {done.stdout}"
    return done.stdout


def unload() -> None:
    """Wait until nothing holds it."""
    wait_until("the module to be free", lambda: not run_rmmod())


def reset_a_connection() -> None:
    """One on loopback that ends with a RST."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _peer = listener.accept()
        abort(client)
        server.close()


def test_modprobe() -> None:
    """modprobe finds the module that DKMS has built, and it works"""
    path = run("modinfo", "-F", "filename", NAME).strip()
    assert path.startswith(f"{MODULES}/updates/dkms/"), path
    run("modprobe", NAME)
    assert is_loaded()
    version = Path("/sys/module", NAME, "version").read_text().strip()
    assert version == VERSION, version
    unload()


def test_congestion_control_by_name() -> None:
    """Choosing a congestion control with sysctl loads the module"""
    before = run("sysctl", "-n", CONTROL).strip()
    run("sysctl", "-w", f"{CONTROL}=reno_modern")
    assert is_loaded()
    assert run("sysctl", "-n", CONTROL).strip() == "reno_modern"
    said = renoscope("unload", code=1)
    assert "network namespace" in said or CONTROL in said, said
    run("sysctl", "-w", f"{CONTROL}={before}")
    unload()


def test_command() -> None:
    """load, doctor, record, and views of the recording by somebody without rights"""
    assert renoscope("--version") == f"renoscope {VERSION}\n"
    said = renoscope("load", "ring_records=1024")
    assert f"loaded: modprobe {NAME} ring_records=1024" in said, said
    assert parameter("ring_records") == "1024"
    said = renoscope("doctor")
    assert "FAIL" not in said and f"{NAME} is loaded" in said, said
    recorder = subprocess.Popen(["renoscope", "record", "/tmp/it.renoscope"],
                                stderr=subprocess.PIPE, text=True)
    assert recorder.stderr
    assert "recording to" in recorder.stderr.readline()
    reset_a_connection()
    recorder.send_signal(signal.SIGTERM)
    assert ": complete" in recorder.stderr.read()
    assert recorder.wait() == 0
    os.chmod("/tmp/it.renoscope", 0o644)
    said = run("runuser", "-u", "nobody", "--", "renoscope", "states",
               "/tmp/it.renoscope")
    assert "a RST" in said, said
    said = renoscope("unload")
    assert "unloaded" in said, said


def test_parameter_refused() -> None:
    """A wrong parameter: its name, and the kinds there are, without the sources"""
    said = renoscope("load", "events=nonsense", code=1)
    assert "nonsense" in said and "there are: state ack" in said, said
    assert not is_loaded()


def test_modprobe_example() -> None:
    """The example of modprobe.d, its first options taken in use"""
    text = (EXAMPLES / "modprobe.d/renoscope.conf").read_text()
    Path("/etc/modprobe.d/renoscope.conf").write_text(text)
    run("modprobe", NAME)
    assert parameter("ring_records") == "8192", "as it is, it changes nothing"
    unload()
    Path("/etc/modprobe.d/renoscope.conf").write_text(
        re.sub("^#options", "options", text, flags=re.MULTILINE))
    run("modprobe", NAME)
    assert parameter("ring_records") == "65536"
    assert parameter("filter") == "port=443 addr=10.0.0.0/8", parameter("filter")
    assert parameter("freeze_on") == "rto=3"
    assert parameter("reno_abe") == "Y"
    unload()
    Path("/etc/modprobe.d/renoscope.conf").write_text(
        re.sub("^#install", "install", text, flags=re.MULTILINE))
    for control in ("renoscope", "reno_modern"):
        run("sysctl", "-w", f"{CONTROL}={control}", check=False)
        assert not is_loaded(), f"loaded by {control}"
    run("modprobe", "--ignore-install", NAME)
    os.unlink("/etc/modprobe.d/renoscope.conf")
    unload()


def test_sysctl_example() -> None:
    """The example of sysctl.d: as it is nothing, its lines taken in use all hold"""
    names = [CONTROL, "net.ipv4.tcp_allowed_congestion_control"]
    before = {name: run("sysctl", "-n", name).strip() for name in names}
    text = (EXAMPLES / "sysctl.d/renoscope.conf").read_text()
    file = Path("/tmp/renoscope-sysctl.conf")
    file.write_text(text)
    run("sysctl", "-p", str(file))
    assert {name: run("sysctl", "-n", name).strip() for name in names} == before
    taken = re.sub("^#net", "net", text, flags=re.MULTILINE)
    file.write_text(taken.replace(CONTROL, f"#{CONTROL}"))
    run("sysctl", "-p", str(file), check=False)
    assert run("sysctl", "-n", names[1]).strip() == before[names[1]]
    assert not is_loaded(), "the list alone loads nothing"
    early = Path("/etc/modules-load.d/renoscope.conf")
    early.write_text(f"{NAME}\n")
    run("/lib/systemd/systemd-modules-load", str(early))
    early.unlink()
    run("sysctl", "-p", str(file))
    assert "reno_modern" in run("sysctl", "-n", names[1])
    run("sysctl", "-w", f"{names[1]}={before[names[1]]}")
    unload()
    file.write_text(taken)      # the first line loads what the second names
    run("sysctl", "-p", str(file))
    assert run("sysctl", "-n", CONTROL).strip() == "renoscope"
    assert "reno_modern" in run("sysctl", "-n", names[1])
    for name in reversed(names):
        run("sysctl", "-w", f"{name}={before[name]}")
    unload()


def test_manual() -> None:
    """man finds both pages, and bash the completion"""
    for section, words in (("5", "recording of TCP events"), ("8", "flight recorder")):
        said = run("man", section, "renoscope")
        assert f"RENOSCOPE({section})" in said and words in said, (section, said[:500])
    said = run("bash", "-c", "source /usr/share/bash-completion/bash_completion; "
               "_completion_loader renoscope; complete -p renoscope")
    assert said.strip() == "complete -F _renoscope renoscope", said


def test_service_is_not_active() -> None:
    """Nobody has enabled the recorder"""
    done = subprocess.run(["systemctl", "is-enabled", UNIT.name], text=True,
                          check=False, capture_output=True)
    assert done.stdout.strip() == "disabled", done


class Systemd:
    """A systemd of our own, in a process namespace of its own, that runs nothing.

    Its units are the installed ones; what they would pull in of a whole system
    is not started.
    """

    def __enter__(self) -> Systemd:
        runtime = Path("/run/systemd/system")
        runtime.mkdir(parents=True)
        (runtime / "nothing.target").write_text(
            "[Unit]\nDefaultDependencies=no\n")
        self._drop_in = runtime / f"{UNIT.name}.d"
        self._drop_in.mkdir()
        (self._drop_in / "test.conf").write_text(
            "[Unit]\nDefaultDependencies=no\nWants=\nAfter=\n[Service]\n"
            "Environment=RENOSCOPE_ON=reset_received RENOSCOPE_AFTER=5\n"
            "StandardError=append:/run/recorder.log\n")
        self.log = Path("/run/recorder.log")
        self._process = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child",
             "/lib/systemd/systemd", "--system", "--unit=nothing.target",
             "--log-target=console"], stdin=subprocess.DEVNULL)
        try:
            wait_until("systemd to come up", Path("/run/systemd/private").exists)
            wait_until("systemd to answer", lambda: self.ctl(
                "is-active", "nothing.target", check=False) == "active\n")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def _run(self, *command: str, check: bool = True) -> str:
        """Where it sees its processes, and they it: to others it does not listen."""
        pid = self._process.pid
        inside, = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return run("nsenter", "--target", inside, "--pid", "--mount", *command,
                   check=check)

    def ctl(self, *words: str, check: bool = True) -> str:
        """systemctl."""
        return self._run("systemctl", *words, check=check)

    def choose(self, environment: str) -> None:
        """As by `systemctl edit`."""
        (self._drop_in / "override.conf").write_text(
            f"[Service]\nEnvironment={environment}\n")
        self.ctl("daemon-reload")

    def check_confinement(self) -> None:
        """What the unit forbids is forbidden, and not for want of a kernel's help."""
        pid = self.ctl("show", "-P", "MainPID", UNIT.name).strip()
        status = dict(line.split(":\t", 1) for line in self._run(
            "cat", f"/proc/{pid}/status").splitlines() if ":\t" in line)
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, status
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), status
        for namespace in ("net", "mnt", "ipc", "uts"):
            inner, outer = (self._run("readlink", f"/proc/{process}/ns/{namespace}")
                            for process in (pid, "1"))
            assert inner != outer, namespace
        may_write = self._run("nsenter", "--target", pid, "--mount", "sh", "-c",
                              'for path; do test -w "$path" && echo "$path"; done; :',
                              "sh", *MAY_WRITE, *MAY_NOT_WRITE).splitlines()
        assert may_write == MAY_WRITE, may_write

    def show(self) -> str:
        """All there is to know when something went wrong."""
        log = self.log.read_text() if self.log.exists() else ""
        return self.ctl("show", UNIT.name, check=False) + log


def test_service() -> None:
    """The recorder as systemd runs it, confined: a reset, a file, and on"""
    with Systemd() as systemd:
        try:
            systemd.ctl("start", UNIT.name)
            wait_until("the recorder to watch", lambda: is_loaded()
                       and parameter("freeze_on") == "reset_received")
            assert parameter("ack_sample") == "16"
            assert parameter("freeze_after") == "5"
            assert "in use" in run_rmmod()
            systemd.check_confinement()
            reset_a_connection()
            reset_a_connection()
            wait_until("the freeze to be saved",
                       lambda: list(KEPT.glob("freeze-*.renoscope")))
            wait_until("the thaw", lambda: parameter("frozen") == "0")
            assert parameter("freeze_on") == "none", "the triggers rest"
            systemd.ctl("stop", UNIT.name)
            assert systemd.ctl("show", "-P", "Result", UNIT.name) == "success\n"
            assert (parameter("freeze_on"), parameter("freeze_after")) == ("none", "0")
            unload()
            systemd.choose('"RENOSCOPE_LOAD=ring_records=65536 '
                           '\'filter=port=443 addr=10.0.0.0/8\'"')
            systemd.ctl("start", UNIT.name)
            wait_until("the module to be loaded as chosen", is_loaded)
            assert parameter("ring_records") == "65536"
            assert parameter("filter") == "port=443 addr=10.0.0.0/8"
            systemd.ctl("stop", UNIT.name)
        except Exception:
            ktap_output.comment(systemd.show())
            raise
    kept, = KEPT.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    said = renoscope("states", str(kept))
    assert "a RST" in said, said
    unload()


def leftovers() -> set[str]:
    """Whatever has our name and was not here before."""
    return named_like_us() - HERE_BEFORE


def test_removal() -> None:
    """Removed: no module, no source, no command; purged: no recordings either"""
    run("dpkg", "--remove", "renoscope", "renoscope-dkms")
    left = {name for name in leftovers()
            if not {KEPT, ENABLED_BEFORE} & {Path(name), *Path(name).parents}}
    assert not left, left
    assert run("modinfo", NAME, check=False).find("not found") >= 0
    assert not list(Path("/var/lib/dkms").glob("*renoscope*"))
    run("dpkg", "--purge", "renoscope", "renoscope-dkms")
    assert not leftovers(), leftovers()


if __name__ == "__main__":
    tests = importlib.import_module("use_package")
    tests.install(Path(sys.argv[1]))
    sys.exit(0 if ktap_output.run_modules([tests]) else 1)
