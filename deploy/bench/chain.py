"""From the message that raises an alert, on the broker, to the exposure that it causes, in the spool.

Mosquitto, `andon collect`, `andon detect` and `andon chain run` on one spool; a watcher outside, with its own
connection, notes when a committed record can first be read, looking every 2 ms. One stock after another runs empty on
the sample chain of `nev_drive`, then on a generated one of three tiers, and is filled up again before the next.
Detectors look every `[detect] tick_s` of event time: 0.1 s here; with the default of 5 s an alert waits up to that much
longer, a wait that is chosen. The chain itself waits for no tick.
The same from the alert's own record is what the chain takes by itself.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

import deploy
from collector import schema
from collector.spool.frames import FrameKind, Record
from collector.spool.spool import Spool
from deploy.bench.figure import Figure, NotMeasured, quantile
from deploy.bench.load import Wire
from deploy.bench.servers import mosquitto

RUNS = 1
FIGURES = (
    Figure("demo chain: message -> exposure stored, p95", "s", must=1.0, aim=0.3),
    Figure("demo chain: of it from the alert's record on, p95", "s"),
    Figure("demo chain: stocks that were told, of 40", "exposures", must=40, at_most=False),
    Figure("1,700 nodes: message -> exposure stored, p95", "s", must=3.0, aim=1.0),
    Figure("1,700 nodes: of it from the alert's record on, p95", "s"),
    Figure("1,700 nodes: stocks that were told, of 40", "exposures", must=40, at_most=False),
)
_STOCKS = 40
_FULL, _BEAT_S, _LOOK_S = 500.0, 0.02, 0.002
_BEATS = 25  # half a second, in which the line goes on and its alert clears
_PATIENCE_S, _READY_S, _STOP_S = 20.0, 60.0, 20.0
_SEED = 48
_SITE = """
[site]
enterprise = "bench"
name = "bench"

[broker]
port = {port}

[[subscribe]]
topic = "bench/{{line}}/{{cell}}"
format = "json_fields"
time = "ts"
time_unit = "us"
[subscribe.fields.stock]
kind = "stock"

[[rule]]
method = "shortage"
metric = "stock"
response_s = 600.0
keep_firing_for_s = 0.0

[detect]
tick_s = 0.1

