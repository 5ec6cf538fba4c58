"""When warnings need not be sent: the time outside shifts and in planned stops, as a mute timing of Grafana.

Input: the shift calendar of a site.toml. Output: the content of a provisioning file. Time counts as muted only when no
line of the site is meant to produce. Pure.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from dashboards.build import Json
from detectors.calendar import PlannedStop, Shift

MUTE_TIMING = "andon-outside-shifts"
_DAYS = {
    "mon": "monday",
    "tue": "tuesday",
    "wed": "wednesday",
    "thu": "thursday",
    "fri": "friday",
    "sat": "saturday",
    "sun": "sunday",
}
_MINUTES_A_DAY = 24 * 60

Span = tuple[int, int]  # minutes of a day, the end not included


def mute_file(timezone: str, shifts: Sequence[Shift], stops: Sequence[PlannedStop]) -> Json:
    """The mute timing as a provisioning file; without shifts only planned stops are muted."""
    intervals = [*_outside_shifts(timezone, shifts), *_in_stops(timezone, stops)]
    return {"apiVersion": 1, "muteTimes": [{"orgId": 1, "name": MUTE_TIMING, "time_intervals": intervals}]}


def _outside_shifts(timezone: str, shifts: Sequence[Shift]) -> list[Json]:
    """One interval for each set of weekdays that have the same hours free."""
    days_by_free: dict[tuple[Span, ...], list[str]] = {}
    for day in _DAYS if shifts else ():
        days_by_free.setdefault(_free(_worked(shifts, day)), []).append(_DAYS[day])
    return [
        {"times": _times(free), "weekdays": weekdays, "location": timezone}
        for free, weekdays in days_by_free.items()
        if free
    ]


def _worked(shifts: Iterable[Shift], day: str) -> list[Span]:
    """What the shifts take of a weekday, in order, the tails of those begun the day before included."""
    names = list(_DAYS)
    before = names[names.index(day) - 1]
    spans: list[Span] = []
    for shift in shifts:
        start, end = _minute(shift.start), _minute(shift.end)
        over_night = end <= start
        if day in shift.days:
            spans.append((start, _MINUTES_A_DAY if over_night else end))
        if over_night and before in shift.days:
            spans.append((0, end))
    return sorted(span for span in spans if span[0] < span[1])


def _free(worked: Sequence[Span]) -> tuple[Span, ...]:
    free, at = [], 0
    for start, end in worked:
        if start > at:
            free.append((at, start))
        at = max(at, end)
    return (*free, (at, _MINUTES_A_DAY)) if at < _MINUTES_A_DAY else tuple(free)


def _in_stops(timezone: str, stops: Iterable[PlannedStop]) -> list[Json]:
    """One interval for each day of each stop that concerns all lines."""
    return [_on_day(timezone, day, span) for stop in stops if stop.line == "*" for day, span in _days_of(stop)]


def _days_of(stop: PlannedStop) -> Iterable[tuple[dt.date, Span]]:
    day = stop.start.date()
    while day <= stop.end.date():
        start = _minute(stop.start.time()) if day == stop.start.date() else 0
        end = _minute(stop.end.time()) if day == stop.end.date() else _MINUTES_A_DAY
        if start < end:
            yield day, (start, end)
        day += dt.timedelta(days=1)


def _on_day(timezone: str, day: dt.date, span: Span) -> Json:
    return {
        "times": _times([span]),
        "days_of_month": [str(day.day)],
        "months": [str(day.month)],
        "years": [str(day.year)],
        "location": timezone,
    }


def _times(spans: Iterable[Span]) -> list[Json]:
    return [{"start_time": _clock(start), "end_time": _clock(end)} for start, end in spans]


def _minute(time: dt.time) -> int:
    return time.hour * 60 + time.minute


def _clock(minute: int) -> str:
    """`24:00` is the end of a day."""
    return f"{minute // 60:02}:{minute % 60:02}"
