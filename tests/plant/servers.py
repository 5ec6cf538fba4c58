"""Real servers for the tests of `plant`: each on free ports of 127.0.0.1, in a folder of its own, ended by its own id.

`need` decides what a missing program means: a skip that says what to type, or a failure where servers are required.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

APT = "apt-get install -y --no-install-recommends mosquitto influxdb chromium chromium-driver"
_WHERE = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))
_START_S = 30.0
_STOP_S = 15.0


def need(program: str) -> Path:
    """The path of a server program. Where it is missing: skips loudly, or fails with ANDON_REQUIRE_SERVERS=1."""
    found = shutil.which(program, path=_WHERE)
    if found:
        return Path(found)
    sentence = f"NOT TESTED against a real {program}: it is not installed. As root: {APT}"
    if os.environ.get("ANDON_REQUIRE_SERVERS") == "1":
        pytest.fail(sentence)
    pytest.skip(sentence)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Running:
    """A server that answers on `port` of 127.0.0.1 until it is stopped."""

    name: str
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Asks it to end, and makes it end."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Ends it with no chance to tidy up, as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(_STOP_S)


@contextmanager
def mosquitto(
    folder: Path, *, persistence: bool = False, port: int | None = None, more: Sequence[str] = ()
) -> Iterator[Running]:
    """A Mosquitto that drops nothing for a slow reader, without accounts."""
    program, port = need("mosquitto"), port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "max_queued_messages 0",
        "max_inflight_messages 2000",
        "set_tcp_nodelay true",
        f"persistence {'true' if persistence else 'false'}",
        *([f"persistence_location {folder}/", "autosave_interval 1"] if persistence else []),
        *more,
        *(["user root"] if os.geteuid() == 0 else []),  # else it drops root and cannot write our folder
    ]
    (folder / "mosquitto.conf").write_text("\n".join(config) + "\n")
    yield from _run("mosquitto", [str(program), "-c", str(folder / "mosquitto.conf")], port, folder, _accepts)


_INFLUXDB = """
reporting-disabled = true
bind-address = "127.0.0.1:{backup_port}"
[meta]
dir = "{folder}/meta"
logging-enabled = false
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
index-version = "inmem"
[monitor]
store-enabled = false
[subscriber]
enabled = false
[continuous_queries]
enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
max-body-size = 25000000
"""


@contextmanager
def influxdb(folder: Path, *, port: int | None = None) -> Iterator[Running]:
    """Debian's InfluxDB 1.6.7; started again in the same folder it has the same points."""
    program, port = need("influxd"), port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "influxdb.conf"
    config.write_text(_INFLUXDB.format(folder=folder, port=port, backup_port=free_port()))
    yield from _run("influxdb", [str(program), "-config", str(config)], port, folder, _pings)


def influxql(store: Running, statement: str, database: str = "") -> list[dict[str, Any]]:
    """The answer's series (name, tags, columns, values). Raises AssertionError with the store's own words."""
    form = urllib.parse.urlencode({"q": statement, "db": database, "epoch": "ns"}).encode()
    with urllib.request.urlopen(f"{store.url}/query", data=form, timeout=30) as answer:
        (result,) = json.load(answer)["results"]
    assert "error" not in result, f"{statement}: {result['error']}"
    series: list[dict[str, Any]] = result.get("series", [])
    return series


class V2WriteShim:
    """Test only: stands in front of Debian's InfluxDB 1.6.7, which has no v2 write path.

    POST /api/v2/write?org&bucket&precision becomes POST /write?db&precision; answers come back as they are. So what is
    tested is influxdb-client and the engine of 1.6.7. No InfluxDB 2 was ever run.
    """

    def __init__(self, store: Running) -> None:
        handler = type("Handler", (_Shim,), {"target": store.url})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> V2WriteShim:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Shim(BaseHTTPRequestHandler):
    target = ""

    def do_POST(self) -> None:
        asked = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(asked.query))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert asked.path == "/api/v2/write" and query["org"]
        to = urllib.parse.urlencode({"db": query["bucket"], "precision": query["precision"]})
        try:
            with urllib.request.urlopen(f"{self.target}/write?{to}", data=body, timeout=30) as answer:
                self._pass_on(answer.status, answer.read())
        except urllib.error.HTTPError as refused:
            self._pass_on(refused.code, refused.read())
        except OSError:
            self.close_connection = True  # the store is gone: so is the answer

    def _pass_on(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def _run(name: str, command: list[str], port: int, folder: Path, answers: Callable[[int], bool]) -> Iterator[Running]:
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    running = Running(name, port, log, process)
    try:
        _wait_for(running, answers)
        yield running
    finally:
        running.stop()


def _wait_for(running: Running, answers: Callable[[int], bool]) -> None:
    deadline = time.monotonic() + _START_S
    while not answers(running.port):
        ended = running.process.poll() is not None
        if ended or time.monotonic() > deadline:
            said = running.log.read_text(errors="replace")[-2000:]
            pytest.fail(f"{running.name} {'ended at its start' if ended else 'does not answer'}; it said:\n{said}")
        time.sleep(0.05)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _pings(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1) as answer:
            return answer.status == 204
    except OSError:
        return False
