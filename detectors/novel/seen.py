"""Seen: the distance from a reading to the nearest value the series ever had, apart from the last few.

Values count as seen `lag` readings after they came, so that a new level stays new for a while and noise does not hide
behind its own beginning. At most `MOST` values are kept: when there are more, the least distance
between two is doubled, and values nearer than that to another are dropped.

Source: the distance to the nearest neighbour as a measure of novelty (Ramaswamy, Rastogi and Shim, 2000), in one
dimension.
"""

from __future__ import annotations

from bisect import bisect_left

import msgspec

from detectors.detector import NAN

MOST = 512


class Seen(msgspec.Struct):
    """`values` in order; `fresh` are the last readings, oldest first. `apart`: kept values are at least this far."""

    values: list[float] = []
    fresh: list[float] = []
    apart: float = 0.0


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
    return min(value - ordered[place - 1], ordered[place] - value)


def learn(seen: Seen, value: float, lag: int) -> None:
    fresh = seen.fresh
    fresh.append(value)
    if len(fresh) <= lag:
        return
    old = fresh.pop(0)
    values = seen.values
    if values and distance(seen, old) <= seen.apart:
        return
    values.insert(bisect_left(values, old), old)
    if len(values) > MOST:
        _thin_out(seen)


def _thin_out(seen: Seen) -> None:
    """Keeps the lowest value and every next that is far enough from the one kept before."""
    span = seen.values[-1] - seen.values[0]
    seen.apart = max(2.0 * seen.apart, span / (2.0 * MOST))
    kept = seen.values[:1]
    for value in seen.values:
        if value - kept[-1] > seen.apart:
            kept.append(value)
    seen.values = kept
