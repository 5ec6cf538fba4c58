"""The collector's own counters, kept per process and written into the log as readings of the line `_self`.

Every failure has a name and a counter here; one log line per change of state, none while healthy.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from threading import Lock

from collector.config import Site
from collector.readings import NS_PER_S, Equipment, Kind, Reading, Series
from collector.schema import SELF_LINE

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counters:
    """Counts since start, as readings every `report_every_s` (None: never). Locked: sinks and ingest both count."""

    report_every_s: float | None = 30.0

    counts: dict[str, int] = field(default_factory=dict)
    gauges: dict[str, int] = field(default_factory=dict)
    _due_ns: int = 0
    _down: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def add(self, name: str, amount: int = 1) -> None:
        with self._lock:
            self.counts[name] = self.counts.get(name, 0) + amount

    def set(self, name: str, value: int) -> None:
        """A gauge beside the counters, such as whether the broker is connected."""
        with self._lock:
            self.gauges[name] = value

    def stored(self, messages: int, readings: int, dead: int, gaps: int) -> None:
        self.add("messages_stored", messages)
        self.add("readings_stored", readings)
        self.add("dead_lettered", dead)
        self.add("gaps_found", gaps)

    def evicted(self, what: str, amount: int) -> None:
        """Counts what a full spool dropped before everybody had read it."""
        self.add(f"{what}_evicted", amount)
        if self._fails(f"{what} evicted"):
            log.warning("spool.evicting what=%s; see the ledger", what)

    def held_up(self, who: str, reason: str) -> None:
        self.add(f"{who}_held_up")
        if self._fails(who):
            log.error("%s.waits reason=%r", who, reason)

    def goes_on(self, who: str) -> None:
        if self._recovers(who):
            log.warning("%s.goes_on", who)

    def sink_down(self, name: str, reason: str) -> None:
        self.add("sink_unavailable")
        if self._fails(f"store {name}"):
            log.warning("sink.unavailable sink=%s reason=%r", name, reason)

    def sink_up(self, name: str, rows: int) -> None:
        self.add("rows_delivered", rows)
        if self._recovers(f"store {name}"):
            log.warning("sink.available sink=%s", name)

    def due(self, site: Site, now_ns: int) -> list[Reading]:
        """Every counter as one reading at `now_ns` when it is time again, else nothing."""
        if self.report_every_s is None or now_ns < self._due_ns:
            return []
        self._due_ns = now_ns + int(self.report_every_s * NS_PER_S)
        return self._readings(site, now_ns)

    def _readings(self, site: Site, at_ns: int) -> list[Reading]:
        place = Equipment(site.enterprise, site.name, line=SELF_LINE, cell="collector")
        with self._lock:
            counted = [(name, Kind.COUNTER, value) for name, value in sorted(self.counts.items())]
            counted += [(name, Kind.GAUGE, value) for name, value in sorted(self.gauges.items())]
        return [Reading(Series(place, name, kind=kind), at_ns, float(value)) for name, kind, value in counted]

    def _fails(self, what: str) -> bool:
        """True the first time since it last worked."""
        with self._lock:
            first = what not in self._down
            self._down.add(what)
            return first

    def _recovers(self, what: str) -> bool:
        with self._lock:
            was_down = what in self._down
            self._down.discard(what)
            return was_down
