"""What is known of a line's day before it starts: when it may work, and when and why it may not.

Planned time comes from shifts and planned stops, standstill from `line_stop` faults.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from collector.sources.plant_model.faults import LineFaults
from collector.sources.plant_model.scenario import DAYS, Scenario


class LineState(StrEnum):
    """A line's state as it reports it."""

    RUNNING = "running"
    MICRO_STOP = "micro_stop"
    STOPPED = "stopped"
    STARVED = "starved"
    PLANNED = "planned"


class Stretch(NamedTuple):
    """Up to `to_ns` the line is in `state` (RUNNING: it may work) because of `why`."""

    to_ns: int
    state: LineState
    why: str


class _Interval(NamedTuple):
    from_ns: int
    to_ns: int
    state: LineState
    why: str


def stretches(scenario: Scenario, line: str, faults: LineFaults) -> list[Stretch]:
    """The run of a line cut where its state changes, from the start to the end without holes."""
    standing = [*_planned_stops(scenario, line), *_standstills(faults)]
    shifts = list(_shift_intervals(scenario, line))
    inner = {edge for one in (*standing, *shifts) for edge in (one.from_ns, one.to_ns)}
    start_ns, end_ns = scenario.start_ns, scenario.end_ns
    edges = [start_ns, *sorted(edge for edge in inner if start_ns < edge < end_ns), end_ns]
    has_shifts = any(shift.line in ("*", line) for shift in scenario.shifts)
    return [_stretch(from_ns, to_ns, standing, shifts, has_shifts) for from_ns, to_ns in itertools.pairwise(edges)]


def _stretch(
    from_ns: int, to_ns: int, standing: Iterable[_Interval], shifts: Iterable[_Interval], has_shifts: bool
) -> Stretch:
    for one in standing:
        if one.from_ns <= from_ns < one.to_ns:
            return Stretch(to_ns, one.state, one.why)
    if has_shifts and not any(one.from_ns <= from_ns < one.to_ns for one in shifts):
        return Stretch(to_ns, LineState.PLANNED, "outside shifts")
    return Stretch(to_ns, LineState.RUNNING, "")


def _planned_stops(scenario: Scenario, line: str) -> Iterable[_Interval]:
    for stop in scenario.planned_stops:
        if stop.line in ("*", line):
            yield _Interval(scenario.utc_ns(stop.start), scenario.utc_ns(stop.end), LineState.PLANNED, stop.reason)


def _standstills(faults: LineFaults) -> Iterable[_Interval]:
    for spell in faults.stops:
        yield _Interval(spell.from_ns, spell.to_ns, LineState.STOPPED, spell.fault.why)


def _shift_intervals(scenario: Scenario, line: str) -> Iterable[_Interval]:
    zone = scenario.zone
    day = dt.datetime.fromtimestamp(scenario.start_ns / 1e9, zone).date() - dt.timedelta(days=1)
    last = dt.datetime.fromtimestamp(scenario.end_ns / 1e9, zone).date()
    own = [shift for shift in scenario.shifts if shift.line in ("*", line)]
    while day <= last:
        for shift in own:
            if DAYS[day.weekday()] in shift.days:
                end_day = day + dt.timedelta(days=int(shift.end <= shift.start))
                start = scenario.utc_ns(dt.datetime.combine(day, shift.start))
                end = scenario.utc_ns(dt.datetime.combine(end_day, shift.end))
                yield _Interval(start, end, LineState.RUNNING, shift.name)
        day += dt.timedelta(days=1)
