"""How far everybody is behind, and what the spool takes: measured on the spool itself, whoever writes it.

Input: an open spool. Output: gauges for a process's counters, and what `andon status` shows. A lag is the age of the
oldest entry somebody has not dealt with: now minus when it was received, so a wrong source time changes nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from threading import Event
from typing import NamedTuple

from collector.clocks.clock import Clock
from collector.health.counters import Counters
from collector.lanes import Lanes, Pace
from collector.patience import patiently
from collector.readings import NS_PER_S, Batch
from collector.spool.frames import Frame
from collector.spool.log import INPUTS
from collector.spool.spool import Spool

EVERY_S = 5.0
SINK = "sink:"  # how the cursors of stores are called (`collector.pump.reader_of`)


class Behind(NamedTuple):
    """How far a reader of the log is behind: frames left, and when the oldest of them was received (0: none left)."""

    frames: int = 0
    oldest_ns: int = 0

    def lag_s(self, now_ns: int) -> float:
        return max(0.0, (now_ns - self.oldest_ns) / NS_PER_S) if self.oldest_ns else 0.0


class Room(NamedTuple):
    """What the spool takes, and what is free on its disk."""

    spool_bytes: int
    disk_free_bytes: int


def sink_behind(spool: Spool, name: str) -> Behind:
    """How far a store is behind, its backlog beside the live lane included."""
    reader = SINK + name
    stretches = Lanes(spool, reader, Pace(), 0.0).behind()
    cursor, end = spool.log.cursor(reader), spool.log.end()
    first = min((stretch.after for stretch in stretches), default=cursor)
    waiting = spool.log.read(first, 1)
    if not waiting:
        return Behind()
    lane = [(max(after, waiting[0].offset - 1), last) for after, last in (*stretches, (cursor, end))]
    return Behind(sum(max(0, last - after) for after, last in lane), _received_ns(waiting[0]))


def line_behind(spool: Spool, line: str) -> Behind:
    """How far the detectors of a line are behind. `frames` counts those of all lines."""
    waiting = spool.log.read(spool.states.load(line).offset, 1, shard=line, kinds=INPUTS)
    return Behind(spool.log.end() - waiting[0].offset + 1, _received_ns(waiting[0])) if waiting else Behind()


def room(spool: Spool) -> Room:
    return Room(spool.size_bytes(), shutil.disk_usage(spool.path.parent).free)


def survey_sinks(spool: Spool, names: Iterable[str], counters: Counters, now_ns: int) -> None:
    """Says how far each store is behind, how much is undelivered, and what the spool takes."""
    behind = {name: sink_behind(spool, name) for name in names}
    counters.replace("sink_lag_s", {f"sink_lag_s/{name}": one.lag_s(now_ns) for name, one in behind.items()})
    counters.replace("sink_lag_frames", {f"sink_lag_frames/{name}": one.frames for name, one in behind.items()})
    counters.set("oldest_undelivered_s", max((one.lag_s(now_ns) for one in behind.values()), default=0.0))
    counters.set("spool_depth", max((one.frames for one in behind.values()), default=0))
    taken = room(spool)
    counters.set("spool_bytes", taken.spool_bytes)
    counters.set("disk_free_bytes", taken.disk_free_bytes)
    counters.set("dead_letters", spool.dead.count())


def survey_detection(spool: Spool, counters: Counters, now_ns: int) -> None:
    """Says how far the detectors of each line are behind."""
    lags = {line: line_behind(spool, line).lag_s(now_ns) for line in spool.log.lines()}
    counters.replace("detection_lag_s", {f"detection_lag_s/{line}": lag_s for line, lag_s in lags.items()})


def keep_surveying(
    spool: Spool, sinks: Sequence[str] | None, counters: Counters, clock: Clock, stop: Event, every_s: float = EVERY_S
) -> None:
    """Surveys the stores, or with None the detectors, every few seconds until told to stop."""
    while not stop.is_set():
        patiently(lambda: _survey(spool, sinks, counters, clock.now_ns()), "survey", counters, stop)
        stop.wait(every_s)


def _survey(spool: Spool, sinks: Sequence[str] | None, counters: Counters, now_ns: int) -> bool:
    if sinks is None:
        survey_detection(spool, counters, now_ns)
    else:
        survey_sinks(spool, sinks, counters, now_ns)
    return True


def _received_ns(frame: Frame) -> int:
    """When the site had the frame: the receipt of its first reading; of what was said here, its own time."""
    if isinstance(frame.body, Batch):
        return int(frame.body.received_ns[0]) or frame.at_ns
    return frame.at_ns
