"""What one series did over hours and days, from history: at most CELLS stretches, ready to be drawn.

Input: the query of `/history`. Output: a `Past`, one row for every stretch of the window; None where nothing is known.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.errors import AndonError
from collector.readings import NS_PER_S, Kind
from collector.spool.history.history import Missing
from collector.spool.history.rollup import Rollup, coarser
from collector.spool.spool import Spool
from dashboards.live.window import CELLS

_DAY_S = 86_400.0
Column = tuple[float | None, ...]


class UnknownSeries(AndonError):
    """No series of this name has ever sent a reading."""


class PastQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_s": "from", "to_s": "to"}):
    """`series` by its name (`site/area/line/cell:metric`); UTC seconds; by default the last day of the site's clock."""

    series: str
    from_s: float | None = None
    to_s: float | None = None
    span_s: Annotated[float, msgspec.Meta(ge=60, le=366 * _DAY_S)] = _DAY_S


class Past(msgspec.Struct, frozen=True):
    """`mean`, `low`, `high` of the good readings of each stretch; `per_h`: what a counter rose by, per hour.

    `missing`: stretches of history that are damaged, as (from, to, readings).
    """

    series: str
    unit: str
    every_s: int
    window_s: tuple[float, float]
    at_s: tuple[int, ...]
    mean: Column
    low: Column
    high: Column
    per_h: Column
    missing: tuple[tuple[float, float, int], ...]


def past(spool: Spool, query: PastQuery) -> Past:
    """Answers a query. Raises UnknownSeries, ValueError for a window that is none, SpoolError."""
    known = {given: series for given, series in spool.series.items() if series.name == query.series}
    if not known:
        raise UnknownSeries(f"no series {query.series!r} has sent a reading; see the names at /state.json")
    from_ns, to_ns = _window_ns(query, spool.log.clock_ns())
    every_s = 60 * max(1, math.ceil((to_ns - from_ns) / NS_PER_S / CELLS / 60))
    answers = [spool.history.means(given, from_ns, to_ns, every_s) for given in known]
    newest = known[max(known)]
    rows = coarser([rolled for rolled, _ in answers], every_s * NS_PER_S)
    at_ns = np.arange(from_ns // (every_s * NS_PER_S), -(-to_ns // (every_s * NS_PER_S))) * every_s * NS_PER_S
    place = np.searchsorted(at_ns, rows.at_ns)

    def over(column: NDArray[np.float64]) -> Column:
        whole = np.full(len(at_ns), np.nan)
        whole[place] = column
        return tuple(None if math.isnan(value) else value for value in whole.tolist())

    return Past(
        series=newest.name,
        unit=newest.unit,
        every_s=every_s,
        window_s=(from_ns / NS_PER_S, to_ns / NS_PER_S),
        at_s=tuple((at_ns // NS_PER_S).tolist()),
        mean=over(rows.mean),
        low=over(rows.low),
        high=over(rows.high),
        per_h=over(per_hour(rows, to_ns, every_s * NS_PER_S)) if newest.kind is Kind.COUNTER else (),
        missing=tuple(map(_told, (lost for _, missing in answers for lost in missing))),
    )


def per_hour(rows: Rollup, to_ns: int, every_ns: int) -> NDArray[np.float64]:
    """How fast a counter rose since the stretch before; after a fall it has begun again at 0.

    NaN for the first stretch, and for one that is not over at `to_ns`.
    """
    rise = np.diff(rows.last)
    rise = np.where(rise < 0, rows.last[1:], rise)
    rates = np.concatenate(([np.nan] * min(1, len(rows)), rise * 3600 * NS_PER_S / np.diff(rows.at_ns)))
    return np.where(rows.at_ns + every_ns > to_ns, np.nan, rates)


def _window_ns(query: PastQuery, clock_ns: int) -> tuple[int, int]:
    to_ns = clock_ns if query.to_s is None else _ns(query.to_s)
    from_ns = to_ns - _ns(query.span_s) if query.from_s is None else _ns(query.from_s)
    if not 0 <= from_ns < to_ns or to_ns - from_ns > _ns(366 * _DAY_S):
        raise ValueError("`from` is not before `to`, or more than a year before it")
    return from_ns, to_ns


def _ns(at_s: float) -> int:
    if not abs(at_s) < 9e9:
        raise ValueError("`from` and `to` are UTC seconds since 1970")
    return int(at_s * NS_PER_S)


def _told(lost: Missing) -> tuple[float, float, int]:
    return lost.from_ns / NS_PER_S, lost.to_ns / NS_PER_S, lost.readings
