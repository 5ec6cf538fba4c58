"""When warnings need not be sent: the time in which no line is meant to produce, as a mute timing of Grafana.

Input: the shift calendar of a site.toml. Output: the content of a provisioning file. The calendar is asked minute by
minute, so muted is what it says of every line: those it names, and any other, for which only `line = "*"` plans a stop.
Pure.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from zoneinfo import ZoneInfo

from collector.readings import NS_PER_S
from dashboards.build import Json
from detectors.calendar import Calendar, PlannedStop, Shift

MUTE_TIMING = "andon-outside-shifts"
_ANY_WEEK = [dt.date(2024, 1, day) for day in range(1, 8)]  # begins on a Monday
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MINUTES_A_DAY = 24 * 60

Span = tuple[int, int]  # minutes of a day, the end not included


def mute_file(timezone: str, shifts: Sequence[Shift], stops: Sequence[PlannedStop]) -> Json | None:
    """The mute timing as a provisioning file; None where some line is always meant to produce."""
    lines = sorted({"*", *(shift.line for shift in shifts), *(stop.line for stop in stops)})
    week = _Off(Calendar("UTC", shifts), ZoneInfo("UTC"), lines)
    in_zone = _Off(Calendar(timezone, shifts, stops), ZoneInfo(timezone), lines)
    every_week = [week.spans(day) for day in _ANY_WEEK]
    days = [(day, in_zone.spans(day)) for day in _days_of(stops, ZoneInfo(timezone))]
    intervals = [*_weekly(timezone, every_week)]
    intervals += [_on_day(timezone, day, spans) for day, spans in days if spans and spans != every_week[day.weekday()]]
    if not intervals:
        return None
    return {"apiVersion": 1, "muteTimes": [{"orgId": 1, "name": MUTE_TIMING, "time_intervals": intervals}]}


class _Off:
    """When, by a calendar, none of these lines is meant to produce."""

    def __init__(self, calendar: Calendar, zone: ZoneInfo, lines: Sequence[str]) -> None:
        self._calendar, self._zone, self._lines = calendar, zone, lines

    def spans(self, day: dt.date) -> tuple[Span, ...]:
        """Of a local day, in order. A minute counts only as a whole, and both times where clocks are set back."""
        if self._calendar.never_stops:
            return ()
        midnight = dt.datetime.combine(day, dt.time())
        off = (self._is_off(midnight + dt.timedelta(minutes=minute)) for minute in range(_MINUTES_A_DAY))
        groups = groupby(enumerate(off), key=lambda one: one[1])
        minutes = [[minute for minute, _ in group] for is_off, group in groups if is_off]
        return tuple((some[0], some[-1] + 1) for some in minutes)

    def _is_off(self, minute: dt.datetime) -> bool:
        return all(
            self._calendar.planned_stop(line, at_ns) is not None
            for at_ns in self._instants(minute)
            for line in self._lines
        )

    def _instants(self, minute: dt.datetime) -> Iterator[int]:
        """The first and last second of a minute of the local clock, which may come twice."""
        for at_s in {int(minute.replace(tzinfo=self._zone, fold=fold).timestamp()) for fold in (0, 1)}:
            yield at_s * NS_PER_S
            yield (at_s + 59) * NS_PER_S


def _weekly(timezone: str, every_week: Sequence[tuple[Span, ...]]) -> Iterator[Json]:
    """One interval for each set of weekdays that have the same hours free."""
    for spans in dict.fromkeys(every_week):
        if spans:
            weekdays = [name for name, of_day in zip(_WEEKDAYS, every_week, strict=True) if of_day == spans]
            yield {"times": _times(spans), "weekdays": weekdays, "location": timezone}


def _days_of(stops: Iterable[PlannedStop], zone: ZoneInfo) -> list[dt.date]:
    """The local days that planned stops touch."""
    days: set[dt.date] = set()
    for stop in stops:
        day, last = _local_day(stop.start, zone), _local_day(stop.end, zone)
        days |= {day + dt.timedelta(days=i) for i in range((last - day).days + 1)}
    return sorted(days)


def _local_day(moment: dt.datetime, zone: ZoneInfo) -> dt.date:
    return moment.astimezone(zone).date() if moment.tzinfo else moment.date()


def _on_day(timezone: str, day: dt.date, spans: Sequence[Span]) -> Json:
    return {
        "times": _times(spans),
        "days_of_month": [str(day.day)],
        "months": [str(day.month)],
        "years": [str(day.year)],
        "location": timezone,
    }


def _times(spans: Iterable[Span]) -> list[Json]:
    return [{"start_time": _clock(start), "end_time": _clock(end)} for start, end in spans]


def _clock(minute: int) -> str:
    """`24:00` is the end of a day."""
    return f"{minute // 60:02}:{minute % 60:02}"
