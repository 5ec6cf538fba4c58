"""When a line is meant to produce: weekly shifts and single planned stops, as site.toml states them.

Pure: instants are given (UTC ns), local times are turned with the site's IANA time zone. Without any shift for a line,
all time is planned production.
"""

from __future__ import annotations

import datetime as dt
import itertools
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from collector.config import ConfigError, Document, Name, Section
from collector.readings import NS_PER_S

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_NS = 86_400 * NS_PER_S
_LONGEST_LOOK_BACK_D = 31


class Shift(Section, frozen=True, kw_only=True):
    """A stretch of planned production, local time; `end` at or before `start` is on the next day."""

    name: Name
    start: dt.time
    end: dt.time
    days: tuple[str, ...] = _DAYS
    line: str = "*"


class PlannedStop(Section, frozen=True, kw_only=True):
    """One stretch without planned production (`start` to `end`, with zone or in the site's), and why."""

    reason: Name
    start: dt.datetime
    end: dt.datetime
    line: str = "*"


class Calendar:
    """Answers, for a line (its name without the site) and an instant, whether production is planned."""

    def __init__(
        self, timezone: str = "UTC", shifts: Sequence[Shift] = (), planned_stops: Sequence[PlannedStop] = ()
    ) -> None:
        self._zone = ZoneInfo(timezone)
        self._shifts = tuple(shifts)
        self._stops = tuple(
            (stop.line, _utc_ns(stop.start, self._zone), _utc_ns(stop.end, self._zone), stop.reason)
            for stop in planned_stops
        )
        self._stretches = lru_cache(maxsize=256)(self._stretches_of_day)
        self._utc_day = lru_cache(maxsize=256)(self._pieces_of_utc_day)

    @property
    def never_stops(self) -> bool:
        """Whether it plans no stop at all, on any line."""
        return not (self._shifts or self._stops)

    def planned_stop(self, line: str, at_ns: int) -> str | None:
        """The reason no production is planned for `line` at `at_ns`, None when it is planned."""
        starts, reasons = self._utc_day(line, at_ns // _DAY_NS)
        return reasons[bisect_right(starts, at_ns) - 1]

    def shift(self, line: str, at_ns: int) -> str:
        """The name of the shift that `line` works at `at_ns`, the first of those that overlap; `""` where none is."""
        day = self.local_day(at_ns)
        for start_day in (day - dt.timedelta(days=1), day):
            for shift in self._shifts:
                if shift.line in ("*", line) and _DAYS[start_day.weekday()] in shift.days:
                    start_ns, end_ns = _span_ns(shift, start_day, self._zone)
                    if start_ns <= at_ns < end_ns:
                        return shift.name
        return ""

    def planned_s(self, line: str, from_ns: int, to_ns: int) -> float:
        """Seconds of planned production between two instants (to 1 s; exact where the edges are whole seconds)."""
        if to_ns <= from_ns:
            return 0.0
        edges = sorted({from_ns, to_ns, *self._edges(line, from_ns, to_ns)})
        spans = itertools.pairwise(edges)
        return sum(end - start for start, end in spans if self.planned_stop(line, start) is None) / NS_PER_S

    def planned_from_ns(self, line: str, at_ns: int, not_before_ns: int) -> int:
        """The instant since which production has been planned without a break up to `at_ns`.

        `not_before_ns` where it has been planned all along since then, or for longer than a month; `at_ns` itself where
        it is not planned now.
        """
        if not self._shifts and not self._stops:
            return not_before_ns
        since_ns, last = at_ns, max(not_before_ns, at_ns - _LONGEST_LOOK_BACK_D * _DAY_NS) // _DAY_NS
        for day in range(at_ns // _DAY_NS, last - 1, -1):
            starts, reasons = self._utc_day(line, day)
            for i in range(bisect_right(starts, at_ns) - 1, -1, -1):
                if reasons[i] is not None:
                    return since_ns
                since_ns = max(starts[i], not_before_ns)
                if since_ns == not_before_ns:
                    return since_ns
        return not_before_ns

    def _reason(self, line: str, at_ns: int) -> str | None:
        for of_line, start_ns, end_ns, reason in self._stops:
            if of_line in ("*", line) and start_ns <= at_ns < end_ns:
                return reason
        stretches = self._stretches(line, self.local_day(at_ns))
        if stretches is None or any(start_ns <= at_ns < end_ns for start_ns, end_ns in stretches):
            return None
        return "outside shifts"

    def _edges(self, line: str, from_ns: int, to_ns: int) -> list[int]:
        edges = [edge for of_line, start, end, _ in self._stops if of_line in ("*", line) for edge in (start, end)]
        day, last = self.local_day(from_ns), self.local_day(to_ns)
        while day <= last:
            edges.extend(edge for stretch in self._stretches(line, day) or () for edge in stretch)
            day += dt.timedelta(days=1)
        return [edge for edge in edges if from_ns < edge < to_ns]

    def _pieces_of_utc_day(self, line: str, day: int) -> tuple[tuple[int, ...], tuple[str | None, ...]]:
        """Where the answer may change within a day (number since 1970), and the answer from there on."""
        starts = sorted({day * _DAY_NS, *self._edges(line, day * _DAY_NS, (day + 1) * _DAY_NS)})
        return tuple(starts), tuple(self._reason(line, start) for start in starts)

    def local_day(self, at_ns: int) -> dt.date:
        """The day of an instant where the site is."""
        return dt.datetime.fromtimestamp(at_ns // NS_PER_S, self._zone).date()

    def local_hour(self, at_ns: int) -> int:
        """The hour of the day of an instant, 0 to 23, where the site is."""
        return dt.datetime.fromtimestamp(at_ns // NS_PER_S, self._zone).hour

    def _stretches_of_day(self, line: str, day: dt.date) -> tuple[tuple[int, int], ...] | None:
        """Planned stretches that touch a local day, None when the line has no shifts at all."""
        own = [shift for shift in self._shifts if shift.line in ("*", line)]
        if not own:
            return None
        found = []
        for start_day in (day - dt.timedelta(days=1), day):
            for shift in own:
                if _DAYS[start_day.weekday()] in shift.days:
                    found.append(_span_ns(shift, start_day, self._zone))
        return tuple(found)


def calendar_of(document: Document, timezone: str) -> Calendar:
    """The calendar of a site.toml. Raises ConfigError."""
    shifts = document.sections("shift", Shift)
    for i, shift in enumerate(shifts):
        for day in shift.days:
            if day not in _DAYS:
                raise ConfigError(f"{document.path}: `shift[{i}].days`: no day {day!r}; days are {', '.join(_DAYS)}")
    stops = document.sections("planned_stop", PlannedStop)
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"{document.path}: `site.timezone`: no time zone {timezone!r}; write an IANA name such as Asia/Shanghai"
        ) from error
    for i, stop in enumerate(stops):
        if _utc_ns(stop.end, zone) <= _utc_ns(stop.start, zone):
            raise ConfigError(f"{document.path}: `planned_stop[{i}].end`: it is not after `start`; correct the times")
    return Calendar(timezone, shifts, stops)


def _span_ns(shift: Shift, day: dt.date, zone: ZoneInfo) -> tuple[int, int]:
    """The stretch of a shift that starts on a local day."""
    end_day = day + dt.timedelta(days=int(shift.end <= shift.start))
    start, end = dt.datetime.combine(day, shift.start), dt.datetime.combine(end_day, shift.end)
    return _utc_ns(start, zone), _utc_ns(end, zone)


def _utc_ns(moment: dt.datetime, zone: ZoneInfo) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return int(aware.timestamp()) * NS_PER_S
