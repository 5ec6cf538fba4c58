"""The benchmark's score against values worked out by hand from the paper's formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detectors.judged.halves import across_halves
from detectors.judged.nab import LOW_FN, LOW_FP, STANDARD, Judge, score

ROWS = 1000  # so the first 150 are probationary
WINDOWS = [(300, 399), (700, 709)]  # 100 and 10 rows
EDGE = 2 / (1 + math.exp(-5)) - 1  # 0.98661, of the first row


def alarms(*rows: int) -> np.ndarray:
    raised = np.zeros(ROWS, bool)
    raised[list(rows)] = True
    return raised


@pytest.fixture
def judge() -> Judge:
    return Judge(range(ROWS), WINDOWS)


def scaled(place: float) -> float:
    return 2 / (1 + math.exp(5 * place)) - 1


def test_silence_is_nothing_and_the_first_row_of_each_window_is_all(judge):
    for profile in (STANDARD, LOW_FP, LOW_FN):
        assert score([(judge, alarms())], profile) == pytest.approx(0.0)
        assert score([(judge, alarms(300, 700))], profile) == pytest.approx(100.0)


@pytest.mark.parametrize(("row", "place"), [(300, -1.0), (350, -0.5), (399, -0.01)])
def test_a_hit_is_worth_less_the_later_it_comes(judge, row, place):
    assert judge.points(alarms(row), STANDARD) == pytest.approx(scaled(place) / EDGE - 1)


def test_only_the_best_row_of_a_window_counts(judge):
    assert judge.points(alarms(310, 350, 399), STANDARD) == judge.points(alarms(310), STANDARD)


@pytest.mark.parametrize(
    ("row", "place"),
    [(200, 3.0), (400, 1 / 99), (498, 1.0), (696, 3.0), (699, 3.0), (710, 1 / 9), (718, 1.0), (999, 3.0)],
)
def test_a_false_alarm_costs_more_the_farther_behind_a_window_it_is(judge, row, place):
    weight = -1.0 if place >= 3 else scaled(place)
    assert judge.points(alarms(row), STANDARD) == pytest.approx(-2 + 0.11 * weight)
    assert judge.points(alarms(row), LOW_FP) == pytest.approx(-2 + 0.22 * weight)
    assert judge.points(alarms(row), LOW_FN) == pytest.approx(-4 + 0.11 * weight)


def test_the_probationary_rows_do_not_count(judge):
    assert judge.points(alarms(*range(150)), STANDARD) == judge.points(alarms(), STANDARD)
    assert judge.points(alarms(150), STANDARD) < judge.points(alarms(149), STANDARD)
    assert Judge(range(20_000), []).probation == 750


def test_a_window_within_the_probationary_rows_can_neither_be_hit_nor_missed():
    early = Judge(range(ROWS), [(20, 60)])
    assert early.points(alarms(), STANDARD) == 0
    assert early.points(alarms(30), STANDARD) == 0


def test_files_are_added_up_before_they_are_normalised(judge):
    quiet = Judge(range(ROWS), [])
    both = [(judge, alarms(300)), (quiet, alarms(500))]
    assert score(both, STANDARD) == pytest.approx(100 * (1 - 1 - 0.11 + 2) / 4)
    assert judge.counts(alarms(300, 301, 500)) == (1, 1)


def test_a_window_where_no_row_is_names_the_instant():
    with pytest.raises(ValueError, match="at 5000, where no row is"):
        Judge(range(ROWS), [(300, 5000)])


def test_settings_are_judged_on_the_files_they_were_not_chosen_on():
    """Each setting is perfect on its own half of the kinds of file and silent on the rest; one is good everywhere."""
    silent, perfect = np.full(8, -1.0), np.full(8, 1.0)
    good = np.full((8, 1), 0.8)
    memorised = np.where(np.arange(8)[:, None] == np.arange(8), 1.0, -1.0)
    np.testing.assert_allclose(across_halves(np.hstack([good, memorised]), silent, perfect), 90.0)
