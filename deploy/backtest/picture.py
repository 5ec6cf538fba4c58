"""One alert as a picture: what was judged, what was expected, when it was raised and when it cleared.

Input: the band of its method, or the readings of its series where the method has none. Output: a PNG. Times are UTC;
names and units stand beside the picture, in the report.
"""

from __future__ import annotations

import math
import time

import numpy as np

from collector.readings import NS_PER_S
from deploy.backtest.canvas import Canvas, Color
from deploy.bands import Band, Column
from detectors.alerts import Alert

_WIDTH, _HEIGHT = 860, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 12, 12, 26
_MARGIN_S = 900.0  # drawn before and after an alert, at least
_LONGEST_S = 6 * 3600.0  # drawn of an alert that stands for long
_MOST_POINTS = 4_000
_INK, _GRID, _BAND, _VALUE = (60, 64, 72), (228, 230, 234), (214, 231, 246), (24, 90, 157)
_OPEN, _RAISED, _CLEARED = (253, 240, 238), (200, 40, 40), (40, 140, 70)
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def stretch_of(alert: Alert) -> tuple[float, float]:
    """From when to when (epoch seconds) an alert is drawn."""
    raised = alert.fired_at_ns / NS_PER_S
    cleared = alert.resolved_at_ns / NS_PER_S if alert.resolved_at_ns else raised + _MARGIN_S
    began = min(alert.active_at_ns / NS_PER_S, raised)
    margin = max(_MARGIN_S, cleared - began)
    return began - min(margin, _LONGEST_S), min(cleared, raised + _LONGEST_S) + min(margin, _LONGEST_S)


def picture_of(alert: Alert, band: Band) -> bytes:
    """The PNG. A band without a value shows the method's score, and its threshold 1.0."""
    start, end = stretch_of(alert)
    seen = _thinned(band.between(start, end))
    shows_score = not np.isfinite(seen.value).any()
    value = seen.score if shows_score else seen.value
    low, high = (np.full(len(value), 0.0), np.full(len(value), 1.0)) if shows_score else (seen.low, seen.high)
    bottom, top = _range(value, low, high)
    canvas = Canvas(_WIDTH, _HEIGHT)
    plot = _Plot(canvas, start, end, bottom, top)
    plot.mark_open(alert)
    edges_low = np.where(np.isfinite(low), low, np.where(np.isfinite(high), bottom, np.nan))
    edges_high = np.where(np.isfinite(high), high, np.where(np.isfinite(low), top, np.nan))
    plot.band(seen.at, edges_low, edges_high)
    plot.axes()
    plot.line(seen.at, value, _VALUE)
    plot.mark(alert.fired_at_ns, _RAISED)
    plot.mark(alert.resolved_at_ns, _CLEARED)
    return canvas.png()


def readings_band(times: list[float], values: list[float]) -> Band:
    """Readings as a band that knows only the value."""
    none = np.full(len(times), np.nan)
    return Band(np.array(times), np.array(values), none, none, none, none)


class _Plot:
    """The mapping from time and value to places on a canvas."""

    def __init__(self, canvas: Canvas, start: float, end: float, bottom: float, top: float) -> None:
        self._canvas = canvas
        self._start, self._end, self._bottom, self._top = start, end, bottom, top
        self._right, self._floor = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def mark_open(self, alert: Alert) -> None:
        until = alert.resolved_at_ns / NS_PER_S if alert.resolved_at_ns else self._end
        left, right = self._x(np.array([alert.fired_at_ns / NS_PER_S, until])).tolist()
        self._canvas.box(left, _TOP, right, self._floor, _OPEN)

    def band(self, at: Column, low: Column, high: Column) -> None:
        self._canvas.band(self._x(at), self._y(low), self._y(high), _BAND)

    def line(self, at: Column, value: Column, color: Color) -> None:
        self._canvas.line(self._x(at), self._y(value), color)

    def mark(self, at_ns: int, color: Color) -> None:
        at = at_ns / NS_PER_S
        if self._start <= at <= self._end:
            x = float(self._x(np.array([at]))[0])
            self._canvas.box(x, _TOP, x + 1.5, self._floor, color)

    def axes(self) -> None:
        step = _nice((self._top - self._bottom) / 4)
        for i in range(math.ceil(self._bottom / step), math.floor(self._top / step) + 1):
            y = float(self._y(np.array([i * step]))[0])
            label = f"{i * step:.6g}"
            self._canvas.box(_LEFT, y, self._right, y + 0.5, _GRID)
            self._canvas.text(_LEFT - 6 - Canvas.text_width(label), y - 5, label, _INK)
        every = next((one for one in _TICKS if (self._end - self._start) / one <= 8), _TICKS[-1])
        for at in range(-(-int(self._start) // every) * every, int(self._end) + 1, every):
            x = float(self._x(np.array([at]))[0])
            label = time.strftime("%H:%M" if every % 60 == 0 else "%H:%M:%S", time.gmtime(at))
            self._canvas.box(x, self._floor, x + 0.5, self._floor + 4, _INK)
            self._canvas.text(x - Canvas.text_width(label) / 2, self._floor + 8, label, _INK)
        self._canvas.box(_LEFT, self._floor, self._right, self._floor + 0.5, _INK)

    def _x(self, at: Column) -> Column:
        return _LEFT + (at - self._start) / (self._end - self._start) * (self._right - _LEFT)

    def _y(self, value: Column) -> Column:
        share = (np.clip(value, self._bottom, self._top) - self._bottom) / (self._top - self._bottom)
        return self._floor - share * (self._floor - _TOP)


def _range(*columns: Column) -> tuple[float, float]:
    """From the lowest to the highest drawn value, with a little room."""
    known = np.concatenate([column[np.isfinite(column)] for column in columns])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    room = 0.06 * (high - low) or max(abs(high), 1.0) * 0.1
    return low - room, high + room


def _nice(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return float(power * next(one for one in (1, 2, 5, 10) if one * power >= step))


def _thinned(band: Band) -> Band:
    every = -(-max(len(band.at), 1) // _MOST_POINTS)
    return Band(*(column[::every] for column in band))
