"""The board's memory of one line: when it was heard, its outputs against their bands, its stocks.

Input: batches and `expected` records of that line, in log order. Output: LineViews and StockViews at an instant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from collector.readings import NS_PER_S, Batch, Kind, Quality, Series
from collector.spool.frames import Record
from dashboards.live.state import LineState, LineView, Output, StockView, Trend
from dashboards.live.strip import state_of, strip
from dashboards.live.window import CELLS, Presence, Span, Track
from detectors.alerts import Alert
from detectors.calendar import Calendar

STOCK_STALE_AFTER_NS = 600 * NS_PER_S  # a stock unheard for longer is not known, and neither is when it runs empty
_BAND = ("value", "low", "mid", "high")
_JUDGED = (*_BAND, "score")
_SHORTEST_NS = 600 * NS_PER_S  # the strip of a line just met covers at least this


class StockMemory:
    """One stock: what is on hand, now and lately."""

    def __init__(self, series: Series, window_s: float) -> None:
        self.series = series
        self.last_ns = 0
        self.on_hand = 0.0
        self._track = Track(window_s)

    def stood(self, at_ns: int, on_hand: float) -> None:
        if at_ns < self.last_ns:
            return
        self.last_ns, self.on_hand = at_ns, on_hand
        self._track.add(at_ns, (on_hand,))

    def view(self, now_ns: int, from_ns: int, estimate: Record | None, shortage: Alert | None) -> StockView:
        """How it stands, by the shortage method's latest `estimate` and the `shortage` alert on it, if any."""
        history = tuple((at_ns // NS_PER_S, row[0]) for at_ns, row in self._track.since(from_ns))
        silent = not self.series.on_event and now_ns - self.last_ns > STOCK_STALE_AFTER_NS
        early_s, empty_s, late_s = _empty_s(estimate, now_ns) if not silent else (None, None, None)
        return StockView(
            series=self.series.name,
            line=self.series.equipment.shard,
            unit=self.series.unit,
            on_hand=self.on_hand,
            most=max([self.on_hand, *(amount for _, amount in history)]),
            at_ns=self.last_ns,
            silent=silent,
            empty_early_s=early_s,
            empty_s=empty_s,
            empty_late_s=late_s,
            level=shortage.severity if shortage else None,
            history=history,
        )


class LineMemory:
    """What the board knows of one line (`shard`, `site/line`)."""

    def __init__(self, shard: str, window_s: float) -> None:
        self.shard = shard
        self.presence = Presence()
        self._estimates: dict[str, Record] = {}
        self._stocks: dict[str, StockMemory] = {}
        self._window_s = window_s
        self._outputs: dict[str, Track] = {}
        self._latest: dict[str, Record] = {}

    def took(self, batch: Batch, catalog: Mapping[int, Series]) -> None:
        """Takes in readings; only good ones count, as a sign of life too."""
        batch = batch.take((batch.quality == Quality.GOOD) & np.isfinite(batch.value))
        self.presence.heard(batch.at_ns)
        for given in np.unique(batch.series):
            series = catalog[int(given)]
            if series.kind is Kind.STOCK:
                self._stood(series, batch.take(batch.series == given))

    def judged(self, record: Record) -> None:
        """Takes in an `expected` record of the output_drop method."""
        self.recalled(record)
        self._outputs[record.tags["metric"]].add(record.at_ns, tuple(_or_nan(number(record, name)) for name in _JUDGED))

    def recalled(self, record: Record) -> None:
        """Takes in the latest such record alone, before those that led to it."""
        metric = record.tags["metric"]
        self._outputs.setdefault(metric, Track(self._window_s))
        if metric not in self._latest or record.at_ns >= self._latest[metric].at_ns:
            self._latest[metric] = record

    def estimated(self, series: str, record: Record) -> None:
        """Takes in an `expected` record of the shortage method."""
        if series not in self._estimates or record.at_ns >= self._estimates[series].at_ns:
            self._estimates[series] = record

    def views(
        self, now_ns: int, from_ns: int, calendar: Calendar, stops: Mapping[str, Sequence[Span]]
    ) -> list[LineView]:
        """One view per output, or one without output. `stops`: by view key, when an output_drop alert stood."""
        line = self.shard.partition("/")[2]
        planned = partial(calendar.planned_stop, line)
        window = Span(self._window_from(now_ns, from_ns), now_ns)
        metrics = sorted(self._outputs) or [""]
        return [self._view(metric, window, stops.get(f"{self.shard}|{metric}", ()), planned) for metric in metrics]

    def stock_views(self, now_ns: int, from_ns: int, shortages: Mapping[str, Alert]) -> list[StockView]:
        return [
            stock.view(now_ns, from_ns, self._estimates.get(name), shortages.get(name))
            for name, stock in self._stocks.items()
        ]

    def _view(self, metric: str, window: Span, stops: Sequence[Span], planned: partial[str | None]) -> LineView:
        rows = self._outputs[metric].since(window.from_ns) if metric else []
        outputs = [(at_ns, state_of(row[0], row[-1])) for at_ns, row in rows]
        gaps = self.presence.gaps(window.to_ns)
        segments = strip(outputs, gaps, stops, planned, window)
        judged = self._latest.get(metric)
        return LineView(
            key=f"{self.shard}|{metric}",
            line=self.shard,
            metric=metric,
            series=judged.key.partition("|")[2] if judged else "",
            state=segments[-1].state if segments else LineState.LEARNING,
            since_ns=segments[-1].from_ns if segments else window.to_ns,
            output=_output(judged),
            trend=_trend(rows, gaps),
            strip=segments,
        )

    def _window_from(self, now_ns: int, from_ns: int) -> int:
        """The window's start, later when the line is younger; on whole cells, so that strips do not shimmer."""
        cell_ns = max(1, (now_ns - from_ns) // CELLS)
        first_ns = self.presence.first_ns or now_ns
        return max(from_ns, min(first_ns, now_ns - _SHORTEST_NS)) // cell_ns * cell_ns

    def _stood(self, series: Series, batch: Batch) -> None:
        stock = self._stocks.setdefault(series.name, StockMemory(series, self._window_s))
        for at_ns, on_hand in zip(batch.at_ns.tolist(), batch.value.tolist(), strict=True):
            stock.stood(at_ns, on_hand)


def number(record: Record, name: str) -> float | None:
    """A field of a record as a float, None where it is left out."""
    value = record.fields.get(name)
    return None if value is None or isinstance(value, str) else float(value)


def _empty_s(estimate: Record | None, now_ns: int) -> tuple[float | None, float | None, float | None]:
    """Early, median and late time to empty; nothing when the estimate is old news."""
    if estimate is None or now_ns - estimate.at_ns > STOCK_STALE_AFTER_NS:
        return None, None, None
    return number(estimate, "low"), number(estimate, "value"), number(estimate, "high")


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _output(record: Record | None) -> Output | None:
    return Output(record.at_ns, *(number(record, name) for name in _BAND)) if record else None


def _trend(rows: Sequence[tuple[int, tuple[float, ...]]], gaps: Sequence[Span]) -> Trend:
    """Columns with an unknown row in every gap, so that no line is drawn through silence."""
    blanks = [(gap.from_ns + NS_PER_S, (math.nan,) * len(_JUDGED)) for gap in gaps if rows and gap.from_ns > rows[0][0]]
    rows = sorted([*rows, *blanks], key=lambda row: row[0])
    at_s = tuple(at_ns // NS_PER_S for at_ns, _ in rows)
    return Trend(at_s, *(tuple(None if math.isnan(row[i]) else row[i] for _, row in rows) for i in range(len(_BAND))))
