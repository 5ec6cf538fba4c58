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
    recovered_d,
    time_to_recover,
)
from tests.detectors.chain.reference import case

STATED = case("ttr-h01-censored")
OUTAGES = [Past(one["days"], one["ended"]) for one in STATED["outages"]]


def test_agrees_with_the_reference() -> None:
    survival, expected = kaplan_meier(OUTAGES), STATED["expected"]
    stated = {float(d): share for d, share in expected["survival"].items()}
    assert dict(zip(survival.at_d, survival.still_out, strict=True)) == pytest.approx(stated, rel=1e-12)
    assert recovered_d(survival) == expected["median"]
    assert np.median([one.days_d for one in OUTAGES if one.ended]) == expected["completed_only_median"]


def test_between_two_ends_the_share_stays() -> None:
    survival = kaplan_meier(OUTAGES)
    assert [at(survival, d) for d in (0.0, 1.9, 2.0, 4.5)] == pytest.approx([1.0, 1.0, 5 / 6, 2 / 3])
    assert [recovered_d(survival, share) for share in (0.3, 0.8, 0.95)] == [3, 12, 12]
    assert recovered_d(kaplan_meier([Past(1), Past(2, ended=False), Past(3, ended=False)])) is None


def test_five_outages_that_ended_speak_for_themselves() -> None:
    own = [Past(d) for d in (2, 3, 5, 8, 12)]
    learned = time_to_recover(own, [Past(100)] * 9, stated_d=50.0)
    assert [learned.quantile_d(share) for share in (0.5, 0.8)] == pytest.approx([5.0, 12.0])
    assert [learned.still_out(d) for d in (1.9, 2.0, 3.0, 5.0, 8.0, 12.0)] == pytest.approx(
        [1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    )


def test_the_next_outage_may_outlast_all_that_were_seen() -> None:
    """Five of 3 to 7 days, all over: with a chance of 1 in 6 the next takes longer, so that the P95 lies above 7."""
    learned = time_to_recover([Past(d) for d in (3, 4, 5, 6, 7)])
    assert learned.still_out(7.0) == pytest.approx(1 / 6)
    assert learned.still_out(8.0) < 1 / 6 and 7 < learned.quantile_d(0.95) < 14
    many = time_to_recover([Past(3 + 4 * i / 99) for i in range(100)])
    assert many.quantile_d(0.95) == pytest.approx(6.84, abs=0.05)


def test_the_stated_time_is_not_thrown_away_for_one_outage_of_the_class() -> None:
    learned = time_to_recover([], [Past(167)], stated_d=25.0)
    alone = time_to_recover([], [], stated_d=25.0)
    p50, p80, p95 = (learned.quantile_d(share) for share in (0.5, 0.8, 0.95))
    assert alone.quantile_d(0.5) < p50 < 30 and alone.quantile_d(0.8) < p80 < 100 and p95 == pytest.approx(167)
    assert learned.still_out(100.0) == pytest.approx(1 / 6 + 5 / 6 * alone.still_out(100.0))
    thirty = time_to_recover([], [Past(d) for d in range(152, 182)], stated_d=25.0)
    assert thirty.quantile_d(0.5) > 150  # many such outages outweigh what is stated


def test_few_outages_of_one_length_leave_the_usual_spread() -> None:
    learned = time_to_recover([Past(4), Past(4), Past(4)])
    assert learned.still_out(4.0) == pytest.approx(1 / 4)
    assert learned.quantile_d(0.95) == pytest.approx(4 * exp(0.6 * 1.2816), rel=1e-3)  # 1 in 10 of the upper half


def test_fewer_are_mixed_with_the_class_by_how_many_there_are() -> None:
    few, of_class = [Past(4), Past(6)], [Past(d) for d in (20, 30, 40, 50, 60)]
    learned = time_to_recover(few, of_class)
    own, class_ = time_to_recover(few), time_to_recover(of_class)
    for d in (4.0, 10.0, 30.0, 90.0):
        assert learned.still_out(d) == pytest.approx(0.4 * own.still_out(d) + 0.6 * class_.still_out(d))
    assert learned.mean_d == pytest.approx(0.4 * own.mean_d + 0.6 * class_.mean_d)
    assert learned.quantile_d(0.4 * 2 / 3) == pytest.approx(6.0)


def test_a_node_without_history_or_class_recovers_around_the_stated_time() -> None:
    learned = time_to_recover([], [], stated_d=21.0)
    assert learned.quantile_d(0.5) == pytest.approx(21.0)
    assert learned.quantile_d(0.95) == pytest.approx(21.0 * exp(0.6 * 1.6448536269514722))
    with pytest.raises(MissingRecovery, match="neither the node nor its class"):
        time_to_recover([Past(3, ended=False)])


def test_beyond_the_longest_that_ended_a_tail_carries_on() -> None:
    outages = [Past(d) for d in (2, 3, 4, 5, 6)] + [Past(9, ended=False)] * 3
    learned = time_to_recover(outages)
    assert learned.still_out(6.0) == pytest.approx(4 / 9)
    assert 0 < learned.still_out(30.0) < learned.still_out(9.0) < 4 / 9
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
