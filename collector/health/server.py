"""`/metrics` and `/healthz` of one process, on a small HTTP server in a thread of its own.

Input: the process's `Counters`. Output: Prometheus text, and a verdict: 200, or 503 with a JSON body that names what
is wrong. Nothing can be changed through it, and it opens no file and no spool.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from collector.config import HealthSettings
from collector.errors import AndonError
from collector.health.counters import Counters, Trouble
from collector.health.exposition import CONTENT_TYPE, exposition

_REQUEST_S = 5.0  # a client that sends no more for so long is let go
_STANDS_STILL_S = 60.0  # the ingest loop looks at its broker several times a second


class HealthError(AndonError):
    """The server cannot listen; the sentence says where and what to change."""


def verdict(counters: Counters, settings: HealthSettings) -> list[Trouble]:
    """What is wrong with a process for longer than site.toml lets pass; empty when it is healthy."""
    found = [one for one in counters.troubles() if one.for_s >= _patience_s(one.what, settings)]
    now_s = counters.monotonic_s()
    broker = counters.held("broker_connected")
    if broker is not None and not broker.value and now_s - broker.since_s >= settings.broker_down_s:
        found.append(Trouble("broker", "not connected: look at broker and network", now_s - broker.since_s))
    if broker is not None and now_s - broker.said_s >= max(_STANDS_STILL_S, settings.broker_down_s):
        reason = "the ingest loop stands still: see the log, restart the process"
        found.append(Trouble("ingest", reason, now_s - broker.said_s))
    return found + _lags(counters, settings)


def _patience_s(what: str, settings: HealthSettings) -> float:
    """How long a kind of trouble may last before the process counts as unhealthy."""
    return settings.sink_down_s if what.startswith("sink ") else 0.0


def _lags(counters: Counters, settings: HealthSettings) -> list[Trouble]:
    _, gauges = counters.totals()
    behind = {name.partition("/")[2]: lag_s for name, lag_s in gauges.items() if name.startswith("detection_lag_s/")}
    reason = "the detectors of this line are behind: see whether the machine is overloaded"
    return [
        Trouble(f"detection {line}", reason, lag_s)
        for line, lag_s in sorted(behind.items())
        if lag_s >= settings.detection_lag_s
    ]


class HealthServer:
    """Answers until `stop`; `address` is where."""

    def __init__(self, counters: Counters, settings: HealthSettings, *, site: str, port: int) -> None:
        answers: dict[str, Callable[[], tuple[HTTPStatus, str, bytes]]] = {
            "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE, _metrics(counters, site)),
            "/healthz": lambda: _healthz(counters, settings, site),
        }
        handler = type("Handler", (_Handler,), {"answers": answers})
        try:
            self._server = _Server((settings.host, port), handler)
        except (OSError, OverflowError) as error:
            raise HealthError(
                f"health at {settings.host}:{port} cannot listen ({error}): end what listens there, "
                "or correct `host` and ports of [health]"
            ) from error
        self.address = f"http://{settings.host}:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.2,), name="health", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    """Threads of slow clients never keep the process alive; a port in use is an error, not shared."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    allow_reuse_port = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is no news."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _REQUEST_S
    answers: dict[str, Callable[[], tuple[HTTPStatus, str, bytes]]]

    def do_GET(self) -> None:
        answer = self.answers.get(self.path.partition("?")[0])
        if answer is None:
            there = b"there is /metrics and /healthz\n"
            self._send(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", there)
        else:
            self._send(*answer())

    def do_HEAD(self) -> None:
        self.do_GET()

    def version_string(self) -> str:
        return "andon"

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: a scrape every few seconds is no event."""

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _metrics(counters: Counters, site: str) -> bytes:
    return exposition(*counters.totals(), site=site, process=counters.process)


def _healthz(counters: Counters, settings: HealthSettings, site: str) -> tuple[HTTPStatus, str, bytes]:
    wrong = verdict(counters, settings)
    body = {
        "status": "unhealthy" if wrong else "ok",
        "site": site,
        "process": counters.process,
        "wrong": [{"what": one.what, "reason": one.reason, "for_s": round(one.for_s, 1)} for one in wrong],
    }
    status = HTTPStatus.SERVICE_UNAVAILABLE if wrong else HTTPStatus.OK
    return status, "application/json", json.dumps(body).encode() + b"\n"
