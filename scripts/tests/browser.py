# SPDX-License-Identifier: GPL-2.0
"""A headless Chromium, spoken to over its DevTools protocol.

The standard library has no WebSocket; a client that sends small texts and reads
whole messages needs forty lines of it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")

# Slow machines take their time; no test is to fail for that.
PATIENCE_S = 120

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class WebSocket:
    """A client's end of a connection to this machine (RFC 6455)."""

    def __init__(self, port: int, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self._file = self._socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode())
        status = self._file.readline()
        if b" 101 " not in status:
            raise ConnectionError(f"no WebSocket: {status!r}")
        while self._file.readline().strip():
            pass

    def _frame(self, kind: int, payload: bytes) -> None:
        """A client masks what it sends; with zeros that is done at once."""
        length = len(payload)
        if length < 126:
            head = struct.pack("!BB", 0x80 | kind, 0x80 | length)
        elif length < 1 << 16:
            head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, length)
        else:
            head = struct.pack("!BBQ", 0x80 | kind, 0x80 | 127, length)
        self._socket.sendall(head + bytes(4) + payload)

    def send(self, text: str) -> None:
        """One message."""
        self._frame(TEXT, text.encode())

    def receive(self) -> str:
        """The next message, whole."""
        message = b""
        while True:
            first, second = self._file.read(2)
            length = second & 0x7f
            if length >= 126:
                size = 2 if length == 126 else 8
                length = int.from_bytes(self._file.read(size), "big")
            payload = self._file.read(length)
            kind = first & 0x0f
            if kind == CLOSE:
                raise ConnectionError("the browser closed the connection")
            if kind == PING:
                self._frame(PONG, payload)
            elif kind != PONG:
                message += payload
                if first & 0x80:
                    return message.decode()

    def close(self) -> None:
        """Done."""
        self._file.close()
        self._socket.close()


class Tab:
    """One page, and what it complained of and asked for."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._number = 0
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self._loaded = False
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def _see(self, message: dict[str, Any]) -> None:
        about = message.get("params", {})
        method = message.get("method")
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(about["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(f"console: {about['args']}")
        elif method == "Log.entryAdded":
            self.complaints.append(f"log: {about['entry']['text']}")
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(about["message"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded = True

    def forget(self) -> None:
        """Complaints and requests from here on."""
        self.complaints, self.requests, self.dialogs = [], [], []

    def ask(self, method: str, **about: Any) -> dict[str, Any]:
        """Ask the browser; its answer."""
        self._number += 1
        self._websocket.send(json.dumps(
            {"id": self._number, "method": method, "params": about}))
        while True:
            message = json.loads(self._websocket.receive())
            if message.get("id") != self._number:
                self._see(message)
            elif "error" in message:
                raise RuntimeError(f"{method}: {message['error']}")
            else:
                return dict(message["result"])

    def look_like(self, width: int, height: int, scheme: str) -> None:
        """A window so large, of somebody who likes it light or dark."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=width < 600)
        self.ask("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url: str) -> None:
        """Load a page and wait until it is whole."""
        self._loaded = False
        self.ask("Page.navigate", url=url)
        while not self._loaded:
            self._see(json.loads(self._websocket.receive()))

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.ask("Runtime.evaluate", expression=expression,
                          returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def picture(self, path: Path) -> None:
        """A PNG of the whole page, for a person to look at."""
        answer = self.ask("Page.captureScreenshot", format="png",
                          captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))


def _devtools(profile: str, process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """The port and path that the browser writes down once it listens."""
    place = Path(profile, "DevToolsActivePort")
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        lines = place.read_text().split() if place.exists() else []
        if len(lines) == 2:
            return int(lines[0]), lines[1]
        time.sleep(0.05)
    raise RuntimeError("the browser did not start")


def _page_of(port: int, browser_path: str) -> str:
    """The first page's path, asked for through the browser's own connection."""
    websocket = WebSocket(port, browser_path)
    try:
        websocket.send(json.dumps({"id": 1, "method": "Target.createTarget",
                                   "params": {"url": "about:blank"}}))
        while True:
            answer = json.loads(websocket.receive())
            if answer.get("id") == 1:
                return f"/devtools/page/{answer['result']['targetId']}"
    finally:
        websocket.close()


@contextmanager
def browser() -> Iterator[Tab]:
    """One tab of a browser of its own, with nothing remembered."""
    assert CHROMIUM is not None, "ask for CHROMIUM first"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # Killed if the test is, and its own processes with it.
        command = ["setpriv", "--pdeathsig", "KILL", "--",
                   CHROMIUM, "--headless=new", "--remote-debugging-port=0",
                   f"--user-data-dir={profile}", "--disable-gpu", "--no-first-run",
                   "--disable-background-networking", "--disable-dev-shm-usage",
                   "--remote-allow-origins=*"]
        if os.geteuid() == 0:  # its sandbox refuses root
            command.append("--no-sandbox")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        websocket = None
        try:
            port, path = _devtools(profile, process)
            websocket = WebSocket(port, _page_of(port, path))
            yield Tab(websocket)
        finally:
            if websocket is not None:
                websocket.close()
            process.terminate()
            process.wait(PATIENCE_S)
