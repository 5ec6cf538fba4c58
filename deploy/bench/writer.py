"""The influx sink against the barest writer: the same readings as rows to the same endpoint, by http.client alone.

Both sides make line protocol of the same frames and post it to a stub in a process of its own, which reads the body and
answers 204 as InfluxDB does. What is compared is CPU time of the writing thread, in turns of both sides; the sides post
bodies of 5,000 rows (a usual size for InfluxDB) and of 20,000 (a parcel of a backlog). The last figures are the
post alone, the rows being made already.
"""

from __future__ import annotations

import http.client
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from collector.lanes import PARCEL_ROWS
from collector.readings import NS_PER_S, BatchBuilder, Equipment, Series
from collector.sinks.influx import Options, build
from collector.sinks.sink import Parcel, Sink
from collector.spool.frames import Frame, batch_frame
from deploy.bench.figure import Figure
from deploy.bench.servers import accepts, free_port, running

_ADVISED_ROWS = 5_000
_FRAME_READINGS = 1_000
_SERIES = 200
_TURNS = 7
_READINGS_PER_TURN = 60_000
_START_NS = 1_790_000_000 * NS_PER_S

FIGURES = (
    Figure("P8 influx sink / http.client, bodies of 5,000 rows: CPU", "x", must=1.3, aim=1.1),
    Figure("P8 influx sink / http.client, bodies of 20,000 rows: CPU", "x", must=1.3, aim=1.1),
    Figure("P8 influx sink: CPU per reading, bodies of 5,000 rows", "us"),
    Figure("P8 post alone, influxdb-client / http.client, 5,000 rows: CPU", "x"),
    Figure("P8 post alone, influxdb-client / http.client, 20,000 rows: CPU", "x"),
)


def once() -> Sequence[float]:
    """One run of all."""
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder:
        command = [sys.executable, "-m", "deploy.bench.writer", str(port := free_port())]
        with running("stub", command, port, Path(folder), accepts) as stub:
            whole = {rows: _compared(stub.port, rows, made=False) for rows in (_ADVISED_ROWS, PARCEL_ROWS)}
            alone = {rows: _compared(stub.port, rows, made=True) for rows in (_ADVISED_ROWS, PARCEL_ROWS)}
    ratios = [ours_us / bare_us for ours_us, bare_us in (*whole.values(), *alone.values())]
    return (*ratios[:2], whole[_ADVISED_ROWS][0], *ratios[2:])


def conditions() -> str:
    return f"{_SERIES} series, medians of {_TURNS} turns of each side"


def _compared(port: int, rows: int, *, made: bool) -> tuple[float, float]:
    """CPU us per reading of the sink and of http.client, in turns. `made`: the rows are made beforehand."""
    bare, url = _Bare(port), f"http://127.0.0.1:{port}"
    sink: Sink = build(Options(url=url, write_only=True, retention_d=0.0), Path())
    frames = _frames(rows // _FRAME_READINGS)
    parcel = Parcel(frames, _CATALOG)
    assert parcel.body
    again = (lambda: parcel) if made else (lambda: Parcel(frames, _CATALOG))
    turns = [(_cpu_us(sink.write, again, rows), _cpu_us(bare.write, again, rows)) for _ in range(_TURNS)]
    sink.close()
    bare.close()
    ours_us, bare_us = zip(*turns, strict=True)
    return statistics.median(ours_us), statistics.median(bare_us)


def _cpu_us(write: Callable[[Parcel], None], again: Callable[[], Parcel], rows: int) -> float:
    """CPU time of this thread for each reading of a turn."""
    times = max(1, _READINGS_PER_TURN // rows)
    write(again())
    began = time.thread_time()
    for _ in range(times):
        write(again())
    return (time.thread_time() - began) / (times * rows) * 1e6


class _Bare:
    """As little as a correct writer can do: one connection, one body, the status looked at."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._headers = {"Content-Type": "text/plain", "Authorization": "Token none"}

    def write(self, parcel: Parcel) -> None:
        self._connection.request(
            "POST", "/api/v2/write?org=andon&bucket=andon&precision=ns", parcel.body, self._headers
        )
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status == 204

    def close(self) -> None:
        self._connection.close()


_CATALOG = {
    number: Series(Equipment("bench", "nanjing", "hall 1", "drive", f"press_{number // 10}"), f"metric_{number % 10}")
    for number in range(_SERIES)
}


def _frames(count: int) -> list[Frame]:
    """Frames of one line as a busy second makes them."""
    frames = []
    for number in range(count):
        builder = BatchBuilder()
        for i in range(_FRAME_READINGS):
            at_ns = _START_NS + (number * _FRAME_READINGS + i) * 1_000_000
            builder.add(i % _SERIES, at_ns, round(20 + (i * 37 % 1000) / 7, 3), 0, at_ns)
        frames.append(batch_frame("nanjing/drive", builder.build())._replace(offset=number + 1))
    return frames


class _Stub(BaseHTTPRequestHandler):
    """Reads what is posted and says 204 with the headers of a store."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.send_response(204)
        self.send_header("X-Influxdb-Version", "2.7")
        self.send_header("X-Influxdb-Build", "OSS")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Stub).serve_forever()
