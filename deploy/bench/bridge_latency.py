"""P9: how long from publishing to being durable, and to the alert, with 10,000 messages/s beside it.

`andon collect` and `andon detect` run as processes on one spool. Payloads carry the instant of their publication; a
watcher outside, with its own connection to the spool, notes when a committed frame can first be read, looking every
2 ms. A small line `press` has a `limits` rule, and one of its cells after another passes its limit. The detectors look
every `[detect] tick_s` = 0.1 s of event time here; with the default 1 s an alert waits that long more. A raw reader,
subscribed to the same 10,000 messages/s, shows what machine and broker take by themselves.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Thread

from collector import schema
from collector.readings import Batch
from collector.spool.frames import Frame, Record
from collector.spool.spool import Spool
from deploy.bench import store
from deploy.bench.figure import Figure, quantile
from deploy.bench.load import LINE, Load, Wire, published
from deploy.bench.raw_reader import RawReader
from deploy.bench.rig import rig

_BESIDE = Load("signal", 100_000, per_s=10_000)
_CELLS, _PASSED_EVERY_S, _BEATS = 100, 0.08, 4
_GOOD, _PAST = 50.0, 150.0
_LOOK_S, _READ_FRAMES = 0.002, 200
_AFTERWARDS_S = 10.0
_WINDOW_MS = 5.0  # how long the source waits for what follows closely
_RULES = """
[detect]
tick_s = 0.1
levels_s = 30.0

[[rule]]
method = "limits"
line = "press"
low = 0.0
high = 100.0
"""

FIGURES = (
    Figure("P9 publish -> durable, p99", "ms", must=250, aim=50),
    Figure("P9 publish -> durable, median", "ms"),
    Figure("P9 publish -> alert, p99", "ms", must=500),
    Figure("P9 publish -> alert, median", "ms"),
    Figure("P9 publish -> raw reader, p99", "ms"),
    Figure("P9 durable: what the aim asks, 5 ms + 5 x the raw reader's p99", "ms"),
    Figure("P9 alerts that were seen, of 100", "alerts", must=_CELLS, at_most=False),
)


def conditions() -> str:
    return f"10,000 messages/s of 120 B beside it, mosquitto, {store.name()}"


def once() -> Sequence[float]:
    with rig(_RULES) as one, one.andon("collect") as collector, one.andon("detect"):
        collector.wait_ready()
        raw = RawReader(one.port, f"signal/{LINE}/#")
        with Spool.open(one.spool_path) as spool:
            watcher = Watcher(spool)
            beside = _BESIDE.start(one.port)
            passing = _Passing(one.port)
            while beside.poll() is None:
                watcher.look()
            passing.join()
            published(beside)
            _follow(watcher)
        raw_ms = [1e3 * delay for delay in raw.delays_s()]
    durable_ms = [1e3 * delay for delay in watcher.durable_s]
    alert_ms = [(seen_ns - passing.passed_ns[cell]) / 1e6 for cell, seen_ns in watcher.alerted_ns.items()]
    raw_p99_ms = quantile(raw_ms, 0.99)
    return (
        quantile(durable_ms, 0.99),
        quantile(durable_ms, 0.5),
        quantile(alert_ms, 0.99),
        quantile(alert_ms, 0.5),
        raw_p99_ms,
        _WINDOW_MS + 5 * raw_p99_ms,
        len(alert_ms),
    )


class Watcher:
    """Reads the spool from outside: `durable_s`, a delay per reading of the load, and when each cell's alert came."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._offset = spool.log.end()
        self.durable_s: list[float] = []
        self.alerted_ns: dict[str, int] = {}

    def look(self) -> None:
        """Notes what is new since the last look, or waits a little when nothing is."""
        frames = self._spool.log.read(self._offset, _READ_FRAMES)
        seen_ns = time.time_ns()
        for frame in frames:
            self._note(frame, seen_ns)
            self._offset = frame.offset
        if not frames:
            time.sleep(_LOOK_S)

    def _note(self, frame: Frame, seen_ns: int) -> None:
        body = frame.body
        if isinstance(body, Batch) and frame.shard.endswith(f"/{LINE}"):
            self.durable_s += ((seen_ns - body.at_ns) / 1e9).tolist()
        elif isinstance(body, Record) and body.measurement == schema.ALERT_EVENT.name:
            cell = body.tags["subject"].partition(":")[0].rpartition("/")[2]
            self.alerted_ns.setdefault(cell, seen_ns)


class _Passing(Thread):
    """Publishes the line `press`: every cell within its limits, then one after another past it, 50 readings/s."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.passed_ns: dict[str, int] = {}
        self._wire = Wire(port, "press")
        self.start()

    def run(self) -> None:
        cells = [f"p{n:02d}" for n in range(_CELLS)]
        for _ in range(_BEATS):
            for cell in cells:
                self._send(cell, _GOOD)
                time.sleep(0.002)
        for cell in cells:
            self.passed_ns[cell] = self._send(cell, _PAST)
            for _ in range(_BEATS):
                time.sleep(_PASSED_EVERY_S / _BEATS)
                self._send("clock", _GOOD)
        for _ in range(50):  # the line goes on, so that time passes for its last alerts
            time.sleep(0.02)
            self._send("clock", _GOOD)
        self._wire.close()

    def _send(self, cell: str, value: float) -> int:
        at_ns = time.time_ns() // 1000 * 1000
        payload = b'{"ts":%d,"value":%.2f}' % (at_ns // 1000, value)
        self._wire.send([(f"signal/press/{cell}".encode(), payload)], window=0)
        return at_ns


def _follow(watcher: Watcher) -> None:
    """Until all is seen, or nobody would wait any longer."""
    deadline = time.monotonic() + _AFTERWARDS_S
    while time.monotonic() < deadline:
        if len(watcher.durable_s) >= _BESIDE.messages and len(watcher.alerted_ns) >= _CELLS:
            return
        watcher.look()
