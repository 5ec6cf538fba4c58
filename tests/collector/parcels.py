"""Parcels of readings for tests of sinks, and what any store must hold of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from collector.readings import NS_PER_S, Batch, Equipment, Kind, Series
from collector.sinks.sink import Parcel
from collector.spool.frames import Frame, batch_frame
from tests.collector.batches import batch

START_NS = 1_700_000_000_000_000_000
CELL = Equipment("iot1", "rig", "", "bottling", "scale")
SERIES = {1: Series(CELL, "weight", "g"), 2: Series(CELL, "cracked", "1", Kind.STATE, ("whole", "cracked"))}
HOUR_NS = 3_600 * NS_PER_S
BEGIN_NS = 1_790_000_000 * NS_PER_S // HOUR_NS * HOUR_NS  # of an hour
LOG = "5eed5eed5eed5eed"
_ROW = re.compile(rb"reading,(?:[^ ]*,)?metric=([^ ,]+)[^ ]* value=([^ ,]+)[^ ]* (-?\d+)")


class Point(NamedTuple):
    metric: str
    at_ns: int
    value: float


def frame(offset: int, readings: int = 2, *, start_ns: int = START_NS) -> Frame:
    """A frame of the line `rig/bottling` with readings in turn of both series; its times follow from its offset."""
    times = range(start_ns + offset * 1_000, start_ns + offset * 1_000 + readings)
    rows = [(1 + i % 2, at_ns, float(i % 2), 0, at_ns + 500) for i, at_ns in enumerate(times)]
    return batch_frame("rig/bottling", batch(*rows))._replace(offset=offset)


def at_hour(hour: int, offset: int, readings: int = 4) -> Frame:
    """A frame whose times are in the hour counted from BEGIN_NS."""
    return frame(offset, readings, start_ns=BEGIN_NS + hour * HOUR_NS)


def parcel(frames: Sequence[Frame], *, log: str = LOG, settled: int | None = None) -> Parcel:
    """A parcel in the order of the log: all before it has been delivered."""
    before = frames[0].offset - 1 if frames else 0
    return Parcel(frames, SERIES, log=log, settled=before if settled is None else settled)


def of_rows(rows: Sequence[bytes], frames: Sequence[Frame] = ()) -> Parcel:
    """A parcel that makes just these rows."""
    made = parcel(frames or [frame(1, len(rows))])
    made.body = b"\n".join(rows)
    return made


def points(parcels: Iterable[Parcel]) -> list[Point]:
    """What a store must hold, in order."""
    bodies = [one.body for each in parcels for one in each.frames if isinstance(one.body, Batch)]
    return [
        Point(SERIES[id_].metric, at_ns, value)
        for body in bodies
        for id_, at_ns, value in zip(body.series.tolist(), body.at_ns.tolist(), body.value.tolist(), strict=True)
    ]


def point(row: bytes) -> Point:
    """The point of a row of line protocol."""
    match = _ROW.fullmatch(row)
    assert match is not None, row
    return Point(match[1].decode(), int(match[3]), float(match[2]))
