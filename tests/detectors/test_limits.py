"""Limits: who is outside is told, who is inside is not, and the limits are shown."""

from __future__ import annotations

import math

import pytest

from collector.readings import Equipment, Series
from detectors.methods.limits import Limits, Options, Reading

SERIES = Series(Equipment("e", "site", line="line"), "pressure", "bar")


def score(value: float, **limits: float) -> float:
    method = Limits(Options(**limits))
    memory = method.start(SERIES)
    return [method.update(SERIES, memory, at_ns, value).score for at_ns in range(1, 5)][-1]


@pytest.mark.parametrize(
    ("value", "outside"), [(0.9, True), (1.0, False), (2.0, False), (5.0, False), (5.1, True), (-3.0, True)]
)
def test_outside_is_told_and_inside_is_not(value: float, outside: bool) -> None:
    assert (score(value, low=1.0, high=5.0) >= 1.0) is outside


def test_the_score_grows_with_the_distance() -> None:
    assert score(0.5, low=1.0) < score(0.0, low=1.0) < score(-1.0, low=1.0)


def test_without_a_high_limit_nothing_is_too_much() -> None:
    assert score(1e12, low=0.0) < 1.0


def test_evidence_names_value_and_limits() -> None:
    method, memory = Limits(Options(low=1.0, high=5.0)), Reading(readings=3)
    point = method.update(SERIES, memory, 7, 9.0)
    assert (point.value, point.expected_low, point.expected_high) == (9.0, 1.0, 5.0)
    assert method.explain(SERIES, memory, 7) == {"value": 9.0, "unit": "bar", "low": 1.0, "high": 5.0}
    assert math.isnan(point.expected)


def test_the_first_readings_of_a_series_are_not_judged() -> None:
    method = Limits(Options(low=1.0))
    memory = method.start(SERIES)
    assert [method.update(SERIES, memory, at_ns, -9.0).score >= 1.0 for at_ns in range(1, 6)] == [False] * 3 + [
        True
    ] * 2


def test_limits_that_cross_are_refused() -> None:
    with pytest.raises(ValueError, match="`low` must be below `high`"):
        Options(low=5.0, high=1.0)


@pytest.mark.parametrize(("low", "high"), [(-math.inf, 0.0), (0.0, math.inf), (-5.0, 0.0)])
def test_a_limit_of_nothing_or_without_end_is_a_limit(low: float, high: float) -> None:
    assert score(2.0, low=low, high=high) == (3.0 if high == 0.0 else 0.0)
    assert score(-2.0, low=low, high=high) == (3.0 if low == 0.0 else 0.0 if low == -math.inf else 0.999 - 0.6)
