"""Real servers for the tests of `plant`, those that benchmarks use (`deploy.bench.servers`).

`need` decides what a missing program means: a skip that says what to type, or a failure where servers are required.
"""

from __future__ import annotations

import json
import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.bench import servers
from deploy.bench.servers import Running as Running
from deploy.bench.servers import free_port as free_port


def need(name: str) -> Path:
    """The path of a server program. Where it is missing: skips loudly, or fails with ANDON_REQUIRE_SERVERS=1."""
    found = servers.program(name)
    if found:
        return found
    sentence = f"NOT TESTED against a real {name}: it is not installed. As root: {servers.APT}"
    if os.environ.get("ANDON_REQUIRE_SERVERS") == "1":
        pytest.fail(sentence)
    pytest.skip(sentence)


@contextmanager
def mosquitto(
    folder: Path, *, persistence: bool = False, port: int | None = None, more: Sequence[str] = ()
) -> Iterator[Running]:
    """As `deploy.bench.servers` has it."""
    need("mosquitto")
    with servers.mosquitto(folder, persistence=persistence, port=port, more=more) as broker:
        yield broker


@contextmanager
def influxdb(folder: Path, *, port: int | None = None) -> Iterator[Running]:
    """As `deploy.bench.servers` has it."""
    need("influxd")
    with servers.influxdb(folder, port=port) as store:
        yield store


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

    POST /api/v2/write?org&bucket&precision becomes POST /write?db&rp&precision, where a bucket is database/policy as in
    1.8; questions pass as they are, and so do answers. So what is tested is influxdb-client and the engine of 1.6.7. No
    InfluxDB 2 was ever run.
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
        database, _, policy = query["bucket"].partition("/")
        self._ask("/write", {"db": database, "rp": policy, "precision": query["precision"]}, body)

    def do_GET(self) -> None:
        asked = urllib.parse.urlsplit(self.path)
        self._ask(asked.path, dict(urllib.parse.parse_qsl(asked.query)))

    def _ask(self, path: str, query: dict[str, str], body: bytes | None = None) -> None:
        url = f"{self.target}{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, data=body, timeout=30) as answer:
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
