"""Hours: the distance from a reading to the nearest one that came in the same hour of the day.

Each of the 24 hours keeps its last `MOST` readings, one in four minutes at most, so that it remembers days and not the
last minutes of a fast series. Values are kept in single precision.

Source: the distance to the nearest neighbour (Ramaswamy, Rastogi and Shim, 2000) within the same context (Song et al.,
Conditional Anomaly Detection, 2007).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Sequence
from struct import Struct

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S
from detectors.detector import NAN
from detectors.novel.seen import nearest

MOST = 120
_FEWEST = 3
_HOUR_NS = 3600 * NS_PER_S
_APART_NS = 240 * NS_PER_S
_SINGLE = Struct("f")
_LARGEST = 3.4e38  # of single precision


class Hours(msgspec.Struct):
    """`values` by hour, each float32[up to MOST], the oldest first; `here` are those of the present hour in order."""

    values: list[bytearray] = msgspec.field(default_factory=lambda: [bytearray() for _ in range(24)])
    hour: int = -1
    here: list[float] = []
    learned_ns: int = 0


def distances(hours: Hours, at_ns: Sequence[int], readings: NDArray[np.float64]) -> list[float]:
    """Takes in readings one by one; how far the nearest of the same hour was, NaN while there are too few."""
    said = []
    singles: list[float] = np.clip(readings, -_LARGEST, _LARGEST).astype(np.float32).tolist()
    here, learned_ns, ends_ns = hours.here, hours.learned_ns, 0
    for now_ns, single in zip(at_ns, singles, strict=True):
        if now_ns >= ends_ns:
            ends_ns = (now_ns // _HOUR_NS + 1) * _HOUR_NS
            here = _enter(hours, now_ns // _HOUR_NS % 24)
        said.append(nearest(here, single) if len(here) >= _FEWEST else NAN)
        if now_ns - learned_ns >= _APART_NS:
            learned_ns = now_ns
            _learn(hours.values[hours.hour], here, single)
    hours.learned_ns = learned_ns
    return said


def _enter(hours: Hours, hour: int) -> list[float]:
    """The readings of an hour of the day in order of size."""
    if hour != hours.hour:
        there: array[float] = array(_SINGLE.format)
        there.frombytes(hours.values[hour])
        hours.hour, hours.here = hour, sorted(there)
    return hours.here


def _learn(there: bytearray, here: list[float], single: float) -> None:
    if len(here) >= MOST:
        (oldest,) = _SINGLE.unpack_from(there)
        del there[: _SINGLE.size]
        del here[bisect_left(here, oldest)]
    there += _SINGLE.pack(single)
    insort(here, single)
