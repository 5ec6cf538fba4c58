"""The calendar: shifts in local time over midnight and over a change of clocks, planned stops, and what overlaps."""

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collector.config import ConfigError, Document
from collector.readings import NS_PER_S
from detectors.calendar import Calendar, PlannedStop, Shift, calendar_of

BERLIN = "Europe/Berlin"
EARLY = Shift(name="early", start=dt.time(6), end=dt.time(14), days=("mon", "tue", "wed", "thu", "fri"))
NIGHT = Shift(name="night", start=dt.time(22), end=dt.time(6))


def ns(text: str, zone: str = BERLIN, fold: int = 0) -> int:
    local = dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(local.timestamp()) * NS_PER_S


def berlin(*shifts: Shift, stops: tuple[PlannedStop, ...] = ()) -> Calendar:
    return Calendar(BERLIN, shifts, stops)


def stop(start: str, end: str, reason: str = "holiday", line: str = "*") -> PlannedStop:
    return PlannedStop(
        reason=reason, start=dt.datetime.fromisoformat(start), end=dt.datetime.fromisoformat(end), line=line
    )


def test_without_shifts_all_time_is_planned():
    calendar = Calendar()
    assert calendar.planned_stop("press", 0) is None
    assert calendar.planned_s("press", 0, 86_400 * NS_PER_S) == 86_400
    assert calendar.planned_from_ns("press", 5 * NS_PER_S, NS_PER_S) == NS_PER_S


@pytest.mark.parametrize(
    ("instant", "planned"),
    [
        ("2025-07-08 05:59:59", False),
        ("2025-07-08 06:00:00", True),
        ("2025-07-08 13:59:59", True),
        ("2025-07-08 14:00:00", False),
        ("2025-07-12 10:00:00", False),  # a Saturday
    ],
)
def test_a_shift_holds_its_start_and_not_its_end(instant, planned):
    assert (berlin(EARLY).planned_stop("press", ns(instant)) is None) == planned


@pytest.mark.parametrize("instant", ["2025-07-08 23:00", "2025-07-09 00:00", "2025-07-09 05:59:59"])
def test_a_shift_over_midnight(instant):
    assert berlin(NIGHT).planned_stop("press", ns(instant)) is None


def test_a_shift_over_midnight_belongs_to_the_day_it_starts():
    friday_night = Shift(name="night", start=dt.time(22), end=dt.time(6), days=("fri",))
    calendar = berlin(friday_night)
    assert calendar.planned_stop("press", ns("2025-07-12 05:00")) is None  # Saturday morning
    assert calendar.planned_stop("press", ns("2025-07-11 05:00")) == "outside shifts"  # Friday morning
    assert calendar.planned_s("press", ns("2025-07-07 00:00"), ns("2025-07-14 00:00")) == 8 * 3600


def test_equal_start_and_end_is_a_whole_day():
    always = Shift(name="day", start=dt.time(6), end=dt.time(6))
    assert berlin(always).planned_s("press", ns("2025-07-07 00:00"), ns("2025-07-08 00:00")) == 86_400


@pytest.mark.parametrize(
    ("night", "hours"),
    [("2025-03-29", 7), ("2025-10-25", 9), ("2025-07-08", 8)],
    ids=["spring forward", "fall back", "summer"],
)
def test_a_night_shift_is_as_long_as_the_clocks_make_it(night, hours):
    start = ns(f"{night} 12:00")
    assert berlin(NIGHT).planned_s("press", start, start + 86_400 * NS_PER_S) == hours * 3600


def test_the_hour_that_comes_twice_is_planned_both_times():
    calendar = berlin(NIGHT)
    for fold in (0, 1):
        assert calendar.planned_stop("press", ns("2025-10-26 02:30", fold=fold)) is None


def test_overlapping_shifts_count_once():
    late = Shift(name="late", start=dt.time(13), end=dt.time(21))
    assert berlin(EARLY, late).planned_s("press", ns("2025-07-08 00:00"), ns("2025-07-09 00:00")) == 15 * 3600


def test_shifts_that_meet_leave_no_gap():
    late = Shift(name="late", start=dt.time(14), end=dt.time(22))
    calendar = berlin(EARLY, late, NIGHT)
    noon = ns("2025-07-09 12:00")
    assert calendar.planned_from_ns("press", noon, ns("2025-07-07 23:00")) == ns("2025-07-07 23:00")


def test_a_planned_stop_cuts_into_a_shift_and_says_why():
    calendar = berlin(EARLY, stops=(stop("2025-07-08T10:00:00", "2025-07-08T11:00:00", "maintenance"),))
    assert calendar.planned_stop("press", ns("2025-07-08 10:30")) == "maintenance"
    assert calendar.planned_stop("press", ns("2025-07-08 11:00")) is None
    assert calendar.planned_s("press", ns("2025-07-08 00:00"), ns("2025-07-09 00:00")) == 7 * 3600


def test_overlapping_planned_stops_count_once():
    calendar = berlin(
        EARLY,
        stops=(stop("2025-07-08T10:00:00", "2025-07-08T11:00:00"), stop("2025-07-08T10:30:00", "2025-07-08T15:00:00")),
    )
    assert calendar.planned_s("press", ns("2025-07-08 00:00"), ns("2025-07-09 00:00")) == 4 * 3600


