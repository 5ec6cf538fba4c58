"""Slow cycles: told when most of the last few are long; a single long one, a pause and a restart are none."""

import math

import pytest

from collector.readings import Kind
from detectors.methods import slow_cycle
from tests.detectors.played import Played, series


def counter() -> Played:
    return Played(slow_cycle, series("good", Kind.COUNTER, on_event=True))


def make(played: Played, start: float, count: float, cycles: list[float]) -> tuple[float, float, list[float]]:
    """A unit after each of the cycles: second and count afterwards, and the scores."""
    scores = []
    for cycle in cycles:
        start, count = start + cycle, count + 1
        scores.append(played.at(start, count))
    return start, count, [score for score in scores if score is not None and not math.isnan(score)]


def test_a_fifth_slower_is_told_within_a_few_cycles_and_ends_with_it():
    played = counter()
    at, count, scores = make(played, 0, 0, [4.0, 4.1, 3.9] * 30)
    assert max(scores) < 1.0
    at, count, scores = make(played, at, count, [5.0] * 8)
    assert scores[-1] >= 1.0
    said = played.explain(at)
    assert said["cycle"] == 5.0
    assert said["usual_cycle"] == pytest.approx(4.0, rel=0.03)
    assert make(played, at, count, [4.0] * 8)[2][-1] < 1.0


def test_one_long_cycle_and_a_pause_are_no_slow_machine():
    played = counter()
    at, count, _ = make(played, 0, 0, [4.0] * 60)
    assert max(make(played, at, count, [9.0, 4.0, 4.0, 600.0, 4.0, 9.0, 4.0])[2]) < 1.0


def test_a_counter_that_restarts_is_no_slow_cycle():
    played = counter()
    at, _, _ = make(played, 0, 0, [4.0] * 60)
    assert max(make(played, at + 4, 0, [4.0] * 20)[2]) < 1.0


def test_cycle_times_that_a_controller_reports_are_judged_too():
    played = Played(slow_cycle, series("cycle_time", Kind.GAUGE, "ms"))
    scores = [played.at(i, 4000.0 if i < 100 else 5000.0) for i in range(110)]
    assert scores[99] is not None
    assert scores[99] < 1.0
    assert scores[-1] is not None
    assert scores[-1] >= 1.0
    assert played.explain(110)["cycle_unit"] == "ms"


def test_a_gauge_of_another_unit_is_no_cycle_time():
    played = Played(slow_cycle, series("temperature", Kind.GAUGE, "Cel"))
    assert all(math.isnan(played.at(i, 20.0) or 0.0) for i in range(100))
