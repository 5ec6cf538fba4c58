"""R3: the store was away for 8 hours at 500 messages/s; then it is back, and live readings go on beside the backlog.

The live load first runs alone, which tells what this machine's p99 is without a backlog, and what the spool takes in
groups as they arrive. Then the backlog is made by the collector's own ingest loop (decode, append) in a process whose
memory is watched, from messages that were never on a wire and in groups of 1,000: the hours pass in minutes. Then the
real `andon collect` starts with everything to deliver, the store up and the live load on the broker.

Asks for `ANDON_BENCH_OUTAGE_H=8` hours; the tests of `plant` ask for ten minutes. The whole lasts some minutes and runs
once.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

from collector.clocks.clock import PlantClock
from collector.health.counters import Counters
from collector.lanes import Lanes, Pace
from collector.pump import Appender, ingest, reader_of
from collector.readings import NS_PER_S, Batch
from collector.retention import Retention
from collector.sources.source import Delivery, Message
from collector.spool.frames import FrameKind
from collector.spool.spool import Spool
from deploy.bench import store
from deploy.bench.figure import Figure, NotMeasured, quantile
from deploy.bench.load import LINE, PROBE, SIGNAL_CELLS, Load, published
from deploy.bench.meter import Meter
from deploy.bench.rig import Rig, rig
from deploy.books import books_of
from deploy.site import load_site

RUNS = 1
PER_S = 500
BACKLOG_LINE = "backlog"
_GROUP = 1_000
_ALONE_S = 10.0
_LOOKS = 100  # at the memory of the process that appends, evenly over the backlog
_DRAIN_MOST_S = 1_800.0
_PAYLOAD = b'{"ts":%d,"value":%.3f,"quality":"good","sensor":"spindle bearing, drive end","unit":"Cel"}'
_STILL_LOOKS = 40  # of 0.05 s and more without another reading: the live load is in

FIGURES = (
    Figure("R3 published and not in the store", "readings", must=0),
    Figure("R3 books that are not exact", "books", must=0),
    Figure("R3 backlog", "readings"),
    Figure("R3 spool on disk", "GB", must=4.0),
    Figure("R3 the same, had it come in the groups of the live load", "GB", must=4.0),
    Figure("R3 store away: growth of RSS", "MB", must=10),
    Figure("R3 drain: highest RSS", "MB", must=150),
    Figure("R3 drain of the backlog, of the arrival rate", "x", must=10, at_most=False),
    Figure("R3 drain", "readings/s"),
    Figure("R3 live meanwhile: publish -> store, p99", "s", must=2.0),
    Figure("R3 live meanwhile: median", "s"),
    Figure("R3 live before, without a backlog: p99", "s"),
    Figure("R3 all of it", "s"),
)


def hours() -> float:
    return float(os.environ.get("ANDON_BENCH_OUTAGE_H", "8"))


def conditions() -> str:
    return f"{hours():g} h without the store at {PER_S} messages/s of 120 B, mosquitto, {store.name()}"


def once() -> Sequence[float]:
    return outage(hours())


def outage(away_h: float, more: str = "", *, group: int = _GROUP) -> Sequence[float]:
    """The figures of one outage, in their order. `more`: what else its site.toml says, within its [[sink]]; `group`:
    how many messages the backlog was appended at a time.
    """
    began_s, messages = time.monotonic(), int(away_h * 3600 * PER_S)
    with rig(more) as one:
        with one.andon("collect") as collector:
            collector.wait_ready()
            alone_s, reading_bytes = _alone(one)
        growth_mb = _fill(one, messages, group)
        on_disk_gb = sum(file.stat().st_size for file in one.spool_path.parent.iterdir()) / 1e9
        missing, *drained = _drained(one, messages)
        with Spool.open(one.spool_path) as spool:
            is_exact = books_of(spool, load_site(one.site_path).store_names).is_exact
    kept = (on_disk_gb, messages * reading_bytes / 1e9, growth_mb)
    return missing, 0 if is_exact else 1, messages, *kept, *drained, alone_s, time.monotonic() - began_s


def _alone(one: Rig) -> tuple[float, float]:
    """The live load without a backlog: its p99 from publishing to the store (s), and bytes a reading in the spool."""
    with Spool.open(one.spool_path) as spool:
        before_bytes = spool.size_bytes()
        seen, live = _Seen(one), Load("signal", int(PER_S * _ALONE_S), PER_S).start(one.port)
        while live.poll() is None:
            seen.look()
        published(live)
        seen.look_until_still()
        return quantile(seen.delays_s, 0.99), (spool.size_bytes() - before_bytes) / (PER_S * _ALONE_S)


def _fill(one: Rig, messages: int, group: int) -> float:
    """Appends the backlog in another process; the growth of its memory (MB) once it has warmed up."""
    command = [sys.executable, "-m", "deploy.bench.outage", str(one.site_path), str(messages), str(group)]
    child = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if child.returncode:
        raise NotMeasured("the backlog could not be appended; see what that process said above")
    rss_mb: list[float] = json.loads(child.stdout)
    tenth = _LOOKS // 10
    return statistics.median(rss_mb[-tenth:]) - statistics.median(rss_mb[tenth : 2 * tenth])


def _drained(one: Rig, messages: int) -> Sequence[float]:
    """Missing readings, highest RSS (MB), drain of the arrival rate and per second, live delays (s): p99, median."""
    with Spool.open(one.spool_path) as spool:
        since_offset = spool.log.end()
    earlier = one.store.distinct() or 0
    with one.andon("collect") as collector:
        began_s = time.monotonic()
        collector.wait_ready()
        live = Load("signal", int(PER_S * _DRAIN_MOST_S), PER_S, _DRAIN_MOST_S).start(one.port)
        seen = _Seen(one)
        try:
            with Spool.open(one.spool_path) as spool:
                while not _is_drained(spool, since_offset) and time.monotonic() - began_s < _DRAIN_MOST_S:
                    seen.look()
            drain_s = time.monotonic() - began_s
        finally:
            live.kill()
            live.communicate()
        done = _backlog_stored(one)
        lost = messages - done + _live_logged(one, seen, since_offset) - ((one.store.distinct() or 0) - earlier)
        peak_mb = collector.meter.peak_rss_mb()
    per_s = done / drain_s
    delays_s = seen.delays_s
    return lost, peak_mb, per_s / PER_S, per_s, quantile(delays_s, 0.99), quantile(delays_s, 0.5)


class _Seen:
    """The live readings as a reader of the store sees them: `delays_s` from publishing to the first look that shows."""

    def __init__(self, one: Rig) -> None:
        self._store = one.store
        self._at_ns: set[int] = set()
        self._since_ns = time.time_ns()
        self.delays_s: list[float] = []

    def look(self) -> None:
        where = f"line = '{LINE}' AND cell != '{PROBE}' AND time > {self._since_ns - 5 * NS_PER_S}"
        series = self._store.ask(f"SELECT value FROM reading WHERE {where}")
        seen_ns = time.time_ns()
        new = {int(at_ns) for one in series for at_ns, _ in one["values"]} - self._at_ns
        self.delays_s += [(seen_ns - at_ns) / NS_PER_S for at_ns in new]
        self._at_ns |= new
        self._since_ns = max(self._at_ns, default=self._since_ns)
        time.sleep(0.05)

    def look_until_still(self) -> None:
        still = 0
        while still < _STILL_LOOKS:
            before = len(self.delays_s)
            self.look()
            still = still + 1 if len(self.delays_s) == before else 0


def _is_drained(spool: Spool, last_offset: int) -> bool:
    """Whether the backlog is with the store, as the spool says it: to count it there would load what is measured."""
    reader = reader_of("influx")
    return spool.log.cursor(reader) >= last_offset and not Lanes(spool, reader, Pace(), 0.0).behind()


def _backlog_stored(one: Rig) -> int:
    series = one.store.ask(f"SELECT count(value) FROM reading WHERE line = '{BACKLOG_LINE}'")
    return sum(int(found["values"][0][1]) for found in series)


def _live_logged(one: Rig, seen: _Seen, since_offset: int) -> int:
    """How many readings of the live load are in the log when nothing more comes."""
    seen.look_until_still()
    with Spool.open(one.spool_path) as spool:
        logged: set[float] = set()
        while frames := spool.log.read(since_offset, 200, kinds=(FrameKind.BATCH,)):
            since_offset = frames[-1].offset
            bodies = [frame.body for frame in frames if frame.shard.endswith(f"/{LINE}")]
            logged.update(*(body.value.tolist() for body in bodies if isinstance(body, Batch)))
    return len([value for value in logged if value % 1 == 0.25])


class _Backlog:
    """A Source of the messages of the hours that have just passed, at the speed at which they are taken."""

    def __init__(self, messages: int, group: int, clock: PlantClock, stop: Event) -> None:
        self._messages = messages
        self._group = group
        self._clock = clock
        self._stop = stop
        self._deliveries = self._groups()
        self.rss_mb: list[float] = []

    def receive(self, limit: int, wait_s: float) -> Delivery:
        del limit, wait_s
        group = next(self._deliveries, None)
        if group is None:
            self._stop.set()
        return Delivery(group or [], acknowledge=lambda: None, is_settled=bool(group))

    def close(self) -> None:
        """Holds nothing."""

    def _groups(self) -> Iterator[list[Message]]:
        meter, began_us = Meter(os.getpid()), time.time_ns() // 1000 - self._messages * 1_000_000 // PER_S
        for first in range(0, self._messages, self._group):
            if first >= len(self.rss_mb) * self._messages / _LOOKS:
                self.rss_mb.append(meter.rss_mb())
            group = [_message(number, began_us) for number in range(first, min(first + self._group, self._messages))]
            self._clock.settle(group[-1].received_ns)
            yield group


def _message(number: int, began_us: int) -> Message:
    """Of a sensor: noise in every value, and no two readings at the same distance, for disks feel both."""
    noise = number * 2_654_435_761 % 2**32
    at_us = began_us + number * 1_000_000 // PER_S + noise % 1_000
    payload = _PAYLOAD % (at_us, noise / 1e7)
    return Message(f"signal/{BACKLOG_LINE}/c{number % SIGNAL_CELLS:02d}", payload, at_us * 1000)


def _append_backlog(site_path: Path, messages: int, group: int) -> list[float]:
    """What `andon collect` does with messages, with nobody draining: the store is away. Its memory on the way (MB)."""
    site, clock, counters, stop = load_site(site_path), PlantClock(), Counters(), Event()
    with site.open_spool() as spool:
        retention = Retention(site.spool, counters, detected=site.detects)
        appender = Appender(spool, site.site, clock, int(site.clock.tick_s * NS_PER_S), retention, counters)
        backlog = _Backlog(messages, group, clock, stop)
        ingest(backlog, site.decoder(clock), appender, stop)
    return backlog.rss_mb


if __name__ == "__main__":
    print(json.dumps(_append_backlog(Path(sys.argv[1]), *map(int, sys.argv[2:]))))
