"""Limits: who is outside is told, who is inside is not, and the limits are shown."""

from __future__ import annotations

import math

import pytest

from collector.readings import Equipment, Series
from detectors.methods import limits
from detectors.methods.limits import Options
from tests.detectors.played import Played

SERIES = Series(Equipment("e", "site", line="line"), "pressure", "bar")


def score(value: float, **of: float) -> float:
    played = Played(limits, SERIES, **of)
    scores = [played.at(second, value) for second in range(1, 5)]
    assert scores[-1] is not None
    return scores[-1]


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
    played = Played(limits, SERIES, low=1.0, high=5.0)
    for second in range(1, 5):
        played.at(second, 9.0)
    assert played.said is not None
    assert (played.said.value[0], played.said.expected_low[0], played.said.expected_high[0]) == (9.0, 1.0, 5.0)
    assert played.explain(4) == {"value": 9.0, "unit": "bar", "low": 1.0, "high": 5.0}
    assert math.isnan(played.said.expected[0])


def test_the_first_readings_of_a_series_are_not_judged() -> None:
    played = Played(limits, SERIES, low=1.0)
    assert [(played.at(second, -9.0) or 0.0) >= 1.0 for second in range(1, 6)] == [False] * 3 + [True] * 2


def test_limits_that_cross_are_refused() -> None:
    with pytest.raises(ValueError, match="`low` must be below `high`"):
        Options(low=5.0, high=1.0)


@pytest.mark.parametrize(("low", "high"), [(-math.inf, 0.0), (0.0, math.inf), (-5.0, 0.0)])
def test_a_limit_of_nothing_or_without_end_is_a_limit(low: float, high: float) -> None:
    assert score(2.0, low=low, high=high) == (3.0 if high == 0.0 else 0.0)
    assert score(-2.0, low=low, high=high) == (3.0 if low == 0.0 else 0.0 if low == -math.inf else 0.999 - 0.6)