def test_a_planned_stop_may_carry_its_own_zone():
    calendar = berlin(stops=(stop("2025-07-08T10:00:00+00:00", "2025-07-08T11:00:00+00:00"),))
    assert calendar.planned_stop("press", ns("2025-07-08 12:30")) == "holiday"
    assert calendar.planned_stop("press", ns("2025-07-08 10:30")) is None


def test_shifts_and_stops_of_one_line_leave_the_others_alone():
    own = Shift(name="press", start=dt.time(6), end=dt.time(14), line="press")
    calendar = berlin(own, stops=(stop("2025-07-08T10:00:00", "2025-07-08T11:00:00", line="press"),))
    assert calendar.planned_stop("press", ns("2025-07-08 20:00")) == "outside shifts"
    assert calendar.planned_stop("weld", ns("2025-07-08 20:00")) is None
    assert calendar.planned_stop("weld", ns("2025-07-08 10:30")) is None


def test_planned_from_is_the_end_of_the_latest_stop():
    calendar = berlin(EARLY, stops=(stop("2025-07-08T10:00:00", "2025-07-08T11:00:00"),))
    start = ns("2025-07-07 08:00")
    assert calendar.planned_from_ns("press", ns("2025-07-08 09:00"), start) == ns("2025-07-08 06:00")
    assert calendar.planned_from_ns("press", ns("2025-07-08 12:00"), start) == ns("2025-07-08 11:00")
    assert calendar.planned_from_ns("press", ns("2025-07-08 11:00"), start) == ns("2025-07-08 11:00")
    assert calendar.planned_from_ns("press", ns("2025-07-08 10:30"), start) == ns("2025-07-08 10:30")
    assert calendar.planned_from_ns("press", ns("2025-07-07 09:00"), start) == start


def test_time_that_does_not_pass_is_no_planned_time():
    assert berlin(EARLY).planned_s("press", ns("2025-07-08 10:00"), ns("2025-07-08 09:00")) == 0.0


def document(**tables: object) -> Document:
    return Document(Path("site.toml"), dict(tables))


def test_a_calendar_of_site_toml():
    calendar = calendar_of(
        document(
            shift=[{"name": "early", "start": dt.time(6), "end": dt.time(14), "days": ["tue"]}],
            planned_stop=[
                {"reason": "audit", "start": dt.datetime(2025, 7, 8, 10), "end": dt.datetime(2025, 7, 8, 11)},
            ],
        ),
        BERLIN,
    )
    assert calendar.planned_stop("press", ns("2025-07-08 09:00")) is None
    assert calendar.planned_stop("press", ns("2025-07-08 10:00")) == "audit"


@pytest.mark.parametrize(
    ("tables", "zone", "sentence"),
    [
        ({}, "Mars/Base", r"site\.toml: `site\.timezone`: no time zone 'Mars/Base'; write an IANA name"),
        ({}, "Europe", r"site\.toml: `site\.timezone`: no time zone 'Europe'; write an IANA name"),
        ({}, "", r"`site\.timezone`: no time zone ''"),
        (
            {"shift": [{"name": "early", "start": dt.time(6), "end": dt.time(14), "days": ["Tuesday"]}]},
            BERLIN,
            r"`shift\[0\]\.days`: no day 'Tuesday'; days are mon, tue",
        ),
        (
            {
                "planned_stop": [
                    {"reason": "x", "start": dt.datetime(2025, 7, 8, 11), "end": dt.datetime(2025, 7, 8, 10)}
                ]
            },
            BERLIN,
            r"`planned_stop\[0\]\.end`: it is not after `start`; correct the times",
        ),
        ({"shift": [{"name": "early", "start": "6 am", "end": dt.time(14)}]}, BERLIN, r"`shift\[0\]\.start`"),
    ],
)
def test_what_cannot_be_a_calendar_is_named(tables, zone, sentence):
    with pytest.raises(ConfigError, match=sentence):
        calendar_of(document(**tables), zone)


def test_a_look_back_over_decades_is_bounded() -> None:
    always = [Shift(name=f"{h}", start=dt.time(h), end=dt.time((h + 8) % 24)) for h in (6, 14, 22)]
    now = ns("2025-07-08 09:00")
    assert berlin(*always).planned_from_ns("press", now, NS_PER_S) == NS_PER_S
    calendar = berlin(EARLY)
    assert calendar.planned_from_ns("press", now, NS_PER_S) == ns("2025-07-08 06:00")
    assert calendar._utc_day.cache_info().currsize == 1


@pytest.mark.parametrize("line", ["press", "paint"])
def test_cached_answers_are_those_of_the_plan_at_every_quarter_of_an_hour(line: str) -> None:
    """A fortnight around the change of clocks, against the plan asked afresh at each instant."""
    calendar = berlin(EARLY, NIGHT, stops=(stop("2025-03-29 23:30", "2025-03-30 04:00", line="paint"),))
    for at_ns in range(ns("2025-03-24 00:00"), ns("2025-04-06 00:00"), 900 * NS_PER_S):
        assert calendar.planned_stop(line, at_ns) == calendar._reason(line, at_ns)
        since_ns, not_before_ns = at_ns, at_ns - 30 * 3600 * NS_PER_S
        while since_ns > not_before_ns and calendar._reason(line, since_ns) is None:
            since_ns -= 900 * NS_PER_S
        broken_here = calendar._reason(line, since_ns) is not None and since_ns < at_ns
        expected_ns = since_ns + 900 * NS_PER_S * broken_here
        assert calendar.planned_from_ns(line, at_ns, not_before_ns) == expected_ns
