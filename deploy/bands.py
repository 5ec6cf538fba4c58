"""What methods expected of a subject and what they judged, over time, as a spool keeps it (`expected`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector import schema
from collector.readings import NS_PER_S
from collector.spool.frames import FrameKind, Record
from collector.spool.spool import Spool
from detectors.alerts import Alert
from detectors.scorecard import rule_of

_AT_ONCE = 500
NUMBERS = ("value", "low", "mid", "high", "score")
Column = NDArray[np.float64]


class Band(NamedTuple):
    """Columns of one length in order of time; `at` in epoch seconds, NaN where a method gave no such number."""

    at: Column
    value: Column
    low: Column
    mid: Column
    high: Column
    score: Column

    def between(self, start: float, end: float) -> Band:
        """The points of a stretch."""
        within = (self.at >= start) & (self.at <= end)
        return Band(*(column[within] for column in self))


def band_key(alert: Alert) -> str:
    """Under which the band of an alert's series is kept."""
    return f"{rule_of(alert)}|{alert.series}"


def bands_in(spool: Spool, wanted: Iterable[str]) -> dict[str, Band]:
    """The bands of these keys, as far back as the log goes."""
    rows: dict[str, list[tuple[float, ...]]] = {key: [] for key in wanted}
    for record in records_in(spool, schema.EXPECTED.name):
        if record.key in rows:
            numbers = (float(record.fields.get(name, np.nan)) for name in NUMBERS)
            rows[record.key].append((record.at_ns / NS_PER_S, *numbers))
    return {key: _band(own) for key, own in rows.items() if own}


def records_in(spool: Spool, measurement: str) -> Iterator[Record]:
    """Every record of a measurement that the log holds, in the order in which they were said."""
    after = 0
    while frames := spool.log.read(after, _AT_ONCE, kinds=(FrameKind.RECORD,)):
        after = frames[-1].offset
        bodies = (frame.body for frame in frames)
        yield from (body for body in bodies if isinstance(body, Record) and body.measurement == measurement)


def _band(rows: list[tuple[float, ...]]) -> Band:
    columns = np.array(sorted(rows, key=lambda row: row[0])).T
    return Band(*columns)
