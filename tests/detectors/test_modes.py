"""Which mode a line is in, by what its signals say and by the calendar."""

from __future__ import annotations

import datetime as dt

from collector.readings import NS_PER_S
from detectors.calendar import Calendar, PlannedStop
from detectors.modes import Modes

ALWAYS = Calendar()


def mode(modes: Modes, at_s: int, calendar: Calendar = ALWAYS) -> str:
    return modes.mode(calendar, "press", at_s * NS_PER_S, 600.0)


def test_a_mode_is_what_all_signals_say_together() -> None:
    modes = Modes()
    assert mode(modes, 0) == ""
    modes.note(7, 0, 2.0)
    modes.note(3, 0, 1.0)
    assert mode(modes, 1) == "3=1 7=2"
    modes.note(7, 900 * NS_PER_S, 1.0)
    assert mode(modes, 901) == "3=1 7=1"
    modes.note(7, 800 * NS_PER_S, 5.0)
    assert mode(modes, 901) == "3=1 7=1", "a late reading says nothing new"


def test_a_signal_that_changes_in_every_cycle_is_no_mode() -> None:
    modes = Modes()
    modes.note(7, 0, 2.0)
    for second in range(0, 3_000, 30):
        modes.note(3, second * NS_PER_S, float(second % 60 == 0))
    assert mode(modes, 3_000) == "7=2"


def test_a_planned_stop_is_a_mode_of_its_own() -> None:
    stop = PlannedStop(start=dt.datetime(1970, 1, 1, 1), end=dt.datetime(1970, 1, 1, 2), reason="service", line="*")
    calendar, modes = Calendar(planned_stops=(stop,)), Modes()
    modes.note(7, 0, 2.0)
    assert [mode(modes, at_s, calendar) for at_s in (0, 3_600, 7_200)] == ["7=2", "planned stop", "7=2"]


def test_only_so_many_signals_are_kept() -> None:
    modes = Modes()
    for series in range(100):
        modes.note(series, 0, 1.0)
    assert len(modes.signals) == 8
