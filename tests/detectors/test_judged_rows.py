"""How alarms are held against what was wrong, row by row; and the machines they are made up for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detectors.judged.machines import FAULTS, KINDS, machine
from detectors.judged.rows import agreement, area, stretches


def flags(*rows: int) -> np.ndarray:
    return np.array(rows, bool)


def test_rates_by_hand() -> None:
    wrong, alarm = flags(0, 0, 1, 1, 1, 0, 0, 1), flags(0, 1, 0, 1, 1, 0, 0, 0)
    said = agreement(wrong, alarm, np.zeros(8))
    assert said.f1 == pytest.approx(2 * 2 / (2 * 2 + 1 + 2))
    assert (said.far, said.mar, said.found, said.delay) == (0.25, 0.5, 0.5, 1.0)


def test_the_area_is_the_chance_of_the_right_order() -> None:
    wrong = flags(0, 0, 1, 1)
    assert area(wrong, np.array([0.1, 0.4, 0.35, 0.8])) == 0.75
    assert area(wrong, np.ones(4)) == 0.5
    assert area(wrong, np.array([np.nan, 0.4, 0.5, 0.8])) == 1.0
    assert math.isnan(area(flags(0, 0), np.zeros(2)))


def test_stretches_are_unbroken_runs() -> None:
    assert stretches(flags(1, 1, 0, 1)) == [(0, 2), (3, 4)]
    assert stretches(flags(0, 0)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_machine_is_sound_while_it_teaches_and_the_same_for_the_same_seed(kind: str) -> None:
    one, again, other = machine(kind, 1), machine(kind, 1), machine(kind, 2)
    np.testing.assert_array_equal(one.value, again.value)
    assert not np.array_equal(one.value, other.value)
    assert not one.wrong[: one.taught].any()
    assert one.wrong.any()
    assert np.isfinite(one.value).all()
    assert set(one.faults) <= set(FAULTS)
