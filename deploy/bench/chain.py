"""From the message that raises an alert, on the broker, to the exposure that it causes, in the spool.

Mosquitto, `andon collect`, `andon detect` and `andon chain run` on one spool; a watcher outside, with its own
connection, notes when a committed record can first be read, looking every 2 ms. One stock after another runs empty on
the sample chain of `nev_drive`, then on a generated one of three tiers, and is filled up again before the next. A stock
that was filled says no longer how fast it is used, so its alert stays open: the last is judged beside 39 others.
Detectors look every `[detect] tick_s` of event time: 0.1 s here; with the default of 1 s an alert waits up to that much
longer, a wait that is chosen. The chain itself waits for no tick.
Where the time goes: until the reading is in the spool, from there until the alert's record is, and from that on what
the chain takes by itself. The parts' p95 need not add up to that of the whole.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

import deploy
from collector import schema
from collector.readings import Batch
from collector.spool.frames import FrameKind, Record
from collector.spool.spool import Spool
from deploy.bench.figure import Figure, NotMeasured, quantile
from deploy.bench.load import Wire
from deploy.bench.servers import mosquitto
from detectors.chain.run import FLOOR_READER

RUNS = 1
_STOCKS = 40


def _figures(network: str, must_s: float, aim_s: float) -> tuple[Figure, ...]:
    whole = f"{network}: message -> exposure stored"
    return (
        Figure(f"{whole}, p50", "s"),
        Figure(f"{whole}, p95", "s", must=must_s, aim=aim_s),
        Figure(f"{whole}, p99", "s"),
        Figure(f"{network}: of it message -> reading in the spool, p95", "s"),
        Figure(f"{network}: of it reading -> alert's record, p95", "s"),
        Figure(f"{network}: of it alert's record -> exposure, p50", "s"),
        Figure(f"{network}: of it alert's record -> exposure, p95", "s"),
        Figure(f"{network}: stocks that were told, of {_STOCKS}", "exposures", must=_STOCKS, at_most=False),
    )


FIGURES = (*_figures("demo chain", 1.0, 0.3), *_figures("1,700 nodes", 3.0, 1.0))
_FULL, _BEAT_S, _LOOK_S = 500.0, 0.02, 0.002
_NEAR = 50  # frames
_BEATS = 25  # half a second, in which the line goes on
_PATIENCE_S, _READY_S, _STOP_S, _LONGEST_S = 20.0, 60.0, 20.0, 110.0
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
    """A stock that ran empty: from its message to its reading, the alert's record and the exposure's, in s."""

    reading_s: float
    alert_s: float
    exposure_s: float


def conditions() -> str:
    return (
        f"mosquitto, three processes, {_STOCKS} stocks run empty one after the other, their alerts stay open; "
        "[detect] tick_s = 0.1"
    )


def once() -> Sequence[float]:
    return (*_told(_demo_chain), *_told(_tiered_chain))


def _told(make_chain: Callable[[Path], list[str]]) -> tuple[float, ...]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="andon-bench-")))
        broker = stack.enter_context(mosquitto(folder / "broker"))
        nodes = make_chain(folder / "chain")
        (folder / "site.toml").write_text(_SITE.format(port=broker.port))
        for command in (("collect",), ("detect",), ("chain", "run")):
            stack.enter_context(_andon(folder, command))
        told = [one for one in _run_empty(folder, broker.port, nodes) if one is not None]
    whole_s, own_s = [one.exposure_s for one in told], [one.exposure_s - one.alert_s for one in told]
    return (
        *(quantile(whole_s, share) for share in (0.5, 0.95, 0.99)),
        quantile([one.reading_s for one in told], 0.95),
        quantile([one.alert_s - one.reading_s for one in told], 0.95),
        *(quantile(own_s, share) for share in (0.5, 0.95)),
        len(told),
    )


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


def _run_empty(folder: Path, port: int, lines: Sequence[str]) -> Iterator[Empty | None]:
    """One stock after another runs empty; each is followed until its exposure is there. None: it was not."""
    wire = Wire(port, "floor")
    _await_spool(folder, wire, lines)
    with Spool.open(folder / "var" / "spool.sqlite") as spool:
        watcher = _Watcher(spool)
        _await_chain(folder, wire, watcher, lines)
        deadline = time.monotonic() + _LONGEST_S
        for line in lines:
            yield _one_empty(wire, watcher, line, deadline)
            for _ in range(_BEATS):
                _send(wire, line, _FULL)
                time.sleep(_BEAT_S)
    wire.close()


def _await_chain(folder: Path, wire: Wire, watcher: _Watcher, lines: Sequence[str]) -> None:
    """Until the chain has said its map and has come as far as every stock's first readings."""
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
    while watcher.chain_is_behind() and time.monotonic() < deadline:
        watcher.look()
        time.sleep(0.2)


def _one_empty(wire: Wire, watcher: _Watcher, line: str, deadline: float) -> Empty | None:
    began_s = time.monotonic()
    _send(wire, line, 0.0)
    beat_s, deadline = began_s, min(deadline, began_s + _PATIENCE_S)
    while line not in watcher.exposed_s and time.monotonic() < deadline:
        watcher.look()
        if time.monotonic() >= beat_s:
            _send(wire, line, 0.0)
            beat_s = time.monotonic() + _BEAT_S
        time.sleep(_LOOK_S)
    if line not in watcher.exposed_s:
        return None
    return Empty(*(seen[line] - began_s for seen in (watcher.read_s, watcher.alerted_s, watcher.exposed_s)))


def _await_spool(folder: Path, wire: Wire, lines: Sequence[str]) -> None:
    deadline = time.monotonic() + _READY_S
    while not (folder / "var" / "spool.sqlite").exists() and time.monotonic() < deadline:
        _send(wire, lines[0], _FULL)
        time.sleep(0.2)


def _send(wire: Wire, line: str, value: float) -> None:
    payload = b'{"ts":%d,"stock":%.1f}' % (time.time_ns() // 1000, value)
    wire.send([(f"bench/{line}/store".encode(), payload)], window=0)


class _Watcher:
    """Reads the spool from outside: when each line's empty stock, alert and exposure were there (monotonic s)."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._offset = 0
        self.has_map = False
        self.read_s: dict[str, float] = {}
        self.alerted_s: dict[str, float] = {}
        self.exposed_s: dict[str, float] = {}

    def look(self) -> None:
        frames = self._spool.log.read(self._offset, 10_000, kinds=(FrameKind.RECORD, FrameKind.BATCH))
        seen_s = time.monotonic()
        for frame in frames:
            self._offset = frame.offset
            if isinstance(frame.body, Record):
                self._note(frame.body, seen_s)
            elif isinstance(frame.body, Batch) and (frame.body.value == 0.0).any():
                self.read_s.setdefault(frame.shard.partition("/")[2], seen_s)

    def chain_is_behind(self) -> bool:
        """Whether it has not come near the end of what was looked at."""
        return self._spool.log.cursor(FLOOR_READER) < self._offset - _NEAR

    def _note(self, record: Record, seen_s: float) -> None:
        self.has_map = self.has_map or record.measurement == schema.CHAIN_NODE.name
        if record.measurement == schema.ALERT_EVENT.name and record.detail["kind"] == "shortage":
            self.alerted_s.setdefault(record.tags["line"], seen_s)
        elif record.measurement == schema.EXPOSURE.name:
            for cause in record.detail["causes"]:
                self.exposed_s.setdefault(cause.split("/")[1], seen_s)
