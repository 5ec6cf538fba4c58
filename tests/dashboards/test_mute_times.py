"""Muted is exactly the time in which the calendar says nobody produces, to the minute, in the site's own time."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from collector.readings import NS_PER_S
from dashboards.mute_times import MUTE_TIMING, mute_file
from detectors.calendar import Calendar, PlannedStop, Shift

ZONE = "Asia/Shanghai"
WORKDAYS = ("mon", "tue", "wed", "thu", "fri")
EARLY = Shift(name="early", start=dt.time(6), end=dt.time(14), days=WORKDAYS)
LATE = Shift(name="late", start=dt.time(13, 30), end=dt.time(22), days=WORKDAYS)
NIGHT = Shift(name="night", start=dt.time(22), end=dt.time(6), days=("sun", "mon", "tue", "wed", "thu"))
SATURDAY = Shift(name="extra", start=dt.time(8), end=dt.time(8), days=("sat",))  # round the clock, into Sunday
LUNCH = PlannedStop(reason="lunch", start=dt.datetime(2026, 3, 2, 12), end=dt.datetime(2026, 3, 2, 12, 30))
HOLIDAY = PlannedStop(reason="holiday", start=dt.datetime(2026, 3, 3, 20), end=dt.datetime(2026, 3, 5, 5, 15))
NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

PLANTS = {
    "one shift": ([EARLY], []),
    "two that overlap": ([EARLY, LATE], []),
    "round the clock but for the weekend": ([EARLY, LATE, NIGHT], []),
    "round the clock on Saturday": ([EARLY, SATURDAY], []),
    "with stops": ([EARLY, LATE], [LUNCH, HOLIDAY]),
    "stops alone": ([], [LUNCH]),
}


def is_muted(file: dict[str, Any], at: dt.datetime) -> bool:
    """As Grafana reads it: an interval holds when all that it names holds, its end not included."""
    (timing,) = file["muteTimes"]
    return any(_holds(interval, at) for interval in timing["time_intervals"])


def _holds(interval: dict[str, Any], at: dt.datetime) -> bool:
    minute = f"{at:%H:%M}"
    assert interval["location"] == ZONE
    return (
        any(one["start_time"] <= minute < one["end_time"] for one in interval["times"])
        and NAMES[at.weekday()] in interval.get("weekdays", NAMES)
        and str(at.day) in interval.get("days_of_month", [str(at.day)])
        and str(at.month) in interval.get("months", [str(at.month)])
        and str(at.year) in interval.get("years", [str(at.year)])
    )


@pytest.mark.parametrize("plant", PLANTS)
def test_it_is_muted_when_the_calendar_plans_nothing(plant):
    shifts, stops = PLANTS[plant]
    file, calendar = mute_file(ZONE, shifts, stops), Calendar(ZONE, shifts, stops)
    start = dt.datetime(2026, 3, 1, tzinfo=ZoneInfo(ZONE))
    for quarter in range(8 * 24 * 4):
        at = start + dt.timedelta(minutes=15 * quarter)
        planned = calendar.planned_stop("any", int(at.timestamp()) * NS_PER_S) is None
        assert is_muted(file, at) is not planned, at


def test_what_stops_one_line_mutes_nobody():
    only = PlannedStop(reason="service", start=LUNCH.start, end=LUNCH.end, line="drive")
    assert mute_file(ZONE, [], [only])["muteTimes"][0]["time_intervals"] == []


def test_a_line_that_works_on_keeps_all_awake():
    file = mute_file(ZONE, [EARLY, Shift(name="more", start=dt.time(14), end=dt.time(16), line="drive")], [])
    assert not is_muted(file, dt.datetime(2026, 3, 2, 15))


def test_the_file_holds_only_what_grafana_reads():
    file = mute_file(ZONE, [EARLY], [LUNCH])
    (timing,) = file["muteTimes"]
    assert (timing["orgId"], timing["name"]) == (1, MUTE_TIMING)
    known = {"times", "weekdays", "days_of_month", "months", "years", "location"}
    assert all(interval.keys() <= known for interval in timing["time_intervals"])
