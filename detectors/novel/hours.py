"""Hours: the distance from a reading to the nearest one that came in the same hour of the day.

Each of the 24 hours keeps its last `MOST` readings, one in four minutes at most, so that it remembers days and not the
last minutes of a fast series. Values are kept in single precision.

Source: the distance to the nearest neighbour (Ramaswamy, Rastogi and Shim, 2000) within the same context (Song et al.,
Conditional Anomaly Detection, 2007).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort

import msgspec

from collector.readings import NS_PER_S
from detectors.detector import NAN
from detectors.novel.seen import nearest

MOST = 120
_FEWEST = 3
_HOUR_NS = 3600 * NS_PER_S
_APART_NS = 240 * NS_PER_S
_SINGLE = "f"
_SINGLE_BYTES = 4
_LARGEST = 3.4e38  # of single precision


class Hours(msgspec.Struct):
    """`values` by hour, each float32[up to MOST], the oldest first; `here` are those of the present hour in order."""

    values: list[bytearray] = msgspec.field(default_factory=lambda: [bytearray() for _ in range(24)])
    hour: int = -1
    here: list[float] = []
    learned_ns: int = 0


def distance(hours: Hours, at_ns: int, value: float) -> float:
    """Takes in a reading; how far the nearest one of this hour was, NaN while there are too few."""
    hour = at_ns // _HOUR_NS % 24
    if hour != hours.hour:
        hours.hour, hours.here = hour, sorted(_unpacked(hours.values[hour]))
    (single,) = array(_SINGLE, (min(max(value, -_LARGEST), _LARGEST),))
    apart = nearest(hours.here, single) if len(hours.here) >= _FEWEST else NAN
    if at_ns - hours.learned_ns >= _APART_NS:
        hours.learned_ns = at_ns
        _learn(hours, single)
    return apart


def _learn(hours: Hours, single: float) -> None:
    there, here = hours.values[hours.hour], hours.here
    if len(here) >= MOST:
        (oldest,) = _unpacked(there[:_SINGLE_BYTES])
        del there[:_SINGLE_BYTES]
        del here[bisect_left(here, oldest)]
    there += array(_SINGLE, (single,)).tobytes()
    insort(here, single)


def _unpacked(there: bytearray) -> array[float]:
    values: array[float] = array(_SINGLE)
    values.frombytes(there)
    return values
