"""The own counters of one process, and what is wrong with it now.

Input: every component counts here. Output: readings of the line `_self` under the process's name as cell, which
`collector.pump` or `report` puts into the log; `/metrics` and `/healthz` (`collector.health.server`).

Every failure has a name and a counter here; one log line per change of state, none while healthy. A name may end in
`/` and whom it is about: `rows_delivered/influx`, `detection_lag_s/site/line`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

import numpy as np

from collector.config import Site
from collector.readings import NS_PER_S, Batch, Equipment, Kind, Quality, Reading, Series
from collector.schema import SELF_LINE
from collector.spool.frames import batch_frame
from collector.spool.spool import Spool

log = logging.getLogger(__name__)

Gauges = Mapping[str, float]


class Trouble(NamedTuple):
    """What does not work, why as far as it is known, and for how long."""

    what: str
    reason: str
    for_s: float


class Held(NamedTuple):
    """A gauge's value, since when it has had it, and when it was last said (monotonic s)."""

    value: float
    since_s: float
    said_s: float


@dataclass(slots=True)
class Counters:
    """Counts since start, as readings every `report_every_s` (None: never). Locked: all threads of a process count."""

    report_every_s: float | None = 30.0
    process: str = "collector"
    monotonic_s: Callable[[], float] = time.monotonic

    counts: dict[str, int] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)
    _held: dict[str, Held] = field(default_factory=dict)
    _asked: list[Callable[[], Gauges]] = field(default_factory=list)
    _troubles: dict[str, tuple[str, float]] = field(default_factory=dict)
    _evicting: dict[str, int] = field(default_factory=dict)
    _due_ns: int = 0
    _lock: Lock = field(default_factory=Lock)

    def add(self, name: str, amount: int = 1) -> None:
        with self._lock:
            self.counts[name] = self.counts.get(name, 0) + amount

    def set(self, name: str, value: float) -> None:
        """A gauge beside the counters, such as whether the broker is connected."""
        now_s = self.monotonic_s()
        with self._lock:
            before = self._held.get(name)
            since_s = before.since_s if before and before.value == value else now_s
            self._held[name] = Held(value, since_s, now_s)
            self.gauges[name] = value

    def replace(self, family: str, values: Gauges) -> None:
        """Sets all gauges of a family, `family/...`, and drops those no longer named."""
        with self._lock:
            for gone in [name for name in self.gauges if name.startswith(f"{family}/") and name not in values]:
                del self.gauges[gone], self._held[gone]
        for name, value in values.items():
            self.set(name, value)

    def ask(self, source: Callable[[], Gauges]) -> None:
        """Has `source` say its gauges whenever a report is due, in the thread that calls `due`."""
        self._asked.append(source)

    def held(self, name: str) -> Held | None:
        """A gauge and since when it stands there; None when nobody set it yet."""
        with self._lock:
            return self._held.get(name)

    def stored(self, messages: int, readings: int, dead: int, gaps: int) -> None:
        self.add("messages_stored", messages)
        self.add("readings_stored", readings)
        self.add("dead_lettered", dead)
        self.add("gaps_found", gaps)

    def evicted(self, what: str, amount: int) -> None:
        """Counts what a full spool dropped before everybody had read it."""
        self.add(f"{what}_evicted", amount)
        if self._fails(f"{what} evicted", "the spool is full"):
            log.warning("spool.evicting what=%s; see the ledger", what)

    def held_up(self, who: str, reason: str) -> None:
        self.add(f"{who}_held_up")
        if self._fails(who, reason):
            log.error("%s.waits reason=%r", who, reason)

    def goes_on(self, who: str) -> None:
        if self._recovers(who):
            log.warning("%s.goes_on", who)

    def sink_down(self, name: str, reason: str) -> None:
        self.add(f"sink_unavailable/{name}")
        if self._fails(f"sink {name}", reason):
            log.warning("sink.unavailable sink=%s reason=%r", name, reason)

    def sink_up(self, name: str, rows: int) -> None:
        self.add(f"rows_delivered/{name}", rows)
        if self._recovers(f"sink {name}"):
            log.warning("sink.available sink=%s", name)

    def troubles(self) -> list[Trouble]:
        """What does not work now, the longest standing first."""
        now_s = self.monotonic_s()
        with self._lock:
            standing = [Trouble(what, reason, now_s - since_s) for what, (reason, since_s) in self._troubles.items()]
        return sorted(standing, key=lambda one: -one.for_s)

    def totals(self) -> tuple[dict[str, int], dict[str, float]]:
        """Counts and gauges as they stand, for another thread to read."""
        with self._lock:
            return dict(self.counts), dict(self.gauges)

    def due(self, site: Site, now_ns: int) -> list[Reading]:
        """Every counter as one reading at `now_ns` when it is time again, else nothing."""
        if self.report_every_s is None or now_ns < self._due_ns <= now_ns + 2 * int(self.report_every_s * NS_PER_S):
            return []
        self._due_ns = now_ns + int(self.report_every_s * NS_PER_S)
        self._evicts_no_more()
        for source in self._asked:
            for name, value in source().items():
                self.set(name, value)
        return self._readings(site, now_ns)

    def _readings(self, site: Site, at_ns: int) -> list[Reading]:
        place = Equipment(site.enterprise, site.name, line=SELF_LINE, cell=self.process)
        counts, gauges = self.totals()
        told = [(name, Kind.COUNTER, float(value)) for name, value in sorted(counts.items())]
        told += [(name, Kind.GAUGE, float(value)) for name, value in sorted(gauges.items())]
        return [Reading(Series(place, name, kind=kind), at_ns, value) for name, kind, value in told]

    def _evicts_no_more(self) -> None:
        """What was not evicted since the last report is no longer being evicted."""
        for what in [one for one in self._troubles if one.endswith(" evicted")]:
            name = what.replace(" ", "_")
            if self._evicting.get(name) == self.counts.get(name):
                self._recovers(what)
                log.warning("spool.evicts_no_more what=%s", what.removesuffix(" evicted"))
            self._evicting[name] = self.counts.get(name, 0)

    def _fails(self, what: str, reason: str) -> bool:
        """True the first time since it last worked."""
        with self._lock:
            _, since_s = self._troubles.get(what, ("", -1.0))
            self._troubles[what] = (reason, self.monotonic_s() if since_s < 0 else since_s)
            return since_s < 0

    def _recovers(self, what: str) -> bool:
        with self._lock:
            return self._troubles.pop(what, None) is not None


def report(counters: Counters, site: Site, spool: Spool, now_ns: int) -> int:
    """Puts a process's counters into the log when they are due, for processes that append nothing else.

    Returns how many readings that were. Raises SpoolFull or SpoolBusy; what was due then is left out.
    """
    readings = counters.due(site, now_ns)
    if readings:
        with spool.transaction():
            series = np.array([spool.series.id_of(one.series) for one in readings], np.int32)
            at_ns = np.full(len(readings), now_ns, np.int64)
            value = np.array([one.value for one in readings], np.float64)
            quality = np.full(len(readings), Quality.GOOD, np.uint8)
            shard = readings[0].series.equipment.shard
            spool.log.append([batch_frame(shard, Batch(series, at_ns, value, quality, at_ns))])
    return len(readings)
