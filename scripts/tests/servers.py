# SPDX-License-Identifier: GPL-2.0
"""Servers from Debian's packages, started by a test on loopback, and ended.

Each has its files in a folder of the test's and a port that was free.  It ends with
the with block, and if the test itself is killed.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# Long enough for an emulated machine; only a defect reaches it.
PATIENCE_S = 120.0

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def missing(*commands: str) -> str:
    """Which of these commands are not installed, as the reason for a skip."""
    names = [name for name in commands if shutil.which(name) is None]
    return f"not installed: {', '.join(names)}" if names else ""


def wait_until(what: str, condition: Callable[[], Any],
               patience_s: float = PATIENCE_S) -> Any:
    """Wait for a condition and return what it gave; TimeoutError names it."""
    deadline = time.monotonic() + patience_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience_s:.0f} s for {what}")
        time.sleep(0.05)
    return found


def free_port() -> int:
    """A port on loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def fetch(url: str, body: bytes | None = None) -> str:
    """What a server on loopback answers."""
    try:
        with _DIRECT.open(url, body, timeout=PATIENCE_S) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{url}: {error.code}: {error.read().decode()}") from None


class Server:
    """A process that answers on a port."""

    def __init__(self, command: Sequence[str], port: int, ready_path: str,
                 folder: Path) -> None:
        self.port = port
        self._command = command
        self._ready_url = f"http://127.0.0.1:{port}{ready_path}"
        self._log = folder / f"{Path(command[0]).name}.log"
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *self._command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(f"{self._command[0]} to answer", self._answers)
        except BaseException as error:
            self._end()
            error.add_note(self._log.read_text(errors="replace")[-2000:])
            raise
        return self

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._command[0]} ended by itself")
        try:
            return bool(fetch(self._ready_url)) or True
        except (OSError, RuntimeError):
            return False

    def __exit__(self, kind: type[BaseException] | None,
                 value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def folder_for_servers() -> Iterator[Path]:
    """A folder that goes with everything in it."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


# ---- node exporter and Prometheus

NODE_EXPORTER = "prometheus-node-exporter"
PROMETHEUS = "prometheus"
PROMTOOL = "promtool"


def node_exporter(folder: Path, textfiles: Path) -> Server:
    """It exports the files *.prom of a folder, and nothing else."""
    port = free_port()
    return Server([NODE_EXPORTER, f"--web.listen-address=127.0.0.1:{port}",
                   "--collector.disable-defaults", "--collector.textfile",
                   f"--collector.textfile.directory={textfiles}"],
                  port, "/metrics", folder)


class Prometheus(Server):
    """It scrapes a node exporter each second and evaluates rules as often."""

    def __init__(self, folder: Path, target_port: int, rules: Path) -> None:
        config = folder / "prometheus.yml"
        config.write_text(json.dumps({      # JSON is YAML
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{
                "job_name": "node", "static_configs": [
                    {"targets": [f"127.0.0.1:{target_port}"]}]}]}))
        port = free_port()
        super().__init__([PROMETHEUS, f"--config.file={config}",
                          f"--storage.tsdb.path={folder / 'tsdb'}",
                          f"--web.listen-address=127.0.0.1:{port}",
                          "--log.level=warn"], port, "/-/ready", folder)

    def _get(self, what: str, **arguments: str) -> Any:
        answer = json.loads(fetch(f"http://127.0.0.1:{self.port}/api/v1/{what}?"
                                  + urllib.parse.urlencode(arguments)))
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, promql: str) -> dict[tuple[tuple[str, str], ...], float]:
        """An instant query: values by labels, without those of the scrape."""
        result = self._get("query", query=promql)["result"]
        return {tuple(sorted((name, value) for name, value
                             in series["metric"].items()
                             if name not in ("job", "instance"))):
                float(series["value"][1]) for series in result}

    def alerts(self) -> dict[str, str]:
        """The state of each alert that is active: pending or firing."""
        return {alert["labels"]["alertname"]: alert["state"]
                for alert in self._get("alerts")["alerts"]}


# ---- ClickHouse

CLICKHOUSE = "clickhouse-server"
CLICKHOUSE_CLIENT = "clickhouse-client"

_CLICKHOUSE_CONFIG = """<yandex>
<logger><level>warning</level><console>1</console></logger>
<listen_host>127.0.0.1</listen_host>
<tcp_port>{tcp_port}</tcp_port><http_port>{http_port}</http_port>
<path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path>
<mark_cache_size>100000000</mark_cache_size><timezone>UTC</timezone>
<users_config>{folder}/users.xml</users_config>
<default_profile>default</default_profile>
<default_database>default</default_database>
</yandex>
"""
_CLICKHOUSE_USERS = """<yandex>
<profiles><default/></profiles><quotas><default/></quotas>
<users><default>
<password/><networks><ip>127.0.0.1</ip></networks>
<profile>default</profile><quota>default</quota>
</default></users>
</yandex>
"""


class ClickHouse(Server):
    """It has nothing but what the test inserts."""

    def __init__(self, folder: Path) -> None:
        self._tcp_port, http_port = free_port(), free_port()
        for name in ("data", "tmp"):
            (folder / name).mkdir()
        config = folder / "config.xml"
        config.write_text(_CLICKHOUSE_CONFIG.format(
            tcp_port=self._tcp_port, http_port=http_port, folder=folder))
        (folder / "users.xml").write_text(_CLICKHOUSE_USERS)
        super().__init__([CLICKHOUSE, f"--config-file={config}"], http_port, "/ping",
                         folder)

    @property
    def client(self) -> str:
        """clickhouse-client as a shell command."""
        return f"{CLICKHOUSE_CLIENT} --host 127.0.0.1 --port {self._tcp_port}"

    def insertion(self, host: str, *options: str) -> str:
        """The shell commands that insert JSON lines of a host."""
        return (f"sed -u 's/^{{/{{\"host\":\"{host}\",/' | {self.client} "
                f"--input_format_skip_unknown_fields=1 {' '.join(options)} "
                "--query='INSERT INTO renoscope.events FORMAT JSONEachRow'")

    def run(self, sql: str) -> None:
        """Statements without an answer."""
        subprocess.run([*self.client.split(), "--multiquery"], input=sql, text=True,
                       check=True)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query."""
        done = subprocess.run(
            [*self.client.split(), "--format=JSONEachRow",
             "--output_format_json_quote_64bit_integers=0"],
            input=sql, text=True, stdout=subprocess.PIPE, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]
