"""Seen: the distance from a reading to the nearest value the series ever had, apart from the last few.

Values count as seen `lag` readings after they came, so that a new level stays new for a while and noise does not hide
behind its own beginning. At most `MOST` values are kept: when there are more, the least distance
between two is doubled, and values nearer than that to another are dropped.

Source: the distance to the nearest neighbour as a measure of novelty (Ramaswamy, Rastogi and Shim, 2000), in one
dimension.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from detectors.detector import NAN

MOST = 512


class Seen(msgspec.Struct):
    """`values` in order; `fresh` are the last readings, oldest first. `apart`: kept values are at least this far."""

    values: list[float] = []
    fresh: list[float] = []
    apart: float = 0.0


class Distances(NamedTuple):
    """Of each reading: how far the nearest value seen was, NaN before any is; then the least and largest one seen."""

    apart: list[float]
    lowest: list[float]
    highest: list[float]


def distances(seen: Seen, readings: Sequence[float], lag: int) -> Distances:
    """Takes in readings one after the other."""
    said = Distances([], [], [])
    values, fresh = seen.values, [*seen.fresh, *readings]
    first = len(seen.fresh) - lag  # of `fresh`: the one that counts as seen with the first reading
    for i, value in enumerate(readings, first):
        said.apart.append(nearest(values, value) if values else NAN)
        if i >= 0:
            old = fresh[i]
            place = bisect_left(values, old)
            if not _is_near(values, place, old, seen.apart):
                values.insert(place, old)
                if len(values) > MOST:
                    _thin_out(seen)
                    values = seen.values
        said.lowest.append(values[0] if values else NAN)
        said.highest.append(values[-1] if values else NAN)
    seen.fresh = fresh[-lag:]
    return said


def distance(seen: Seen, value: float) -> float:
    """How far the nearest value seen is; NaN before any is."""
    return nearest(seen.values, value) if seen.values else NAN


def nearest(ordered: list[float], value: float) -> float:
    """The distance from a value to the nearest of some that are in order; there is at least one."""
    place = bisect_left(ordered, value)
    if place == 0:
        return ordered[0] - value
    if place == len(ordered):
        return value - ordered[-1]
    below, above = value - ordered[place - 1], ordered[place] - value
    return below if below < above else above


def _is_near(values: Sequence[float], place: int, value: float, apart: float) -> bool:
    """Whether a value that belongs at a place is no farther than that from one of its neighbours."""
    if place < len(values) and values[place] - value <= apart:
        return True
    return place > 0 and value - values[place - 1] <= apart


def _thin_out(seen: Seen) -> None:
    """Keeps the lowest value and every next that is far enough from the one kept before."""
    span = seen.values[-1] - seen.values[0]
    seen.apart = max(2.0 * seen.apart, span / (2.0 * MOST))
    kept = seen.values[:1]
    for value in seen.values:
        if value - kept[-1] > seen.apart:
            kept.append(value)
    seen.values = kept