[chain]
folder = "chain"
"""


class Empty(NamedTuple):
    """A stock that ran empty: from its message to the alert's record and to the exposure's, in s; NaN: never seen."""

    alert_s: float
    exposure_s: float


def conditions() -> str:
    return f"mosquitto, three processes, {_STOCKS} stocks run empty one after the other; [detect] tick_s = 0.1"


def once() -> Sequence[float]:
    return (*_told(_demo_chain), *_told(_tiered_chain))


def _told(make_chain: object) -> tuple[float, float, float]:
    assert callable(make_chain)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="andon-bench-")))
        broker = stack.enter_context(mosquitto(folder / "broker"))
        nodes: list[str] = make_chain(folder / "chain")
        (folder / "site.toml").write_text(_SITE.format(port=broker.port))
        for command in (("collect",), ("detect",), ("chain", "run")):
            stack.enter_context(_andon(folder, command))
        told = [one for one in _run_empty(folder, broker.port, nodes) if one.exposure_s == one.exposure_s]
    own_s = [one.exposure_s - one.alert_s for one in told]
    return quantile([one.exposure_s for one in told], 0.95), quantile(own_s, 0.95), len(told)


def _demo_chain(folder: Path) -> list[str]:
    """The chain of nev_drive with a live series for each of 40 stocks."""
    shutil.copytree(Path(deploy.__file__).parent / "sites" / "nev_drive" / "chain", folder)
    with (folder / "stock.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines = [f"{row['site']}.{row['item']}" for row in rows]
    for line, row in zip(lines, rows, strict=True):
        row["series"] = f"bench/{line}/store:stock"
    with (folder / "stock.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return [lines[i] for i in np.random.default_rng(_SEED).permutation(len(lines))[:_STOCKS].tolist()]


def _tiered_chain(folder: Path) -> list[str]:
    try:
        from tests.bench.chain_folder import write_network
        from tests.bench.tiered_networks import three_tier
    except ImportError as error:
        raise NotMeasured("the generator lives in tests/bench; run `make bench` in a checkout") from error
    network = three_tier()
    places = np.random.default_rng(_SEED).permutation(len(network.nodes))[:_STOCKS].tolist()
    names = [network.nodes[i].name for i in places]
    write_network(network, folder, names)
    return names


@contextmanager
def _andon(folder: Path, command: Sequence[str]) -> Iterator[None]:
    with (folder / f"{command[0]}.log").open("ab") as log:
        words = [sys.executable, "-m", "deploy.cli", *command, str(folder / "site.toml")]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_S)


def _run_empty(folder: Path, port: int, lines: Sequence[str]) -> Iterator[Empty]:
    """One stock after another runs empty; each is followed until its exposure is there."""
    wire = Wire(port, "floor")
    _await_spool(folder, wire, lines)
    with Spool.open(folder / "var" / "spool.sqlite") as spool:
        watcher = _Watcher(spool)
        deadline = time.monotonic() + _READY_S
        while not watcher.has_map and time.monotonic() < deadline:
            for line in lines:
                _send(wire, line, _FULL)
            watcher.look()
            time.sleep(0.2)
        if not watcher.has_map:
            said = (folder / "chain.log").read_text(errors="replace")[-1000:]
            raise NotMeasured(f"the chain says nothing; mend what it said:\n{said}")
        for line in lines:
            _send(wire, line, _FULL)
        time.sleep(1.0)
        for line in lines:
            yield _one_empty(wire, watcher, line)
            for _ in range(_BEATS):
                _send(wire, line, _FULL)
                time.sleep(_BEAT_S)
    wire.close()


def _one_empty(wire: Wire, watcher: _Watcher, line: str) -> Empty:
    began_s = time.monotonic()
    _send(wire, line, 0.0)
    beat_s, deadline = began_s, began_s + _PATIENCE_S
    while line not in watcher.exposed_s and time.monotonic() < deadline:
        watcher.look()
        if time.monotonic() >= beat_s:
            _send(wire, line, 0.0)
            beat_s = time.monotonic() + _BEAT_S
        time.sleep(_LOOK_S)
    missing = float("nan")
    return Empty(*(seen.get(line, missing) - began_s for seen in (watcher.alerted_s, watcher.exposed_s)))


def _await_spool(folder: Path, wire: Wire, lines: Sequence[str]) -> None:
    deadline = time.monotonic() + _READY_S
    while not (folder / "var" / "spool.sqlite").exists() and time.monotonic() < deadline:
        _send(wire, lines[0], _FULL)
        time.sleep(0.2)


def _send(wire: Wire, line: str, value: float) -> None:
    payload = b'{"ts":%d,"stock":%.1f}' % (time.time_ns() // 1000, value)
    wire.send([(f"bench/{line}/store".encode(), payload)], window=0)


class _Watcher:
    """Reads the spool from outside: when each line's alert and the exposure that it causes were there (monotonic s)."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._offset = 0
        self.has_map = False
        self.alerted_s: dict[str, float] = {}
        self.exposed_s: dict[str, float] = {}

    def look(self) -> None:
        frames = self._spool.log.read(self._offset, 10_000, kinds=(FrameKind.RECORD,))
        seen_s = time.monotonic()
        for frame in frames:
            self._offset = frame.offset
            if isinstance(frame.body, Record):
                self._note(frame.body, seen_s)

    def _note(self, record: Record, seen_s: float) -> None:
        self.has_map = self.has_map or record.measurement == schema.CHAIN_NODE.name
        if record.measurement == schema.ALERT_EVENT.name and record.detail["kind"] == "shortage":
            self.alerted_s.setdefault(record.tags["line"], seen_s)
        elif record.measurement == schema.EXPOSURE.name:
            for cause in record.detail["causes"]:
                self.exposed_s.setdefault(cause.split("/")[1], seen_s)
