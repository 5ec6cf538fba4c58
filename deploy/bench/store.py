"""The store of a benchmark: counts what it has stored, in front of Debian's InfluxDB 1.6.7 or, without it, of nothing.

InfluxDB 1.6.7 has no v2 write path, so `POST /api/v2/write?org&bucket&precision` is passed on as its
`POST /write?db&precision`, answers come back as they are, and so is everything else (other writes, queries). Rows of
the line `load.LINE` are counted once the store has said 204. Runs as a process (`python -m deploy.bench.store PORT
ENGINE_PORT`); `GET /counted` answers with the rows so far. `ANDON_BENCH_STORE=stub` leaves InfluxDB out, which shows
what the bridge itself can do where store and bridge share few cores.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import urllib.parse
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

from deploy.bench.figure import NotMeasured
from deploy.bench.load import LINE, PROBE
from deploy.bench.servers import APT, Running, accepts, free_port, influxdb, program, running

DATABASE = "andon"
_COUNTED = f",line={LINE}".encode()
_STORED = 204
_PRECISIONS_OF_1 = {"us": "u", "nanosecond": "ns", "microsecond": "u"}  # names of later versions


class Store:
    """A store that takes points at `url`, until it is closed. Without influxd it only counts."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._engine = ExitStack()
        self._door = ExitStack()
        self._running: Running | None = None
        self._engine_port = free_port() if _has_engine() else 0
        if self._engine_port:
            self._start_engine()
        command = [sys.executable, "-m", "deploy.bench.store", str(door_port := free_port()), str(self._engine_port)]
        self.url = self._door.enter_context(running("store", command, door_port, folder, accepts)).url
        if self._engine_port:
            self.ask(f'CREATE DATABASE "{DATABASE}"')

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self._door.close()
        self._engine.close()

    @property
    def is_readable(self) -> bool:
        return bool(self._engine_port)

    def counted(self) -> int:
        """Rows of the load that it has answered with 204 so far; one written twice counts twice."""
        with urllib.request.urlopen(f"{self.url}/counted", timeout=30) as answer:
            return int(answer.read())

    def distinct(self) -> int | None:
        """Different values of the load in the store, probes left out; None when there is no engine to ask."""
        if not self._engine_port:
            return None
        series = self.ask(f"SELECT count(*) FROM /.*/ WHERE line = '{LINE}' AND cell != '{PROBE}'")
        return sum(int(count or 0) for one in series for count in one["values"][0][1:])  # null: none of that field

    def ask(self, statement: str) -> list[dict[str, Any]]:
        form = urllib.parse.urlencode({"q": statement, "db": DATABASE, "epoch": "ns"}).encode()
        with urllib.request.urlopen(f"{self.url}/query", data=form, timeout=120) as answer:
            series: list[dict[str, Any]] = json.load(answer)["results"][0].get("series", [])
        return series

    @contextmanager
    def down(self, *, killed: bool = False) -> Iterator[None]:
        """No store for a while; afterwards it is there again at the same address with the same points.

        `killed`: it goes without a chance to tidy up, as in a power cut.
        """
        if self._running is None:
            raise NotMeasured(f"there is no influxd, so no store can be taken away; as root: {APT}")
        if killed:
            self._running.kill()
        self._engine.close()
        yield
        self._start_engine()

    def _start_engine(self) -> None:
        self._running = self._engine.enter_context(influxdb(self._folder / "influxdb", port=self._engine_port))


def name() -> str:
    """Which store this machine's figures are measured with."""
    return "InfluxDB 1.6.7 behind a v2 write path" if _has_engine() else "a stub that only counts (no influxd)"


def _has_engine() -> bool:
    return program("influxd") is not None and os.environ.get("ANDON_BENCH_STORE") != "stub"


class _Counted:
    """The rows stored so far, shared by the connections' threads."""

    def __init__(self) -> None:
        self.rows = 0
        self._lock = Lock()

    def add(self, rows: int) -> None:
        with self._lock:
            self.rows += rows


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    rbufsize = 1 << 20
    wbufsize = 1 << 16
    counted = _Counted()
    engine_port = 0

    def do_GET(self) -> None:
        if self.path == "/counted":
            self._answer(200, b"%d" % self.counted.rows)
        else:
            self._pass_on(self.path, b"")

    def do_POST(self) -> None:
        body = self._body()
        asked = urllib.parse.urlsplit(self.path)
        if asked.path == "/query":
            self._pass_on(self.path, body)
            return
        path = self.path
        if asked.path == "/api/v2/write":
            query = dict(urllib.parse.parse_qsl(asked.query))
            precision = query.get("precision", "ns")
            database, _, policy = query["bucket"].partition("/")  # as 1.8 reads it
            to = {"db": database, "rp": policy, "precision": _PRECISIONS_OF_1.get(precision, precision)}
            path = f"/write?{urllib.parse.urlencode(to)}"
        if self._pass_on(path, body) == _STORED:
            packed = self.headers.get("Content-Encoding") == "gzip"
            self.counted.add((zlib.decompress(body, 31) if packed else body).count(_COUNTED))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        chunks = []
        while length := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(length))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _pass_on(self, path: str, body: bytes) -> int:
        """The engine's answer, handed back; without an engine everything is stored. 0 when the engine is gone."""
        if not self.engine_port:
            self._answer(_STORED, b"")
            return _STORED
        kept = {name: self.headers[name] for name in ("Content-Type", "Content-Encoding") if name in self.headers}
        engine = http.client.HTTPConnection("127.0.0.1", self.engine_port, timeout=60)
        try:
            engine.request(self.command, path, body, kept)
            answer = engine.getresponse()
            self._answer(answer.status, answer.read())
        except (OSError, http.client.HTTPException):
            self.close_connection = True  # the store is gone: so is the answer
            return 0
        finally:
            engine.close()
        return answer.status

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status != _STORED:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if status != _STORED else b"")
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def _main() -> None:
    port, _Door.engine_port = map(int, sys.argv[1:])
    ThreadingHTTPServer(("127.0.0.1", port), _Door).serve_forever()


if __name__ == "__main__":
    _main()
