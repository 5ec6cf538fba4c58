"""Booked stocks: warned of by chance, with receipts, each supplier's lateness and the calendar reckoned in."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import numpy as np
import pytest

from collector.readings import NS_PER_S, Batch, BatchBuilder, Equipment, Kind, Quality, Series
from collector.spool.ledger import Cause, Gap
from detectors.calendar import Calendar, Shift
from detectors.detector import Context, Detector, Hearer, Scores
from detectors.flow import Flow
from detectors.methods import shortage
from detectors.stores import HIGHEST_SCORE

MONDAY_S = 1_751_846_400  # 2025-07-07
PLACE = Equipment("acme", "north", "", "inventory", "bolt")
SERIES = {
    0: Series(PLACE, "on_hand", "1", Kind.STOCK, on_event=True),
    1: Series(PLACE, "next_due/acme", "s", on_event=True),
    2: Series(PLACE, "next_quantity/acme", "1", on_event=True),
}
SHIFT = Shift(name="day", start=dt.time(6), end=dt.time(22), days=("mon", "tue", "wed", "thu", "fri"))
DAY_H, RESPONSE_S = 24, 86_400.0


def store(*shifts: Shift) -> Detector:
    calendar = Calendar("UTC", shifts or [SHIFT])
    return shortage.build(shortage.Options(response_s=RESPONSE_S), Context(SERIES, calendar, "north/inventory"))


def at_ns(hour: float) -> int:
    return int((MONDAY_S + hour * 3600) * NS_PER_S)


def batch(*rows: tuple[float, int, float]) -> Batch:
    """Rows of (hour, series, value)."""
    builder = BatchBuilder()
    for hour, series, value in rows:
        builder.add(series, at_ns(hour), value, Quality.GOOD, at_ns(hour))
    return builder.build()


def weeks(count: int = 3, per_h: float = 2.0, start: float = 2000.0) -> list[tuple[float, int, float]]:
    """Every planned hour uses so much."""
    rows, stock = [], start
    for hour in range(count * 7 * DAY_H):
        if 6 <= hour % 24 < 22 and hour // 24 % 7 < 5:
            stock -= per_h
            rows.append((hour + 0.5, 0, stock))
    return rows


LEARNED = weeks()
NOW = 3 * 7 * DAY_H + 6.0  # Monday at six


def score_of(scores: Scores) -> float:
    return float(scores.score[-1])


def asked(stock: float, *told: tuple[int, float], shift: Shift = SHIFT, hour: float = NOW) -> tuple[Detector, float]:
    """A store that has learned, with so much on hand on a Monday morning: itself and its score."""
    detector = store(shift)
    detector.score(batch(*LEARNED))
    detector.score(batch(*((hour, series, value) for series, value in told)))
    return detector, score_of(detector.score(batch((hour + 0.1, 0, stock))))


def due(hours: float, quantity: float = 500.0) -> tuple[tuple[int, float], tuple[int, float]]:
    return (2, quantity), (1, MONDAY_S + (NOW + hours) * 3600)


def test_it_warns_when_the_stock_ends_within_the_response_time_and_not_before() -> None:
    assert asked(20.0)[1] >= 1.0  # ten hours of production
    assert asked(400.0)[1] < 0.1  # 200 hours


def test_a_receipt_in_time_is_reckoned_with_and_one_that_is_late_is_not_waited_for() -> None:
    alone, in_time, overdue = asked(36.0)[1], asked(36.0, *due(2))[1], asked(36.0, *due(-200))[1]
    assert in_time < 1.0 <= alone
    assert in_time < overdue <= alone


def test_a_weekend_uses_nothing() -> None:
    friday = NOW + 4 * DAY_H + 15  # an hour before the end of Friday
    assert asked(20.0, hour=friday)[1] < asked(20.0)[1]


def test_a_supplier_who_is_always_late_is_not_believed() -> None:
    scores = []
    for late_h in (0, 30):
        detector, rows = store(), []
        stock = 5000.0
        for day in range(40):
            hour = day * DAY_H + 30.0
            rows += [(hour - 20, 2, 100.0), (hour - 20, 1, MONDAY_S + (hour - late_h) * 3600)]
            stock += 100
            rows += [(hour, 0, stock), (hour, 1, 0.0), (hour, 2, 0.0)]
            for worked in range(6, 22):
                if (day + 1) % 7 < 5:
                    stock -= 2
                    rows.append((hour - 6 + worked + 0.5, 0, stock))
        detector.score(batch(*sorted(rows, key=lambda row: row[0])))
        now = 42 * DAY_H + 6.0
        detector.score(batch((now, 2, 500.0), (now, 1, MONDAY_S + (now + 12) * 3600)))
        scores.append(score_of(detector.score(batch((now + 0.1, 0, 50.0)))))
    assert scores[0] < 1.0 <= scores[1]


def test_an_empty_store_scores_highest_and_a_full_one_ends_it() -> None:
    detector, score = asked(0.0)
    assert score == HIGHEST_SCORE
    assert score_of(detector.score(batch((NOW + 1, 0, 900.0)))) < 0.1


def test_time_may_raise_a_verdict_and_takes_none_back() -> None:
    detector, score = asked(20.0)
    assert all(score_of(detector.tick(at_ns(NOW + h))) >= score for h in range(1, 100, 7))
    quiet, before = asked(40.0, *due(20))
    later = [score_of(quiet.tick(at_ns(NOW + h))) for h in (1, 24)]
    assert before < 1.0
    assert later[1] > later[0]  # the receipt did not come


def test_the_evidence_says_the_hour_the_line_and_the_order() -> None:
    detector, _ = asked(20.0, *due(-5))
    said = detector.explain(0, at_ns(NOW + 0.1))
    assert said["stock"] == 20.0
    assert said["next_supplier"] == "acme"
    assert said["next_overdue_h"] == pytest.approx(5.1, abs=0.01)
    early, middle, late = (float(said[f"time_to_empty{of}_s"]) for of in ("_early", "", "_late"))
    assert 0 < early <= middle <= late
    assert 0.5 < float(said["chance_short_in_48_h"]) <= 1.0


def test_an_order_in_the_past_is_said_to_be_overdue_and_loses_nothing() -> None:
    said = asked(20.0, *due(-2000))[0].explain(0, at_ns(NOW + 0.1))
    assert said["next_overdue_h"] == pytest.approx(2000.1, abs=0.01)
    assert said["next_quantity"] == 500.0


def test_a_stock_that_is_put_right_upwards_is_no_negative_use() -> None:
    detector = store()
    rows = [(hour, series, value + (300 if hour > 200 else 0)) for hour, series, value in LEARNED]
    detector.score(batch(*rows))
    plain = store()
    plain.score(batch(*LEARNED))
    uses = [one.explain(0, at_ns(NOW))["use_per_h"] for one in (detector, plain)]
    assert uses[0] == pytest.approx(uses[1], rel=0.05)


def test_a_negative_stock_is_an_empty_one() -> None:
    assert asked(-5.0)[1] == HIGHEST_SCORE


def test_a_clock_that_steps_back_changes_nothing() -> None:
    clean, stepped = store(), store()
    clean.score(batch(*LEARNED))
    stepped.score(batch(*LEARNED))
    stepped.score(batch((100.0, 0, 3.0), (101.0, 0, 1.0)))
    assert clean.snapshot() == stepped.snapshot()


def test_shifts_that_overlap_count_once() -> None:
    both = Shift(name="long", start=dt.time(5), end=dt.time(23), days=SHIFT.days)
    overlapping, single = store(SHIFT, both), store(both)
    for detector in (overlapping, single):
        detector.score(batch(*LEARNED, (NOW, 0, 20.0)))
    assert overlapping.snapshot() == single.snapshot()


def test_what_left_within_a_gap_teaches_nothing() -> None:
    detector, plain = store(), store()
    rows = [row for row in LEARNED if row[0] < 400] + [row for row in LEARNED if row[0] > 430]
    before = [row for row in rows if row[0] < 400]
    detector.score(batch(*before))
    detector.miss(Gap("north/inventory", Cause.EVICTED, at_ns(399), at_ns(430), 1, "", "x"))
    detector.score(batch(*rows[len(before) :]))
    plain.score(batch(*LEARNED))
    uses = [one.explain(0, at_ns(NOW))["use_per_h"] for one in (detector, plain)]
    assert uses[0] == pytest.approx(uses[1], rel=0.05)


@pytest.mark.parametrize("cut", [1, 50, 171])
def test_cuts_and_restarts_change_nothing(cut: int) -> None:
    rows = [*LEARNED, *((NOW, *one) for one in due(5)), (NOW + 1, 0, 40.0), (NOW + 2, 0, 30.0)]
    once, apart = store(), store()
    whole = once.score(batch(*rows))
    said = []
    for start, end in pairwise([*range(0, len(rows), cut), len(rows)]):
        said.append(apart.score(batch(*rows[start:end])).score)
        state = apart.snapshot()
        apart = store()
        apart.restore(state)
    np.testing.assert_array_equal(whole.score, np.concatenate(said))
    assert once.snapshot() == apart.snapshot()


def test_it_is_quiet_until_a_week_is_known() -> None:
    scores = store().score(batch(*weeks(1)[:70])).score
    assert np.isnan(scores).all()


def fed(*, made: bool) -> Detector:
    """The store beside a line that makes a unit an hour of two bolts; what it takes is booked at ten in the evening."""
    counter = Series(Equipment("acme", "north", "", "press", "cell"), "good", "1", Kind.COUNTER)
    context = Context(
        {**SERIES, 3: counter}, Calendar("UTC", [SHIFT]), "north/inventory", flow=Flow({("north/press", "bolt"): 2.0})
    )
    detector = shortage.build(shortage.Options(response_s=RESPONSE_S), context)
    units, stock = 0.0, 60.0 + 15 * 32
    for hour in range(21 * DAY_H + 21):
        if 6 <= hour % 24 < 22 and hour // 24 % 7 < 5:
            units += 1
            if made and isinstance(detector, Hearer):
                detector.hear(batch((hour + 0.5, 3, units)))
            if hour % 24 == 21 and hour < 21 * DAY_H:
                stock -= 32
                detector.score(batch((hour + 0.6, 0, stock)))
    return detector


def test_what_output_used_and_nobody_booked_yet_is_not_on_hand() -> None:
    said, plain = (fed(made=made).explain(0, at_ns(21 * DAY_H + 21)) for made in (True, False))
    assert said["stock"] == plain["stock"] == 60.0
    assert float(said["used_not_booked"]) == pytest.approx(30, abs=2)
    assert "used_not_booked" not in plain
    assert said["use_per_h"] == pytest.approx(plain["use_per_h"], rel=0.15)
    assert float(said["time_to_empty_s"]) < 0.7 * float(plain["time_to_empty_s"])
