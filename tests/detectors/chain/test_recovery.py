"""Times to recover learned from outages: those that still run count, few are helped by their class."""

from __future__ import annotations

from math import exp, inf, log

import numpy as np
import pytest

from detectors.chain.programme.scenario import MissingRecovery
from detectors.chain.recovery import (
    LogNormal,
    Past,
    at,
    days_to,
    fit_log_normal,
    kaplan_meier,
    median_d,
    time_to_recover,
)
from tests.detectors.chain.reference import case

STATED = case("ttr-h01-censored")
OUTAGES = [Past(one["days"], one["ended"]) for one in STATED["outages"]]


def test_agrees_with_the_reference() -> None:
    survival, expected = kaplan_meier(OUTAGES), STATED["expected"]
    stated = {float(d): share for d, share in expected["survival"].items()}
    assert dict(zip(survival.at_d, survival.still_out, strict=True)) == pytest.approx(stated, rel=1e-12)
    assert median_d(survival) == expected["median"]
    assert np.median([one.days_d for one in OUTAGES if one.ended]) == expected["completed_only_median"]


def test_between_two_ends_the_share_stays() -> None:
    survival = kaplan_meier(OUTAGES)
    assert [at(survival, d) for d in (0.0, 1.9, 2.0, 4.5)] == pytest.approx([1.0, 1.0, 5 / 6, 2 / 3])
    assert median_d(kaplan_meier([Past(1), Past(2, ended=False), Past(3, ended=False)])) is None


def test_five_outages_that_ended_speak_for_themselves() -> None:
    own = [Past(d) for d in (2, 3, 5, 8, 12)]
    learned = time_to_recover(own, [Past(100)] * 9)
    assert [learned.quantile_d(share) for share in (0.5, 0.8, 0.95)] == pytest.approx([5.0, 8.0, 12.0])
    assert learned.mean_d == pytest.approx(6.0)


def test_fewer_are_mixed_with_the_class_by_how_many_there_are() -> None:
    few, of_class = [Past(4), Past(6)], [Past(d) for d in (20, 30, 40, 50, 60)]
    learned = time_to_recover(few, of_class)
    assert learned.still_out(10.0) == pytest.approx(3 / 5)
    assert learned.mean_d == pytest.approx(0.4 * 5 + 0.6 * 40)
    assert learned.quantile_d(0.4) == pytest.approx(6.0)


def test_a_node_without_history_or_class_recovers_around_the_stated_time() -> None:
    learned = time_to_recover([], [], stated_d=21.0)
    assert learned.quantile_d(0.5) == pytest.approx(21.0)
    assert learned.quantile_d(0.95) == pytest.approx(21.0 * exp(0.6 * 1.6448536269514722))
    with pytest.raises(MissingRecovery, match="neither the node nor its class"):
        time_to_recover([Past(3, ended=False)])


def test_beyond_the_longest_that_ended_a_tail_carries_on() -> None:
    outages = [Past(d) for d in (2, 3, 4, 5, 6)] + [Past(9, ended=False)] * 3
    learned = time_to_recover(outages)
    assert learned.still_out(6.0) == pytest.approx(3 / 8)
    assert 0 < learned.still_out(30.0) < learned.still_out(9.0) < 3 / 8
    assert learned.quantile_d(0.95) > 9.0
    assert learned.still_out(learned.quantile_d(0.95)) == pytest.approx(0.05)


def test_outages_that_still_run_raise_the_fit() -> None:
    rng = np.random.default_rng(5)
    days = np.exp(rng.normal(2.0, 0.7, 3000))
    cut = np.minimum(days, 10.0)
    all_ = [Past(float(d), bool(d < 10)) for d in cut]
    fitted = fit_log_normal(all_)
    assert (fitted.mu, fitted.sigma) == pytest.approx((2.0, 0.7), abs=0.05)
    assert fit_log_normal([one for one in all_ if one.ended]).mu < 1.75
    with pytest.raises(MissingRecovery, match="no outage has ended yet"):
        fit_log_normal([Past(3, ended=False)])


def test_the_mean_of_a_log_normal_falls_into_its_parts() -> None:
    tail = LogNormal(log(5.0), 0.5)
    assert tail.sum_d(0, 4) + tail.sum_d(4, inf) == pytest.approx(5.0 * exp(0.125))


def test_a_resumption_is_done_when_output_stays() -> None:
    days, ratio = [0.0, 1.0, 2.0, 3.0, 4.0], [0.2, 0.85, 0.7, 0.9, 0.96]
    assert days_to(days, ratio, 0.8) == 3.0
    assert days_to(days, ratio, 0.95) == 4.0
    assert days_to(days, ratio, 0.99) is None


@pytest.mark.parametrize("days_d", [-1.0, inf, float("nan")])
def test_an_outage_of_less_than_nothing_is_refused(days_d: float) -> None:
    with pytest.raises(ValueError, match="it must be 0 or more"):
        Past(days_d)
