"""Muted is exactly the time in which the calendar says nobody produces, to the minute, in the site's own time."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from collector.readings import NS_PER_S
from dashboards.mute_times import MUTE_TIMING, mute_file
from dashboards.render import Wishes, files
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

IN_UTC = PlannedStop(  # in the site's own time: 7:00 to 12:00
    reason="audit",
    start=dt.datetime(2026, 3, 5, 23, tzinfo=dt.UTC),
    end=dt.datetime(2026, 3, 6, 4, tzinfo=dt.UTC),
)
PRESS = Shift(name="press", start=dt.time(6), end=dt.time(14), line="press")
PRESS_OFF = PlannedStop(reason="die", start=dt.datetime(2026, 3, 3, 7), end=dt.datetime(2026, 3, 3, 9), line="press")
OTHERS_OFF = PlannedStop(reason="outing", start=dt.datetime(2026, 3, 3, 8), end=dt.datetime(2026, 3, 3, 12))

PLANTS = {
    "one shift": ([EARLY], []),
    "two that overlap": ([EARLY, LATE], []),
    "round the clock but for the weekend": ([EARLY, LATE, NIGHT], []),
    "round the clock on Saturday": ([EARLY, SATURDAY], []),
    "with stops": ([EARLY, LATE], [LUNCH, HOLIDAY]),
    "stops alone": ([], [LUNCH]),
    "a stop told in another zone": ([EARLY], [IN_UTC]),
    "a line of its own hours": ([EARLY, PRESS], [LUNCH]),
    "only one line has hours": ([PRESS], []),
    "stops of one line and of all": ([EARLY, LATE], [PRESS_OFF, OTHERS_OFF]),
    "round the clock": ([Shift(name="all", start=dt.time(0), end=dt.time(0))], []),
}
LINES = ("any", "press")


def is_muted(file: dict[str, Any] | None, at: dt.datetime) -> bool:
    """As Grafana reads it: an interval holds when all that it names holds, its end not included."""
    if file is None:
        return False
    (timing,) = file["muteTimes"]
    return any(_holds(interval, at) for interval in timing["time_intervals"])


def _holds(interval: dict[str, Any], at: dt.datetime) -> bool:
    at = at.astimezone(ZoneInfo(interval["location"])) if at.tzinfo else at
    minute = f"{at:%H:%M}"
    return (
        any(one["start_time"] <= minute < one["end_time"] for one in interval["times"])
        and NAMES[at.weekday()] in interval.get("weekdays", NAMES)
        and str(at.day) in interval.get("days_of_month", [str(at.day)])
        and str(at.month) in interval.get("months", [str(at.month)])
        and str(at.year) in interval.get("years", [str(at.year)])
    )


@pytest.mark.parametrize("plant", PLANTS)
def test_it_is_muted_when_the_calendar_plans_nothing_on_any_line(plant):
    assert_muted_as_planned(ZONE, *PLANTS[plant], dt.datetime(2026, 3, 1, tzinfo=ZoneInfo(ZONE)))


@pytest.mark.parametrize("first_day", [dt.datetime(2026, 3, 28), dt.datetime(2026, 10, 24)], ids=["spring", "autumn"])
def test_it_follows_a_clock_that_is_set_on_and_back(first_day):
    zone, stop = "Europe/Berlin", PlannedStop(reason="stop", start=first_day, end=first_day + dt.timedelta(days=1.6))
    assert_muted_as_planned(zone, [EARLY, NIGHT], [stop], first_day.replace(tzinfo=ZoneInfo(zone)))


def assert_muted_as_planned(zone: str, shifts: list[Shift], stops: list[PlannedStop], start: dt.datetime) -> None:
    file, calendar = mute_file(zone, shifts, stops), Calendar(zone, shifts, stops)
    first_s = int(start.timestamp())
    for at_s in range(first_s, first_s + 8 * 86_400, 900):
        off = all(calendar.planned_stop(line, at_s * NS_PER_S) is not None for line in LINES)
        at = dt.datetime.fromtimestamp(at_s, ZoneInfo(zone))
        assert is_muted(file, at) is off, at


@pytest.mark.parametrize(
    ("shifts", "stops"),
    [
        ([], []),
        ([], [PlannedStop(reason="service", start=LUNCH.start, end=LUNCH.end, line="drive")]),
        ([PRESS], []),
        ([Shift(name="all", start=dt.time(0), end=dt.time(0))], []),
    ],
    ids=["no calendar", "one line stops", "one line has hours", "round the clock"],
)
def test_where_some_line_always_works_there_is_no_timing(shifts, stops):
    """Grafana takes none without an interval, and no rule that names one which is not there."""
    assert mute_file(ZONE, shifts, stops) is None
    rendered = files(Wishes(timezone=ZONE, shifts=shifts, stops=stops))
    assert "provisioning/alerting/mute_times.yaml" not in rendered
    assert MUTE_TIMING not in rendered["provisioning/alerting/andon.yaml"]


def test_a_line_that_works_on_keeps_all_awake():
    file = mute_file(ZONE, [EARLY, Shift(name="more", start=dt.time(14), end=dt.time(16), line="drive")], [])
    assert not is_muted(file, dt.datetime(2026, 3, 2, 15))


def test_the_file_holds_only_what_grafana_reads():
    file = mute_file(ZONE, [EARLY], [LUNCH])
    assert file is not None
    (timing,) = file["muteTimes"]
    assert (timing["orgId"], timing["name"]) == (1, MUTE_TIMING)
    known = {"times", "weekdays", "days_of_month", "months", "years", "location"}
    assert all(interval.keys() <= known for interval in timing["time_intervals"])
