"""Counters as they are, and the chart that sums up what is missing of them."""

import numpy as np
import pytest

from collector.readings import NS_PER_S
from detectors.counts import units_since
from detectors.slow_drop import Chart, SlowDrop

NAN = float("nan")


@pytest.mark.parametrize(
    ("before", "now", "units"),
    [
        (100.0, 107.0, 7.0),
        (100.0, 3.0, 3.0),  # restarted
        (65_533.0, 4.0, 7.0),  # wrapped at 16 bits
        (999_998.0, 1.0, 3.0),  # six digits
        (100.0, 50_000.0, 5.0),  # set by hand: the usual number
        (100.0, -20.0, 0.0),
    ],
)
def test_what_a_step_of_a_counter_stands_for(before, now, units):
    assert units_since(before, now, 5.0, 20.0) == units


def test_nothing_is_impossible_while_nothing_is_usual():
    assert units_since(0.0, 5e6, NAN, NAN) == 5e6


def run(slow: SlowDrop, rates: list[float], per_interval: float = 20.0) -> Chart:
    chart = Chart()
    for i, rate in enumerate(rates):
        slow.add(chart, i * 60 * NS_PER_S, rate, per_interval, 60.0)
    return chart


def test_a_lasting_drop_is_summed_up_with_its_beginning_and_its_cost():
    slow = SlowDrop(0.2, 650 * 60)
    chart = run(slow, [20.0] * 50 + [16.0] * 20)
    assert chart.sum >= 1.0
    assert chart.began_ns == 49 * 60 * NS_PER_S
    assert chart.lost == pytest.approx(80)


def test_it_is_over_soon_after_the_drop_is():
    assert run(SlowDrop(0.2, 650 * 60), [20.0] * 50 + [12.0] * 60 + [20.0] * 25).sum < 1.0


def test_a_rise_is_summed_up_likewise():
    rng = np.random.default_rng(4)
    calm = [float(count) for count in rng.poisson(20, 300)]
    assert run(SlowDrop(-1.0, 5000 * 60), calm).sum < 1.0
    assert run(SlowDrop(-1.0, 5000 * 60), [*calm, 40.0, 40.0, 40.0]).sum >= 1.0


def test_a_line_that_often_pauses_is_judged_later():
    rng = np.random.default_rng(4)
    steady, restless = [20.0] * 400, [float(count) for count in rng.choice([0.0, 40.0], 400)]
    assert run(SlowDrop(0.2, 650 * 60), restless).dispersion > 4 * run(SlowDrop(0.2, 650 * 60), steady).dispersion
